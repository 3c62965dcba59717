"""Verbs that change the register: each shows first what becomes of a sample letter, and asks."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.counting import counting
from worker.cli.frame import ReasonOption, frame_of, who
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.operations.register import By, Change, Entry, Proposal, Sample, Taken

_DAY = ["%Y-%m-%d"]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The office's id.", show_default=False)]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_Entries = Mapping[str, Mapping[str, Any]]


def set_holder(
    context: typer.Context,
    office: _Id,
    name: Annotated[str, typer.Option(help="The name as it stands in the address block.", show_default=False)],
    form: Annotated[
        str | None, typer.Option(help='What stands before the name: "H.E. Ms.".', show_default=False)
    ] = None,
    salutation: Annotated[
        str | None, typer.Option(help="The line that opens the letter, without the comma.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="First day in office.", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="Last day in office.", show_default=False)
    ] = None,
    verified: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="When somebody looked whether this is so.", show_default=False)
    ] = None,
    yes: _Yes = False,
) -> None:
    """Say who holds an office.

    A holder of that name is changed; a new one ends the former's entry on the day before --from. Without --verified
    within the last twelve months letters use the title.
    """
    from worker.operations.register import By, HolderChange, known
    from worker.operations.register import set_holder as say_holder

    change = HolderChange(name, form, salutation, _day(since), _day(until), _day(verified))
    _carry_out(context, lambda there: [say_holder(known(there, office), change)], By(who(), "set-holder"), yes=yes)


def set_mailbox(
    context: typer.Context,
    office: _Id,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The institution's address.", show_default=False)],
    source: Annotated[str, typer.Option(help="Where it was found.", show_default=False)],
    as_of: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="When it was found; today if not said.", show_default=False)
    ] = None,
    yes: _Yes = False,
) -> None:
    """Say where letters to an office go. Those not sent yet follow."""
    from worker.operations.register import By, known
    from worker.operations.register import set_mailbox as say_mailbox

    found = _day(as_of) or _today()
    _carry_out(
        context,
        lambda there: [say_mailbox(known(there, office), address, source, found)],
        By(who(), "set-mailbox"),
        yes=yes,
    )


def retire(
    context: typer.Context,
    office: _Id,
    reason: ReasonOption,
    evidence: Annotated[str, typer.Option(help="Where that can be looked up.", show_default=False)],
    day: Annotated[
        datetime | None, typer.Option("--date", formats=_DAY, help="When; today if not said.", show_default=False)
    ] = None,
    yes: _Yes = False,
) -> None:
    """Write to an office no more: it asked for that, or is gone.

    Letters that are not sent yet are suppressed, and its hold stops running workers at once.
    """
    from worker.operations.register import By, known
    from worker.operations.register import retire as say_retired

    when = _day(day) or _today()
    _carry_out(
        context,
        lambda there: [say_retired(known(there, office), reason, evidence, when)],
        By(who(), "retire", reason),
        yes=yes,
    )


def unretire(context: typer.Context, office: _Id, reason: ReasonOption, yes: _Yes = False) -> None:
    """Write to an office again. Letters that were suppressed stay so."""
    from worker.operations.register import By, known
    from worker.operations.register import unretire as say_unretired

    _carry_out(context, lambda there: [say_unretired(known(there, office))], By(who(), "unretire", reason), yes=yes)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .csv as `export` writes it, or a .toml.", show_default=False)],
    yes: _Yes = False,
) -> None:
    """Take new and changed offices from a file.

    What it says is taken, what it does not say stays. All of it is looked at first; with a fault nothing is changed.
    """
    from worker.operations.register import By, read_entries

    _carry_out(context, lambda there: read_entries(file, there), By(who(), "import-offices"), yes=yes)


VERBS: dict[str, Callable[..., None]] = {
    "set-holder": set_holder,
    "set-mailbox": set_mailbox,
    "retire": retire,
    "unretire": unretire,
    "import": import_,
}


# -- the steps ---------------------------------------------------------------------------------------------------------
def _carry_out(context: typer.Context, make: Callable[[_Entries], Sequence["Entry"]], by: "By", *, yes: bool) -> None:
    from worker.domain.clock import SystemClock
    from worker.intake import sync_register
    from worker.operations.holds import checked_reason
    from worker.operations.register import propose, read_register, take

    if by.verb in {"retire", "unretire"}:
        checked_reason(by.reason)
    frame = frame_of(context)
    home = frame.home()
    register = read_register(home.root)
    proposal = propose(home, make(register.entries), SystemClock().now(), register)
    if not proposal.changes:
        say.line("the register says so already; nothing was changed")
        return
    with frame.ledger(home) as ledger:
        show_proposal(proposal, proposal.unsent(ledger))
        _ask(yes=yes)
        with counting("letters suppressed") as told:
            done = take(proposal, ledger, by, told)
        moved = sync_register(ledger, proposal.offices, who=by.who)
    _tell(proposal, done, moved)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("nothing was changed: look at what would be, then say it again with --yes")
    typer.confirm("Change the register?", abort=True, err=True)


def show_proposal(proposal: "Proposal", unsent: Mapping[str, int]) -> None:
    """What becomes of each office, with sample letters."""
    for change in proposal.changes:
        say.styled(f"office [bold]{say.plain(change.office)}[/] {_what(change)}")
        for key in change.keys if change.before else ():
            _show_key(key, change.before.get(key), change.after.get(key))
        for sample in change.samples:
            _show_sample(sample)
        if not change.samples:
            say.line("  no letter looks different today")
        partners = [o.id for o in proposal.offices.values() if o.lane == proposal.offices[change.office].lane]
        if len(partners) > 1:
            say.line(f"  one mailbox, and its limits, for {', '.join(partners)}")
        retired = not change.after.get("accepts_letters", True)
        end = "are suppressed" if retired else "follow"
        say.line(f"  {say.number(unsent[change.office], 'letter')} not sent yet {end}")


def _what(change: "Change") -> str:
    if not change.before:
        return "is new"
    if change.after.get("accepts_letters", True) != change.before.get("accepts_letters", True):
        return "is written to again" if change.after.get("accepts_letters", True) else "is written to no more"
    return "changes"


def _show_key(key: str, before: Any, after: Any) -> None:
    if key != "holders":
        say.line(f"  {key}: {_written(before)} -> {_written(after)}")
        return
    for mark, one, other in (("-", before, after), ("+", after, before)):
        for holder in one or ():
            if holder not in (other or ()):
                say.line(f"  holder: {mark} {_written(holder)}")


def _written(value: Any) -> str:
    """A value of the register on one line, as a person reads it."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return "-" if value in (None, "") else "yes" if value is True else "no" if value is False else str(value)


def _show_sample(sample: "Sample") -> None:
    say.line(f"  a letter of {sample.campaign} in {sample.language}:")
    for line in sample.diff():
        colour = {"+": "green", "-": "red"}.get(line[:1], "default")
        say.styled(f"    [{colour}]{say.plain(line.rstrip())}[/]")


def _tell(proposal: "Proposal", done: "Taken", moved: int) -> None:
    said = [f"{say.number(len(proposal.changes), 'office')} changed in the register"]
    if done.suppressed:
        said.append(f"{say.number(done.suppressed, 'letter')} suppressed")
    if moved:
        said.append(f"{say.number(moved, 'letter')} moved to the new mailbox's lane")
    say.line("; ".join(said))
    say.note(
        "running workers and pages take the register when they are restarted: stop `lettershop up`, and start it again"
    )


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _today() -> date:
    from worker.domain.clock import SystemClock

    return SystemClock().now().date()
