"""`lettershop up`: the whole stack of a home on this machine, until it is told to stop."""

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from worker.cli import say
from worker.cli.frame import frame_of
from worker.cli.status import gather, summary
from worker.cli.web import addresses

if TYPE_CHECKING:
    from worker.settings import Home

LOOK_S = 2.0
PLAIN_EVERY = 30
"""In a pipe a status line is said when it has changed, at most at every so many looks."""


def up(context: typer.Context) -> None:
    """Run the whole stack of this home until Ctrl-C.

    A private Redis, the sink of a rehearsal, a worker, an express worker, beat and the pages, each as far as the
    settings want it.
    """
    from worker.cli.stack import Stack
    from worker.embedded.supervisor import StopAsked

    home = frame_of(context).home()
    try:
        with contextlib.ExitStack() as held:
            with say.busy("starting"):
                stack = held.enter_context(Stack(home, _say))
            _where(home, stack.names)
            _watch(home, stack.wait)
    except StopAsked:
        pass
    say.line("stopped; `lettershop up` goes on where it was")


def _say(part: str, line: str) -> None:
    """A part's news, from any thread."""
    if say.on_terminal():
        say.show(f"[dim]{say.plain(f'{part:>8}')}[/]  {say.plain(line)}")
    else:
        say.line(f"{part}: {line}")


def _where(home: "Home", names: list[str]) -> None:
    lines = [
        ("home", str(home.root)),
        ("mode", home.settings.mode),
        ("parts", ", ".join(names)),
        ("logs", str(home.var / "log")),
    ]
    if home.settings.mode == "rehearsal" and home.settings.rehearsal.embedded:
        lines.append(("letters", f"{home.var / 'sink'} (a Maildir: nothing leaves this machine)"))
    lines += addresses(home).items()
    lines.append(("look", "`lettershop status`, in another shell"))
    lines.append(("process", f"{os.getpid()}; Ctrl-C or SIGTERM stops it cleanly"))
    for name, text in lines:
        say.styled(f"[bold]{name:>8}[/]  {say.plain(text)}")


def _watch(home: "Home", wait: Callable[[float], bool]) -> None:
    """A calm status line until the end is asked for."""
    if say.on_terminal():
        with say.console().status("", spinner="dots") as line:
            while not wait(LOOK_S):
                line.update(say.plain(summary(gather(home))))
        return
    last, looks = "", 0
    while not wait(LOOK_S):
        found: dict[str, Any] = gather(home) if looks % PLAIN_EVERY == 0 else {}
        looks += 1
        if found and (now := summary(found)) != last:
            say.line(now)
            last = now
