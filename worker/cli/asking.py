"""Before a verb that changes many things: ask whoever sits there. In a pipe nobody can answer, so there it must be said."""

import sys
from typing import Annotated

import typer

from worker.cli import say
from worker.domain.errors import BadInput

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def ask(question: str, *, yes: bool) -> None:
    """Go on, or leave by typer.Abort. Raises BadInput in a pipe, where it was not said beforehand."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("nothing was changed: look at what would be, then say it again with --yes")
    typer.confirm(question, abort=True, err=True)


def ask_about(n: int, noun: str, what: str, *, yes: bool, json: bool) -> None:
    """Say how many it would be, and `ask`; where there are none, there is nothing to ask."""
    found = say.number(n, noun)
    if not json:
        say.line(f"{found} {what}")
    ask(f"{found}, go on?", yes=yes or not n)
