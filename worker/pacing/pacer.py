"""The pacer: leave to write content, granted by one atomic script in Redis for the whole fleet.

    pacer = Pacer(connect(url), ledger_id, clock)
    answers = await pacer.ask([Want(letter, limits), ...])      # a Grant or a Wait each, in order
    await pacer.give_back(grants that were not used)

Promises
- All limits of a want have room, or nothing is taken for it. Whatever number of processes ask, no window of a limit's
  length sees more content than the limit says; docs/pacing.md has the arithmetic.
- Redis's clock alone counts. Set back, it stands still (up to 60 s) or the windows are refilled (further); it never
  grants more for it. Set forward, it cannot be told from time passing: windows empty early by that much.
- A new run id of the server (a restart, a failover, a lost disk) drops the windows: for 5 s nothing is granted
  (`Settling`: old grants die), then they are refilled from the ledger (`NeedsRefill`). Also where the server kept a log:
  nobody could tell how complete it is.
- It never sleeps. A connection that turns out dead is dialled again once; every call may be repeated without harm.

Not promised: fairness between askers. A reply that is lost wastes its grants; they count as if used.

Everything is kept under `lettershop:<ledger id>:`. No Redis Cluster. Redis's user needs EVAL, EVALSHA, INFO, TIME and
the commands of `pacing.lua` on those keys.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from worker.domain.clock import Clock, to_us
from worker.domain.limits import Limit
from worker.pacing.script import Script
from worker.pacing.values import GRANT_LIFE_S, WINDOWS_S, Grant, NeedsRefill, Settling, Wait, Want

if TYPE_CHECKING:
    from redis.asyncio.client import Redis as RedisClient

PAGE = 2_000
"""Rows of history that one call loads: a few milliseconds of the server's time."""
SECOND_US = 1_000_000
SLACK_US = 11 * SECOND_US
"""Content follows its recorded start by up to 10 s, and history may be cut to whole seconds: counted late is safe."""


