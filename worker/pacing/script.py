"""The way into Redis: runs `pacing.lua` and plain commands, and turns every trouble into `PacingAway`.

Redis's library is imported where it is asked, not above: it takes a tenth of a second, and most verbs ask Redis nothing.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from worker.pacing.values import NeedsRefill, PacingAway, Settling

if TYPE_CHECKING:
    from redis.asyncio.client import Redis as RedisClient


class Script:
    """`pacing.lua` on one ledger's keys. `redis_clock` (microseconds) stands in for the server's clock in tests only."""

    def __init__(self, client: "RedisClient", prefix: str, redis_clock: Callable[[], int] | None = None) -> None:
        self._client = client
        self._prefix = prefix
        self._redis_clock = redis_clock
        self._text = files("worker.pacing").joinpath("pacing.lua").read_text(encoding="utf-8")
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()  # how Redis names a script

    async def run(self, operation: str, argument: Mapping[str, object]) -> list[Any]:
        """The script's reply without its leading status. Raises Settling, NeedsRefill or PacingAway."""
        status, *rest = await self.answer(operation, argument)
        if status == "settling":
            raise Settling(rest[0] / 1_000_000)
        if status == "needs refill":
            raise NeedsRefill
        return rest

    async def answer(self, operation: str, argument: Mapping[str, object]) -> list[Any]:
        """The script's reply, its status first. Raises PacingAway."""
        from redis.exceptions import NoScriptError

        now = "" if self._redis_clock is None else str(self._redis_clock())
        given = ("1", f"{self._prefix}state", operation, self._prefix, now, json.dumps(argument, separators=(",", ":")))
        try:
            reply = await self.command("EVALSHA", self._sha, *given)
        except NoScriptError:  # a server that is new; EVAL also keeps the script for the next EVALSHA
            reply = await self.command("EVAL", self._text, *given)
        return [_text(item) for item in reply]

    async def command(self, *words: str | int) -> Any:
        """One command's reply. Raises PacingAway, and NoScriptError for the caller above."""
        from redis.exceptions import NoScriptError, RedisError

        call: Awaitable[Any] = self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        try:
            return await call
        except NoScriptError:
            raise
        except (RedisError, OSError) as exc:
            raise PacingAway(
                f"Redis (pacing) cannot be asked, so nothing is sent: {exc or type(exc).__name__}"
            ) from exc


def _text(item: Any) -> Any:
    """A reply's string as text, whether or not the client decodes."""
    return item.decode() if isinstance(item, bytes) else item
