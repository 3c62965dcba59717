"""How far a verb has come that goes page by page: counted on a terminal, silent in a pipe."""

import contextlib
from collections.abc import Callable, Iterator

from worker.cli import say


@contextlib.contextmanager
def counting(what: str, *, wanted: bool = True) -> Iterator[Callable[[int], None] | None]:
    """A function that is told how many are done; None where nobody looks."""
    if not (wanted and say.on_terminal()):
        yield None
        return
    with say.console().status(what) as status:

        def told(done: int) -> None:
            status.update(f"{what}: {done:,}")

        yield told
