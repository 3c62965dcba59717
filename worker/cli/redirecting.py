"""`redirect`, `suppress`, `unsuppress`: an office's mailbox was wrong, or it wants no letters, or wants them again.

Each changes the register, shows first what becomes of a sample letter, asks, and lets waiting letters follow at once.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.acting import ring, run_act
from worker.cli.asking import YesOption, ask
from worker.cli.counting import counting
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who
from worker.cli.offices_change import show_proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.domain.office import Office
    from worker.ledger.book import Ledger
    from worker.operations.register import Proposal

_Id = Annotated[str, typer.Argument(metavar="OFFICE", help="The office's id.", show_default=False)]


def redirect(
    context: typer.Context,
    office: _Id,
    mailbox: Annotated[str, typer.Argument(metavar="MAILBOX", help="The institution's address.", show_default=False)],
    reason: ReasonOption,
    source: Annotated[str, typer.Option(help="Where it was found; the reason if not said.", show_default=False)] = "",
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When it was found; today if not said.", show_default=False),
    ] = None,
    lift: Annotated[bool, typer.Option("--resume", help="Lift the holds of the old mailbox's lane too.")] = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Correct an office's mailbox, and move what waits to it at once. Letters that were sent stay as they are."""
    home = frame_of(context).home()
    from worker.domain.clock import SystemClock
    from worker.operations.acts import Order
    from worker.operations.redirect import Correction, propose_redirect, waiting
    from worker.operations.redirect import redirect as take

    order, now = Order(who(), reason), SystemClock().now()
    day = as_of.date() if as_of else now.date()
    proposal = propose_redirect(home, Correction(office, mailbox, source or reason, day), now)
    with frame_of(context).ledger(home) as ledger:
        seen = waiting(ledger, home, proposal)
        _show(ledger, proposal, json=json)
        if not json:
            for why in seen["holds"]:
                say.line(f"  its old lane is held: {why}" + ("" if lift else " (--resume lifts that)"))
        ask("Change the register?", yes=yes)
        with counting("letters moved", wanted=not json) as told:
            done = take(
                ledger, home, proposal, order, _sync(ledger, who()), lift=lift, progress=told or (lambda _: None)
            )
    ring(home)
    if json:
        say.as_json({**seen, "moved": done.moved, "lifted": done.lifted})
    else:
        lifted = f"; {say.number(done.lifted, 'hold')} lifted" if done.lifted else ""
        say.line(f"letters to office {office} go to {mailbox}: {say.number(done.moved, 'letter')} moved{lifted}")


def suppress(
    context: typer.Context,
    office: _Id,
    reason: ReasonOption,
    evidence: Annotated[str, typer.Option(help="Where that can be looked up.", show_default=False)],
    asked_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When it asked; today if not said.", show_default=False),
    ] = None,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Write to an office no more: it asked for that. What waits for it is suppressed, and workers stop at once."""
    home = frame_of(context).home()
    from worker.domain.clock import SystemClock
    from worker.operations.acts import Order
    from worker.operations.suppressing import Refusal, propose_suppress
    from worker.operations.suppressing import suppress as take

    order, now = Order(who(), reason), SystemClock().now()
    day: date = asked_on.date() if asked_on else now.date()
    proposal = propose_suppress(home, Refusal(office, reason, evidence, day), now)
    with frame_of(context).ledger(home) as ledger:
        _show(ledger, proposal, json=json)
        ask(f"Suppress office {office}?", yes=yes)
        with counting("letters suppressed", wanted=not json) as told:
            done = take(ledger, proposal, order, told)
    if json:
        say.as_json({"office": office, "suppressed": done})
    else:
        say.line(f"office {office} is written to no more: {say.number(done, 'letter')} suppressed")


def unsuppress(
    context: typer.Context,
    office: _Id,
    reason: ReasonOption,
    requeue: Annotated[bool, typer.Option("--requeue", help="Queue again what the suppression took.")] = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Write to an office again. Letters that were suppressed stay so, unless --requeue is said."""
    home = frame_of(context).home()
    from worker.domain.clock import SystemClock
    from worker.operations.acts import Order
    from worker.operations.suppressing import preview_taken, propose_unsuppress, taken_from
    from worker.operations.suppressing import unsuppress as take

    order = Order(who(), reason)
    proposal = propose_unsuppress(home, office, SystemClock().now())
    with frame_of(context).ledger(home) as ledger:
        wanted = taken_from(ledger, office)
        n = preview_taken(ledger, home, wanted)
        _show(ledger, proposal, json=json)
        if not json:
            end = "are queued again" if requeue else "stay suppressed (--requeue queues them again)"
            say.line(f"  {say.number(n, 'letter')} that were suppressed {end}")
        ask(f"Write to office {office} again?", yes=yes)
        act = take(ledger, home, proposal, order, wanted if requeue else None)
        if not json:
            say.line(f"office {office} is written to again")
        if act is not None:
            run_act(home, ledger, act, json=json, offices=proposal.offices)
        elif json:
            say.as_json({"office": office, "suppressed": n})


def _show(ledger: "Ledger", proposal: "Proposal", *, json: bool) -> None:
    if not json:
        show_proposal(proposal, proposal.unsent(ledger))


def _sync(ledger: "Ledger", by: str) -> "Callable[[Mapping[str, Office], Callable[[int], None]], int]":
    from worker.intake import sync_register

    return lambda offices, told: sync_register(ledger, offices, who=by, progress=told)
