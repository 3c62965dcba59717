"""Replies over a wire, in order and in time.

Each command sent is owed one reply, and a reply that nobody owes breaks the dialogue. Four things end it for good: the
peer hangs up, a deadline passes, a reply is malformed, or one comes that was not asked for (an idle 421, an early reply
to half-written content). Replies that came before are still given out. A stray "250" is so never taken for the answer
to content that was written after it.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from worker.delivery.replies import Malformed, Raw, ReplyParser, to_reply
from worker.delivery.wire import Wire
from worker.domain.clock import Clock
from worker.domain.verdict import Reply

Answer = tuple[Raw, float]
"""A reply and when it came (monotonic seconds). Not a class of its own: four are made for every letter."""

Heard = Callable[[Reply], None]
_NOT_YET = 1 << 62


class Broken(Exception):
    """The dialogue is over. `raw` is the reply that ended it, where one did."""

    def __init__(self, reason: str, raw: Raw | None = None) -> None:
        super().__init__(reason)
        self.reason, self.raw = reason, raw


class Dialogue:
    """The owner of a `Wire`. One task at a time may wait."""

    __slots__ = (
        "_answers", "_block", "_clock", "_deadline", "_dot", "_heard", "_loop", "_mark", "_owed", "_parser", "_timer",
        "_timer_at", "_waiter", "broken", "passed_at", "wire",
    )  # fmt: skip

    wire: Wire

    def __init__(self, clock: Clock, heard: Heard | None = None) -> None:
        """`heard` is told every reply as it comes: for whoever wants to show a dialogue, never to steer it."""
        self._clock = clock
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._parser = ReplyParser()
        self._answers: deque[Answer] = deque()
        self._owed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._mark: int | None = None  # while content is being written: see `Wire.write_content`
        self._block = self._dot = 0.0
        self.passed_at = 0.0  # when the kernel had taken the last content up to its dot (monotonic)
        self.broken: Broken | None = None

    def send(self, commands: bytes, replies: int) -> None:
        """Write `commands`, which are owed `replies`."""
        self._owed += replies
        if self.broken is None:
            self.wire.write(commands)

    def expect_greeting(self) -> None:
        """The one reply that nobody asks for."""
        self._owed = 1

    def send_content(self, head: bytes, tail: bytes, replies: int) -> int:
        """Write content and what follows it; `replies` are owed once `tail` has begun to go. Gives the wire's mark."""
        self._owed += replies
        self._mark = _NOT_YET  # whatever is read while the write itself fails came too early
        self._mark = mark = self.wire.write_content(head, tail)
        self.passed_at = self._clock.monotonic()
        return mark

    async def answer(self, seconds: float) -> Answer:
        """The next reply, within `seconds` from now. Raises `Broken`."""
        if not self._answers and self.broken is None:
            await self._wait(seconds)
        return self._next()

    async def answer_to_content(self, block: float, dot: float) -> Answer:
        """The first reply owed to content: `block` seconds for each part the kernel takes up to the mark, then `dot`."""
        self._block, self._dot = block, dot
        if not self._answers and self.broken is None:
            await self._wait(block if self._half_written else dot)
        self._mark = None
        return self._next()

    def at_hand(self, n: int) -> list[Answer] | None:
        """The next `n` replies where all of them have come, else None and nothing is taken."""
        if len(self._answers) < n:
            return None
        take = self._answers.popleft
        return [take() for _ in range(n)]

    def put_back(self, answers: list[Answer]) -> None:
        """Undo `at_hand`."""
        self._answers.extendleft(reversed(answers))

    def _next(self) -> Answer:
        if self._answers:
            return self._answers.popleft()
        assert self.broken is not None
        raise self.broken

    def quiet(self) -> Broken | None:
        """Whether nothing was read that was not asked for. Even a part of a reply breaks the dialogue."""
        if self.broken is None and not self._parser.idle:
            self.end("a reply came that was not asked for")
        return self.broken

    def poll(self) -> None:
        """Read what has come since the loop last looked. It costs as much as a write: not for every letter."""
        self.wire.poll()

    def forget(self) -> None:
        """Discard what was read of the stream so far (RFC 3207 section 4.2)."""
        self._parser = ReplyParser()

    async def secure(self, seconds: float) -> None:
        """Wait for the TLS handshake that was begun on the wire. Raises `Broken`."""
        if self.broken is None:
            await self._wait(seconds)
        if self.broken is not None:
            raise self.broken

    async def _wait(self, seconds: float) -> None:
        self._arm(seconds)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.end("we gave up waiting")
            raise
        finally:
            self._waiter = self._deadline = None

    def end(self, reason: str, raw: Raw | None = None, *, reset: bool = False) -> None:
        """Close the wire and break the dialogue, if it is not broken already."""
        if self.broken is None:
            self.broken = Broken(reason, raw)
        self.wire.close(reset=reset)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def close(self, *, reset: bool) -> None:
        """We end it: replies that nobody has read yet are thrown away."""
        self._answers.clear()
        self.end("we closed the connection", reset=reset)

    # -- told by the wire

    def on_bytes(self, data: bytes) -> None:
        at = self._clock.monotonic()
        early = self._half_written
        for found in self._parser.feed(data):
            if self._heard is not None and isinstance(found, Raw):
                self._heard(to_reply(found))
            if isinstance(found, Malformed):
                self.end(f"malformed reply: {found.reason}", reset=early)
                return
            if early:
                self.end("a reply came before the content was written", found, reset=True)
                return
            if self._owed == 0:
                self.end("a reply came that was not asked for", found)
                return
            self._owed -= 1
            self._answers.append((found, at))
        if self._answers:
            self._wake()

    def on_gone(self, reason: str) -> None:
        self.end(reason)

    def on_secure(self) -> None:
        self._wake()

    def on_taken(self) -> None:
        """The kernel took more of what waits: it is alive, give the next part its own time."""
        if self._mark is None or self._deadline is None:
            return
        if self._half_written:
            self._arm(self._block)
        else:
            self._mark = None
            self.passed_at = self._clock.monotonic()
            self._arm(self._dot)

    # -- insides

    @property
    def _half_written(self) -> bool:
        """Whether content was begun and the kernel has nothing of the final dot yet."""
        return self._mark is not None and self.wire.taken <= self._mark

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self, seconds: float) -> None:
        """One timer for the whole dialogue, moved only when it would ring too late: a letter costs no timer."""
        now = self._loop.time()
        self._deadline = now + seconds
        if self._timer is not None and self._timer_at <= self._deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() >= self._deadline:
            self.end("no reply in time", reset=self._half_written)
            return
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)
