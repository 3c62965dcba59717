"""The parts of a home's stack on this machine, and the order in which they come and go. For `up` and `demo`."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from worker.cli.migrate import bring_up
from worker.domain.errors import RefusedByState
from worker.embedded.part import Part, Say
from worker.embedded.parts import redis_part, sink_part
from worker.embedded.supervisor import Supervisor
from worker.ledger import witness
from worker.wiring.home import open_ledger
from worker.wiring.relays import sink_port_file
from worker.wiring.servers import private_server

if TYPE_CHECKING:
    from worker.settings import Home

WORKER_STOP_S = 660.0
"""A letter whose final dot is out may be answered ten minutes later; usually a worker is gone in a second."""

WORKER_READY_S = 90.0
WEB_READY_S = 60.0
WEB_STOP_S = 20.0
"""Requests under way have ten seconds (`worker.web.connection.Patience`)."""

_READY = b" ready."  # Celery's last word before it begins


class Stack:
    """A running stack: a context manager that starts everything and stops it again; without `web` nobody signs or watches.

    Raises RefusedByState where another stack is up on the home, or where its ledger may not be used; Failed where a
    part does not come up; StopAsked where a signal came meanwhile.
    """

    def __init__(self, home: "Home", say: Say, *, web: bool = True) -> None:
        self._home, self._say, self._web = home, say, web
        self._supervisor = Supervisor(home.var, say)

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        try:
            self._supervisor.obey_signals()
            self._prepare()
            for part in parts_of(self._home, web=self._web):
                self._supervisor.start(part)
        except BaseException as exc:
            self._supervisor.__exit__(type(exc), exc, exc.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.__exit__(kind, error, trace)

    @property
    def names(self) -> list[str]:
        """The parts that were started."""
        return [kept.part.name for kept in self._supervisor.parts]

    def wait(self, timeout_s: float) -> bool:
        """Wait so long, or until somebody asks to stop; whether they did."""
        return self._supervisor.wait(timeout_s)

    def _prepare(self) -> None:
        """All that may be refused is refused here, before anything is started."""
        for sentence in bring_up(self._home):
            self._say("ledger", sentence)
        with open_ledger(self._home) as ledger:
            witness.refuse_behind(ledger, witness.read(self._home.var / "witness.json", ledger.ledger_id))
        refuse_unfit(self._home)
        refuse_unwatched(self._home)
        if self._web:
            _refuse_taken(self._home)


def refuse_unfit(home: "Home") -> None:
    """Live mode starts only if the check passes. Raises RefusedByState with the first finding."""
    if home.settings.mode != "live":
        return
    from worker.operations.check import check

    report = check(home, live=True)
    if report.errors:
        raise RefusedByState(f"live mode is refused; run `lettershop check --live`. First: {report.errors[0]}")


def refuse_unwatched(home: "Home") -> None:
    """Raises BadInput where the watchdog cannot follow `[alarms]`: it would be started again for ever."""
    from worker.operations.watchdog import Plan

    Plan.of(home.settings.alarms)


def _refuse_taken(home: "Home") -> None:
    """Raises Failed where somebody else has the port of the pages: a part that cannot start would be tried for ever."""
    from worker.web.ops.place import own_address
    from worker.web.serve import listen

    listen(home.settings.web.host, home.settings.web.port).close()
    if (own := own_address(home)) is not None:
        listen(*own).close()


def parts_of(home: "Home", *, web: bool = True) -> list[Part]:
    """The home's parts in the order of their start. Raises Failed where no Redis server is installed."""
    from worker.web.ops.place import own_address

    settings = home.settings
    parts = []
    if "embedded" in (settings.broker.url, settings.pacing.url):
        parts.append(redis_part(private_server(home)))
    if settings.mode == "rehearsal" and settings.rehearsal.embedded:
        parts.append(sink_part(home.var / "sink", sink_port_file(home), settings.rehearsal.defer))
    # beat and the express worker come up while the others do, which are waited for: they start from the same home
    parts.append(Part("beat", _verb(home, "beat"), tier=1))
    parts.append(Part("express", _verb(home, "worker", "--express"), stop_within=WORKER_STOP_S, tier=1))
    parts.append(
        Part(
            "worker",
            _verb(home, "worker"),
            ready=_said(home.var / "log" / "worker.log", _READY),
            ready_within=WORKER_READY_S,
            stop_within=WORKER_STOP_S,
            tier=1,
        )
    )
    if web:
        parts.append(_web_part(home, "web"))
        if own_address(home) is not None:
            parts.append(_web_part(home, "ops", "--only", "ops"))
        parts.append(Part("watchdog", _verb(home, "watchdog"), tier=1))
    return parts


def _web_part(home: "Home", name: str, *words: str) -> Part:
    from worker.web.serve import READY

    said = _said(home.var / "log" / f"{name}.log", READY.encode())
    return Part(name, _verb(home, "web", *words), ready=said, ready_within=WEB_READY_S, stop_within=WEB_STOP_S, tier=1)


def _verb(home: "Home", *words: str) -> list[str]:
    # -P: a folder named `worker` where the operator happens to stand must not be taken for ours
    return [sys.executable, "-P", "-m", "worker.cli", "--home", str(home.root), *words]


def _said(log: Path, word: bytes) -> Callable[[], bool]:
    """Whether `word` came into the log since this call."""
    begin = log.stat().st_size if log.exists() else 0

    def said() -> bool:
        if not log.exists():
            return False
        with log.open("rb") as file:
            file.seek(begin if log.stat().st_size >= begin else 0)  # it may have been rotated
            return word in file.read()

    return said
