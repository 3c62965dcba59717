"""`lettershop signatures held|show|approve|reject|write-again`: signatures that wait for an operator's look."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.asking import YesOption, ask_about
from worker.cli.counting import counting
from worker.cli.frame import JsonOption, ReasonOption, bell, frame_of, who
from worker.cli.say import Column
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.operations.review import Decided, Decision
    from worker.settings import Home

app = typer.Typer(help="Signatures that wait for a look.")
_LONGEST_LINE = 1_000

_Which = Annotated[int | None, typer.Argument(help="The signature's number.", show_default=False)]
_All = Annotated[bool, typer.Option("--all", help="All that wait for the same reason; needs --reason-was.")]
_ReasonWas = Annotated[
    str, typer.Option("--reason-was", help='With --all: why they wait, like "comment".', show_default=False)
]


@app.callback()
def _group() -> None:
    """Signatures that wait for a look."""


@app.command("held")
def held(
    context: typer.Context,
    after: Annotated[int, typer.Option(help="Begin behind this signature: the next page.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Signatures on a page.")] = 50,
    json: JsonOption = False,
) -> None:
    """List the signatures that wait, longest first, a page at a time.

    Unconfirmed ones wait with their notice, confirmed ones with their letters.
    """
    from worker.operations.review import held as list_held

    with frame_of(context).ledger() as ledger:
        found = list_held(ledger, limit + 1, after)
    page, following = say.paged(found, limit, "signature")
    if json:
        say.as_json({"signatures": page, "next_after": following})
        return
    columns = [
        Column("signature", "right"),
        Column("campaign", give=True),
        Column("state"),
        Column("why", give=True),
        Column("since"),
    ]
    rows = [
        (str(each["signature"]), each["campaign"], each["state"], each["why"], say.moment(each["since"]))
        for each in page
    ]
    say.table(columns, rows)
    if not page:
        say.note("no signature waits for a look")
    elif following:
        say.note(f"there are more: add --after {following}")


@app.command("show")
def show(
    context: typer.Context,
    signature: Annotated[int, typer.Argument(help="The signature's number.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.", show_default=False)] = "",
    json: JsonOption = False,
) -> None:
    """Show who signed and what they say.

    Only of a signature that waits, and without the address. That somebody looked stands in the audit.
    """
    from worker.operations.review import look

    with frame_of(context).ledger() as ledger:
        found = look(ledger, signature, who(), reason)
    if json:
        say.as_json(found)
    else:
        _print(found)


def _print(found: Mapping[str, Any]) -> None:
    say.styled(f"signature [bold]{found['signature']}[/] is {found['state']} and waits ({say.plain(found['why'])})")
    say.field("signed in", f"{found['campaign']}, waits since {found['since']}")
    say.field("name", found["name"])
    say.field("from", ", ".join(filter(None, (found["city"], found["country"]))))
    for each in found["comment"].splitlines():
        say.field("comment", each)


@app.command("approve")
def approve(
    context: typer.Context,
    reason: ReasonOption,
    signature: _Which = None,
    every: _All = False,
    reason_was: _ReasonWas = "",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Let a signature go on.

    Its letters are queued; of an unconfirmed one it is the notice that asks to confirm.
    """
    of = reason_was if _all(every, signature, reason_was) else ""
    _decide(context, "approved", reason, signature, of, yes=yes, json=json)


@app.command("reject")
def reject(
    context: typer.Context,
    reason: ReasonOption,
    signature: _Which = None,
    every: _All = False,
    reason_was: _ReasonWas = "",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """End a signature that waits.

    Nothing of it is sent. Its signer may sign again.
    """
    of = reason_was if _all(every, signature, reason_was) else ""
    _decide(context, "rejected", reason, signature, of, yes=yes, json=json)


@app.command("write-again")
def write_again(context: typer.Context, reason: ReasonOption, json: JsonOption = False) -> None:
    """Lift the quiet of an address, as its owner asked.

    The address is asked for, or read from standard input, so that it stands in no list of commands.
    """
    from worker.operations.review import write_again as lift

    frame = frame_of(context)
    home = frame.home()
    with frame.intake(home) as intake:
        ledger = intake.desk.ledger
        key = ledger.keys.address_key(intake.canonical(_address()))
        lifted = lift(ledger, key, who(), reason)
    if json:
        say.as_json({"lifted": lifted})
    else:
        say.line(
            "the address may be written to again" if lifted else "the address asked for no quiet; nothing was changed"
        )


# -- the steps ---------------------------------------------------------------------------------------------------------
def _all(every: bool, signature: int | None, reason_was: str) -> bool:
    """Whether all of a reason are meant. Raises BadInput where neither or both are."""
    if every == (signature is not None):
        raise BadInput("name the signature, or say --all")
    if every != bool(reason_was):
        raise BadInput("--all and --reason-was belong together: those that wait for this very reason")
    return every


def _decide(
    context: typer.Context,
    decision: "Decision",
    reason: str,
    signature: int | None,
    reason_was: str,
    *,
    yes: bool,
    json: bool,
) -> None:
    from worker.operations.holds import checked_reason
    from worker.operations.review import Order, decide, decide_all, waiting_for

    home = frame_of(context).home()
    signing = home.settings.signing
    order = Order(decision, who(), reason, signing.confirm_within, signing.remind_after)
    with frame_of(context).ledger(home) as ledger:
        if signature is not None:
            done = decide(ledger, signature, order)
        else:
            checked_reason(reason)
            what = f"to be {decision}: why they wait is {reason_was!r}"
            ask_about(waiting_for(ledger, reason_was), "signature", what, yes=yes, json=json)
            with counting(f"signatures {decision}", wanted=not json) as told:
                done = decide_all(ledger, reason_was, order, told)
    if json:
        say.as_json({"signatures": done.signatures, "letters": done.letters})
    else:
        say.line(_sentence(signature, decision, done))
    if decision == "approved" and done.letters:
        _wake(home)


def _sentence(signature: int | None, decision: "Decision", done: "Decided") -> str:
    became = "queued" if decision == "approved" else "cancelled before being sent"
    if signature is None:
        return f"{say.number(done.signatures, 'signature')} {decision}; {say.number(done.letters, 'letter')} {became}"
    if not done.signatures:
        return f"signature {signature} was {decision} before; nothing was changed"
    return f"signature {signature} is {decision}; {say.number(done.letters, 'letter')} {became}"


def _wake(home: "Home") -> None:
    """Ring, so that nobody waits for the next tick."""
    wake = bell(home)
    if wake is not None:
        wake()


def _address() -> str:
    if sys.stdin.isatty():
        found: str = typer.prompt("Address", err=True)
        return found
    line = sys.stdin.readline(_LONGEST_LINE).strip()
    if not line:
        raise BadInput("no address came on standard input")
    return line