class Pacer:
    """Asks Redis at `client` for the ledger `ledger_id`. Belongs to one event loop, as its client does.

    `clock` measures the life of grants. `windows` (seconds, of `WINDOWS_S`) are those that grants count in: fewer cost
    less of Redis, and a limit on another window would see nothing. `redis_clock` (microseconds) replaces the server's
    clock: for tests only. Every method raises PacingAway if Redis cannot be asked.
    """

    def __init__(
        self,
        client: "RedisClient",
        ledger_id: str,
        clock: Clock,
        *,
        windows: Sequence[int] = WINDOWS_S,
        redis_clock: Callable[[], int] | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._prefix = _prefix(ledger_id)
        self._windows = list(windows)
        self._script = Script(client, self._prefix, redis_clock)

    async def ask(self, wants: Sequence[Want]) -> list[Grant | Wait]:
        """A Grant or a Wait for each of `wants`, in their order, all decided at one moment.

        A later want sees what earlier ones took. Raises Settling, NeedsRefill; ValueError for a window that is not one
        of `WINDOWS_S`.
        """
        if not wants:
            return []
        table = _Table()
        kinds: dict[int, int] = {}  # wants of one round share their tuple of limits: told apart by identity first
        chosen = [kinds.get(id(w.limits)) or kinds.setdefault(id(w.limits), table.kind(w.limits)) for w in wants]
        until = self._clock.monotonic() + GRANT_LIFE_S  # from before the request: an answer that dawdles lives shorter
        limits = table.limits
        epoch, batch, at_us, answers = await self._script.run(
            "ask", {**table.sent(), "wants": chosen, "windows": self._windows}
        )
        return [
            Wait(want.letter, wait / SECOND_US, limits[limit - 1].key)
            if limit
            else Grant(want.letter, want.limits, until, epoch, batch, index, at_us)
            for index, (want, wait, limit) in enumerate(zip(wants, answers[::2], answers[1::2], strict=True))
        ]

    async def give_back(self, grants: Iterable[Grant]) -> int:
        """Return grants on which no content was written. Returns how many counts were lowered.

        Repeating it is harmless, as is a grant whose slot or epoch is over, or one given more than 60 s ago (it stays
        counted). After PacingAway nothing needs doing: at worst the grants count as used.
        """
        table = _Table()
        rows = [
            [g.epoch, g.batch, g.index, g.at_us, sorted({table.key(limit.key) for limit in g.limits})] for g in grants
        ]
        if not rows:
            return 0
        (taken_back,) = await self._script.run("give back", {"keys": list(table.keys), "grants": rows})
        return int(taken_back)

    async def used(self, limits: Sequence[Limit]) -> list[tuple[int, Limit]]:
        """How many letters count against each of `limits` now. Raises as `ask` does; takes nothing."""
        if not limits:
            return []
        table = _Table()
        numbers = [table.limit(limit) for limit in limits]
        (sums,) = await self._script.run("used", table.sent())
        return [(int(sums[number - 1]), limit) for number, limit in zip(numbers, limits, strict=True)]

    async def refill(self, history: Iterable[tuple[str, int, int]], now_us: int | None = None) -> bool:
        """Load the windows from `history`: (limit key, moment of a start in microseconds, letters started then).

        Call it after `NeedsRefill`, and read the history after that moment: by then no older grant is alive. It must
        reach back 24 hours and a minute and name every key that is limited. Moments may be cut to whole seconds.
        `now_us` is the ledger's present moment (default: our clock's), so that ages count and not the difference
        between two clocks. A lazy iterable is read page by page.

        One process fills, all asks are refused until it is done. Returns True if this call did it, False if another
        had done it before. Raises Settling if another one is at it (or took over after 15 s of silence). One that
        dies half-way leaves nothing that counts.
        """
        now_us = to_us(self._clock.now()) if now_us is None else now_us
        token = secrets.token_hex(8)
        status, *rest = await self._script.answer("begin", {"token": token})
        if status == "settling":
            raise Settling(rest[0] / SECOND_US)
        if status == "done":
            return False
        shift = int(rest[0]) - now_us + SLACK_US  # to Redis's clock
        for page, rows in enumerate(_pages(history), 1):
            await self._load({"token": token, "page": page}, rows, shift)
        await self._go_on("finish", {"token": token})
        return True

    async def _load(self, page: dict[str, object], history: list[tuple[str, int, int]], shift: int) -> None:
        table = _Table()
        rows = [[table.key(key), at_us + shift, n] for key, at_us, n in history]
        await self._go_on("fill", {**page, "keys": list(table.keys), "rows": rows})

    async def _go_on(self, operation: str, argument: dict[str, object]) -> None:
        status, *_ = await self._script.answer(operation, argument)
        if status != "ok":
            raise Settling(1.0)

    async def forget(self) -> None:
        """Drop the windows: everybody settles, then refills from the ledger. For a new limit on what had none before."""
        await self._script.answer("forget", {})

    async def ready(self) -> bool:
        """Whether grants could be given now; False while settling or before the refill."""
        try:
            await self._script.run("used", {"keys": [], "limits": []})
        except (Settling, NeedsRefill):
            return False
        return True

    async def note_round(self, ledger_id: str, number: int) -> None:
        """Remember that round `number` of `ledger_id` was opened: the witness that a restored ledger is held against."""
        await Script(self._client, _prefix(ledger_id)).answer("note", {"n": number})

    async def highest_round(self, ledger_id: str) -> int | None:
        """The highest number noted for `ledger_id`, or None if Redis knows of none."""
        known = await self._script.command("GET", f"{_prefix(ledger_id)}round")
        return None if known is None else int(known)

    async def ring_once(self, key: str, ttl_s: float) -> bool:
        """True for the first caller with `key` in `ttl_s` seconds, False for all others."""
        name = f"{self._prefix}ring:{key}"
        return await self._script.command("SET", name, "1", "NX", "PX", max(1, int(ttl_s * 1000))) is not None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _prefix(ledger_id: str) -> str:
    return f"lettershop:{ledger_id}:"


def _pages(history: Iterable[tuple[str, int, int]]) -> Iterator[list[tuple[str, int, int]]]:
    rows = iter(history)
    while page := list(islice(rows, PAGE)):
        yield page


class _Table:
    """Keys, limits and tuples of limits of one call, each said once and then numbered from 1, as Lua counts."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self._limits: dict[Limit, int] = {}
        self._kinds: dict[tuple[int, ...], int] = {}

    @property
    def limits(self) -> list[Limit]:
        return list(self._limits)

    def key(self, key: str) -> int:
        return self.keys.setdefault(key, len(self.keys) + 1)

    def limit(self, limit: Limit) -> int:
        if limit.rate.window_s not in WINDOWS_S:
            raise ValueError(f"no window of {limit.rate.window_s} s is counted; there are {WINDOWS_S}")
        self.key(limit.key)
        return self._limits.setdefault(limit, len(self._limits) + 1)

    def kind(self, limits: tuple[Limit, ...]) -> int:
        return self._kinds.setdefault(tuple(map(self.limit, limits)), len(self._kinds) + 1)

    def sent(self) -> dict[str, object]:
        limits = [[self.keys[limit.key], limit.rate.window_s, limit.rate.count] for limit in self._limits]
        return {"keys": list(self.keys), "limits": limits, "kinds": list(self._kinds)}
