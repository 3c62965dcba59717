"""What the tests of this room share: short timeouts, envelopes, and a loop of either kind to run on."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import uvloop

from tests.smtp_server import Action, Deaf, Hang, SmtpServer
from worker.delivery import Connection, Declined, Envelope, Target, Timeouts
from worker.domain.verdict import Reply, Stage

FAST = Timeouts(connect=2.0, command=2.0, data=2.0, block=2.0, dot=2.0, quit=2.0)
"""For relays that answer. Tests of a silent relay pass `IMPATIENT`."""
IMPATIENT = Timeouts(connect=0.4, command=0.4, data=0.4, block=0.4, dot=0.4, quit=0.4)

LETTER = b"Subject: The library\r\n\r\nKeep it open.\r\n" + b"A line of the letter.\r\n" * 200
OTHER = b"Subject: Another\r\n\r\n.dots.\r\n..\r\n"


def running(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on asyncio's own loop and on uvloop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def envelope(number: int = 0, *, recipient: str = "", size: int = len(LETTER)) -> Envelope:
    return Envelope("campaign@library.example", recipient or f"office-{number}@un.example", size)


def declined(stage: Stage, reply: Reply) -> Declined:
    return Declined(stage, reply)


def patience(script: Mapping[str, Sequence[Action | None]]) -> Timeouts:
    """Short where the script is silent, long enough for a busy machine elsewhere."""
    silent = any(isinstance(action, Hang | Deaf) for actions in script.values() for action in actions)
    return IMPATIENT if silent else FAST


async def opened(server: SmtpServer, timeouts: Timeouts | None = None, **target: Any) -> Connection:
    return await Connection.open(
        Target("main", "127.0.0.1", server.port, **target), timeouts or patience(server.script)
    )


async def comes(probe: Callable[[], object], within_s: float = 30.0) -> None:
    """Let the loop turn until `probe()` is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not probe():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0)
