"""`lettershop init DIR`: lay out a home with the sample campaigns and fresh key files."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli import say


def init(
    directory: Annotated[Path, typer.Argument(help="Where; made if it is not there.", show_default=False)],
) -> None:
    """Lay out a home with the sample campaigns and fresh keys."""
    from worker.operations.init import init_home

    laid = init_home(directory)
    say.line(f"a home with the sample campaigns is laid out in {laid.root}")
    say.line(f"its keys are in {laid.keys[0].parent}: copy them to a safe place, apart from the ledger")
    say.line("next:")
    for command in ("check", "migrate", "up"):
        say.line(f"  lettershop --home {directory} {command}")
