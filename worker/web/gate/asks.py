"""Questions to the pacer that come while one is under way go with the next: one round trip for many forms.

A round trip costs the web process more than the counting costs Redis. Nobody waits for company: the first is asked at
once, and with nothing else under way so is everybody.
"""

import asyncio
from collections.abc import Sequence

from worker.domain.limits import Limit
from worker.pacing import Grant, Pacer, PacingAway, Wait, Want

Answer = Grant | Wait
_Asked = tuple[tuple[Limit, ...], "asyncio.Future[Answer]"]


class Asks:
    """Asks `pacer`, for at most `patience_s` seconds each time. Belongs to one event loop."""

    def __init__(self, pacer: Pacer, patience_s: float) -> None:
        self._pacer, self._patience_s = pacer, patience_s
        self._waiting: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, limits: Sequence[Limit]) -> Answer:
        """The answer to a want with these limits. Raises what the pacer raises, and PacingAway where it does not answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((tuple(limits), answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                answers = await self._ask([limits for limits, _ in asked])
            except Exception as exc:  # noqa: BLE001 - whatever it was, each asker is told
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(exc)
                continue
            for (_, answer), told in zip(asked, answers, strict=True):
                if not answer.done():  # its asker may have gone
                    answer.set_result(told)

    async def _ask(self, asked: Sequence[tuple[Limit, ...]]) -> list[Answer]:
        wants = [Want(number, limits) for number, limits in enumerate(asked)]
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._pacer.ask(wants)
        except TimeoutError as exc:
            raise PacingAway(f"no answer within {self._patience_s:g} s") from exc
