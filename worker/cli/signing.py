"""`sign`, `confirm`, `withdraw`, `erase`: a signer's verbs, said by an operator for them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of, stack_is_up, who
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.intake import Receipt
    from worker.intake.receipt import Ended
    from worker.settings import Home

SOURCE = "cli"
_Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.", show_default=False)]


def sign(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="The campaign's slug.", show_default=False)],
    name: Annotated[str, typer.Option(help="The signer's name.", show_default=False)],
    email: Annotated[str, typer.Option(help="The signer's address.", show_default=False)],
    country: Annotated[str, typer.Option(help='Two letters (ISO 3166), like "NL".', show_default=False)],
    city: Annotated[str, typer.Option(help="The signer's town.", show_default=False)] = "",
    comment: Annotated[str, typer.Option(help="The signer's own words.", show_default=False)] = "",
    language: Annotated[str, typer.Option(help='Of mail to the signer, like "en".', show_default=False)] = "",
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="They agreed elsewhere; needs --evidence. Else they are asked by mail.")
    ] = False,
    evidence: Annotated[
        str, typer.Option(help="Where and how they agreed, to be looked up later.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Record a signature.

    Without --confirmed its signer is sent a notice that asks to confirm it.
    """
    if confirmed and not evidence.strip():
        raise BadInput(
            "--confirmed needs --evidence: where and how this person agreed, so that it can be looked up later"
        )
    if evidence and not confirmed:
        raise BadInput("--evidence belongs to --confirmed; without it the signer is asked by mail")
    from worker.intake import PersonInput

    frame = frame_of(context)
    home = frame.home()
    person = PersonInput(name, email, country, city, comment, language)
    with frame.intake(home) as intake:
        if confirmed:
            receipt = intake.submit(campaign, person, evidence=evidence, source=SOURCE)
        else:
            receipt = intake.sign(campaign, person, source=SOURCE)
    _told(receipt, home, json=json)


def confirm(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="From the notice.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Confirm a signature by its token.

    Its letters are queued. The token came to the signer in the notice.
    """
    frame = frame_of(context)
    home = frame.home()
    with frame.intake(home) as intake:
        _told(intake.confirm(token), home, json=json)


def withdraw(
    context: typer.Context,
    signature: Annotated[int, typer.Argument(help="The signature's number.", show_default=False)],
    reason: _Reason = "",
    json: JsonOption = False,
) -> None:
    """End a signature.

    Its letters that are not sent yet are cancelled, its consents end.
    """
    with frame_of(context).intake(frame_of(context).home()) as intake:
        ended = intake.withdraw(signature, who=who(), reason=reason)
    _ended(ended, f"signature {signature} had ended before", "withdrawn", json=json)


def erase(
    context: typer.Context,
    signature: Annotated[int, typer.Argument(help="One of the signer's signatures.", show_default=False)],
    reason: _Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Erase a signer for good.

    The signer of this signature is erased with all their signatures, in all campaigns.
    """
    if not yes and say.on_terminal():
        typer.confirm(
            f"Erase the signer of signature {signature} with everything known of them? This is final", abort=True
        )
    with frame_of(context).intake(frame_of(context).home()) as intake:
        ended = intake.erase(signature, who=who(), reason=reason)
    _ended(ended, f"the signer of signature {signature} was erased before", "erased", json=json)


# -- what is said ------------------------------------------------------------------------------------------------------
def _told(receipt: "Receipt", home: "Home", *, json: bool) -> None:
    if json:
        say.as_json(asdict(receipt))
        return
    say.styled(_sentence(receipt))
    if receipt.skipped:
        say.line(
            f"{say.number(receipt.skipped, 'office takes', 'offices take')} no letters and {_get(receipt.skipped)} none"
        )
    if receipt.written:
        say.line(
            f"{say.number(receipt.written, 'office')} had a letter of this person before and {_get(receipt.written)} none"
        )
    if receipt.letters and home.settings.broker.url == "embedded" and not stack_is_up(home):
        say.note("the stack is not up: `lettershop up` sends what is queued")


def _get(n: int) -> str:
    return "gets" if n == 1 else "get"


def _sentence(receipt: "Receipt") -> str:
    number = f"signature [bold]{receipt.signature}[/]"
    if receipt.state == "quiet":
        return "nothing was recorded: this address asked never to be written to again"
    if receipt.repeated:
        became = "its signer is sent another notice" if receipt.letters else "nothing was changed"
        return f"{number} stood already ({receipt.state}); {became}"
    if receipt.state == "unconfirmed":
        return f"{number} is recorded; the signer is sent a notice that asks to confirm it"
    return f"{number} is confirmed; {say.number(receipt.letters, 'letter')} queued"


def _ended(ended: "Ended", before: str, how: str, *, json: bool) -> None:
    if json:
        say.as_json({"signatures": list(ended.signatures), "cancelled": ended.cancelled})
    elif not ended.signatures:
        say.line(f"{before}; nothing was changed")
    else:
        numbers = ", ".join(map(str, ended.signatures))
        what = "signature" if len(ended.signatures) == 1 else "signatures"
        say.line(f"{what} {numbers} {how}; {say.number(ended.cancelled, 'letter')} cancelled before being sent")
