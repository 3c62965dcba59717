"""`lettershop preview`: a letter as an office would get it, from an invented signer."""

import sys
from typing import Annotated, Literal

import typer

from worker.cli import say
from worker.cli.frame import frame_of


def preview(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="The campaign's slug.", show_default=False)],
    office: Annotated[str, typer.Option(help="The office's id.", show_default=False)],
    language: Annotated[str, typer.Option(help="Instead of the office's own.", show_default=False)] = "",
    form: Annotated[
        Literal["text", "html", "eml"], typer.Option("--format", help="eml: the whole message, byte for byte.")
    ] = "text",
    occasion: Annotated[
        str, typer.Option(help="The letter of this occasion, instead of the signed one.", show_default=False)
    ] = "",
) -> None:
    """Show a letter as an office would get it.

    It is written for an invented signer; nothing is recorded or sent.
    """
    from worker.domain.clock import SystemClock
    from worker.operations.preview import preview as make

    now = SystemClock().now()
    made = make(frame_of(context).home(), campaign, office, now, language=language, form=form, occasion=occasion)
    if form == "text":
        for name, value in (("From", made.sender), ("To", made.to), ("Subject", made.subject)):
            say.styled(f"[bold]{name}:[/] {say.plain(value)}")
        say.line()
    sys.stdout.flush()
    sys.stdout.buffer.write(made.data)
    if not made.data.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
