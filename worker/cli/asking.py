"""Before a verb that changes many things: ask whoever sits there. In a pipe nobody can answer, so there it must be said."""

import sys
from typing import Annotated

import typer

from worker.domain.errors import BadInput

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def ask(question: str, *, yes: bool) -> None:
    """Go on, or leave by typer.Abort. Raises BadInput in a pipe, where it was not said beforehand."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("nothing was changed: look at what would be, then say it again with --yes")
    typer.confirm(question, abort=True, err=True)
