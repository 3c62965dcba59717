"""A home that is read again when its files change, without a restart.

    config = Reloading(home, lambda: read_home(home.root))
    fresh = config.look()            # at every tick: a new home that may be taken, or None
    if fresh is not None:
        ...work to it...
        config.took(fresh)

A change is judged once the files stood still for one look: an editor that empties a file and then writes it is not
reported. What `load_home` refuses, what `check` calls an error, and what needs a restart change nothing: `trouble` says
so, and which config stays in force, until the files are mended.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from worker.domain.clock import Clock, SystemClock
from worker.domain.errors import BadInput
from worker.settings import Home
from worker.settings.reload import Looked, content_hash, look, needs_restart

log = logging.getLogger("lettershop.config")


class Reloading:
    """One process's view of its home's files. Not for several threads at once."""

    def __init__(self, home: Home, read: Callable[[], Home], clock: Clock | None = None) -> None:
        """`home` is in force; `read` reads its files again, and raises BadInput for what cannot be read."""
        self.home = home
        self.hash = self._found = content_hash(home.root)
        self.trouble = ""
        self._read = read
        self._clock = clock or SystemClock()
        self._since = self._clock.now()
        self._judged: Looked | None = None  # None: what was written while this process started is looked at once
        self._seen: Looked | None = None

    def look(self) -> Home | None:
        """Look once. A home to be taken, if the files changed, stood still since the last look, and are valid."""
        seen = look(self.home)
        still, self._seen = seen == self._seen, seen
        if not still or seen == self._judged:
            return None
        try:
            return self._judge(seen)
        except BadInput as exc:
            self._refuse(seen, str(exc))
        except OSError as exc:
            self._refuse(seen, f"{exc.filename or self.home.root}: {exc.strerror or type(exc).__name__}")
        return None

    def took(self, fresh: Home) -> None:
        """The process works to `fresh` now."""
        self._judged, self.home = self._seen, fresh
        self.hash, self._since = self._found, self._clock.now()
        self._say("")
        log.info("the config was read anew: %s", self.hash)

    def failed(self, why: str) -> None:
        """The process could not take the new home for now; the next look offers it again."""
        self._say(f"{why}; {self._stays()}")

    def _judge(self, seen: Looked) -> Home | None:
        from worker.operations.check import check  # it looks over what is reloaded, this module's users among it

        self._found = content_hash(self.home.root)  # before it is read: what changes between shows at the next look
        fresh = self._read()
        if self._found == self.hash and fresh == self.home:
            self._judged = seen
            self._say("")
            return None
        if keys := needs_restart(self.home.settings, fresh.settings):
            self._refuse(
                seen, f"config/lettershop.toml: a change of {', '.join(keys)} needs a restart of every process"
            )
            return None
        if errors := check(fresh).errors:
            more = f" (and {len(errors) - 1} more: see `lettershop check`)" if len(errors) > 1 else ""
            self._refuse(seen, f"{errors[0].place}: {errors[0].message}{more}")
            return None
        return fresh

    def _refuse(self, seen: Looked, why: str) -> None:
        self._judged = seen
        lines = why.splitlines() or [""]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        self._say(f"{lines[0]}{more}; {self._stays()}")

    def _stays(self) -> str:
        return f"the config of {_minute(self._since)} stays in force"

    def _say(self, trouble: str) -> None:
        """One line in the log for each trouble, not for each look."""
        if trouble != self.trouble and trouble:
            log.error("%s", trouble)
        self.trouble = trouble


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
