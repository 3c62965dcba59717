"""`lettershop why`: one sentence on why a letter, or an office's letters, are where they are; and the chain behind it."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.ledger.book import Ledger
    from worker.operations.barriers import Reason
    from worker.operations.status import Seen
    from worker.settings import Home


def why(
    context: typer.Context,
    letter: Annotated[int | None, typer.Argument(help="The letter's number.", show_default=False)] = None,
    office: Annotated[str, typer.Option(help="Instead: of all letters to this office.", show_default=False)] = "",
    json: JsonOption = False,
) -> None:
    """Say why a letter, or an office's letters, are where they are.

    One sentence, then every reason behind it, the widest first, each with the verb that mends it.
    """
    if (letter is None) == (not office):
        raise BadInput("name one letter, like `lettershop why 17`, or an office: `lettershop why --office ID`")
    from worker.operations.why import why_letter, why_office

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        seen = look(home, ledger)
        found = why_letter(ledger, home, letter, seen) if letter is not None else why_office(ledger, home, office, seen)
    if json:
        say.as_json({"letter": letter, "office": office or None, **found.body()})
        return
    say.styled(f"[bold]{say.plain(found.sentence)}[/]")
    _chain(found.chain)


def look(home: "Home", ledger: "Ledger") -> "Seen":
    """What pacing says, and the gauge of limits."""
    from worker.cli.status import ask_pacing_of
    from worker.operations.status import Seen
    from worker.wiring.plan import open_gauge

    pacing, ready = ask_pacing_of(home, ledger)
    return Seen(pacing=pacing, pacing_ready=ready, gauge=open_gauge(home, ledger))


def _chain(chain: "Sequence[Reason]") -> None:
    if not say.on_terminal():
        for reason in chain:
            until = reason.body()["until"]
            mend = f"\tmend: {reason.mend}" if reason.mend else ""
            say.line(f"{reason.kind}\t{reason.text}\t{until or '-'}{mend}")
        return
    for reason in chain:
        _reason(reason)


def _reason(reason: "Reason") -> None:
    until = say.moment(reason.body()["until"])
    plain, shown = until[:16], reason.text
    if until != "-" and until not in shown:
        shown += f", until {plain} UTC"
    say.field(reason.kind, shown)
    if reason.mend:
        say.field("", f"→ {reason.mend}")
