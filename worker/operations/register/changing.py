"""A change of the register: proposed, shown, taken. Nothing is written before it is taken.

`propose` writes the entries into the register's text and reads that as the settings do, campaigns and all, so that a
register that would be refused at the next start is refused now. `take` puts the text in its place and appends to the
audit in one go; letters of an office that now takes none are suppressed, and its hold keeps running workers from them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import tomlkit

from worker.domain.errors import BadInput
from worker.domain.office import Office
from worker.ledger import audit, suppression
from worker.ledger.book import Ledger
from worker.operations.holds import checked_reason
from worker.operations.register.entries import Entry, refuse_unfit, write
from worker.operations.register.file import RegisterFile, fingerprint, parsed, read_register
from worker.operations.register.samples import Sample, samples
from worker.settings import Home
from worker.settings.campaigns import read_campaign
from worker.settings.home import CAMPAIGNS
from worker.settings.offices import read_offices
from worker.settings.toml import read_toml

Verb = Literal["set-holder", "set-mailbox", "retire", "unretire", "import-offices"]
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one office: its keys before and after, and the sample letters that differ."""

    office: str
    before: Mapping[str, Any]  # {} for a new office
    after: Mapping[str, Any]
    samples: tuple[Sample, ...]

    @property
    def keys(self) -> list[str]:
        """The keys that change."""
        both = {**self.before, **self.after}
        return [key for key in both if self.before.get(key) != self.after.get(key)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that can be taken; `text` is the register as it would be. No changes: nothing to do."""

    register: RegisterFile
    text: str
    offices: Mapping[str, Office]  # as they would be
    changes: tuple[Change, ...]

    def unsent(self, ledger: Ledger) -> dict[str, int]:
        """How many letters that are not sent follow, for each changed office."""
        with ledger.read() as connection:
            found = suppression.unsent(connection)
        return {change.office: max(0, found[change.office]) for change in self.changes}


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking it came to: letters suppressed, and offices whose hold was lifted."""

    suppressed: int = 0
    let: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class By:
    """Who does it, and why; "" where the verb asks for no reason."""

    who: str
    verb: Verb
    reason: str = ""


def propose(home: Home, entries: Sequence[Entry], now: datetime, register: RegisterFile | None = None) -> Proposal:
    """Write the entries into the register's text and look at what that does.

    Raises BadInput, a line for each fault, where it would not be fit, and RefusedByState where it changes while it is read.
    """
    register = register or read_register(home.root)
    _refuse_unfit(register, entries, allow_test_domains=home.settings.allow_test_domains)
    whole, tables = register.editable()
    for entry in entries:
        write(tables, entry)
    text = tomlkit.dumps(whole) if _differs(whole, register) else register.document.text
    after = _with_register(home, text)
    old, new = register.entries, dataclasses.replace(register, document=parsed(text)).entries
    changes = tuple(
        Change(name, old.get(name, {}), new[name], tuple(samples(home, after, name, now)))
        for name in new
        if old.get(name) != new[name]
    )
    return Proposal(register, text, after.offices, changes)


def _refuse_unfit(register: RegisterFile, entries: Sequence[Entry], *, allow_test_domains: bool) -> None:
    there, faults = register.entries, []
    for entry in entries:
        try:
            refuse_unfit(there.get(entry.id, {}), entry, allow_test_domains=allow_test_domains)
        except BadInput as exc:
            faults += str(exc).splitlines()
    if faults:
        more = [f"and {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
        raise BadInput("\n".join([*faults[:_MOST_FAULTS], *more]))


def _differs(whole: tomlkit.TOMLDocument, register: RegisterFile) -> bool:
    return whole.unwrap() != register.document.data


def _with_register(home: Home, text: str) -> Home:
    """The home as it would be read with this register."""
    test = home.settings.allow_test_domains
    offices = read_offices(parsed(text), allow_test_domains=test)
    campaigns = {
        slug: read_campaign(
            read_toml(home.root / CAMPAIGNS / f"{slug}.toml", f"{CAMPAIGNS}/{slug}.toml"),
            slug,
            home.templates,
            offices,
            base=home.settings.base_url,
            allow_test_domains=test,
        )
        for slug in home.campaigns
    }
    return Home(home.root, home.settings, campaigns, offices)


# -- taking it ---------------------------------------------------------------------------------------------------------
def take(proposal: Proposal, ledger: Ledger, by: By, progress: Callable[[int], None] | None = None) -> Taken:
    """Make it so. `progress` is told how many letters are suppressed so far.

    Raises RefusedByState where the register was changed since it was read, Failed where the ledger is away: then nothing
    was changed. Should it be killed while letters are suppressed, the next start of a worker goes on.
    """
    if by.reason:
        checked_reason(by.reason)
    declining = [each for each in proposal.changes if _declines(each.after) and not _declines(each.before)]
    welcoming = [each.office for each in proposal.changes if _declines(each.before) and not _declines(each.after)]
    _record(proposal, ledger, by, declining, welcoming)
    suppressed = 0
    for change in declining:
        reason = f"{suppression.DECLINED}: {change.after['refusal']['reason']}"
        for done in suppression.suppress(ledger, change.office, reason, who=by.who):
            suppressed += done
            if progress is not None:
                progress(suppressed)
    return Taken(suppressed, tuple(welcoming))


def _declines(entry: Mapping[str, Any]) -> bool:
    return not entry.get("accepts_letters", True)


def _record(proposal: Proposal, ledger: Ledger, by: By, declining: Sequence[Change], welcoming: Sequence[str]) -> None:
    """The audit row, the holds and the file, together: the file is put in its place just before the commit."""
    names = [change.office for change in proposal.changes]
    target = f"office {names[0]}" if len(names) == 1 else "register"
    keys = sorted({key for change in proposal.changes for key in change.keys})  # no names, no addresses
    details = {"keys": keys, "offices": len(names), "register": fingerprint(proposal.text)}
    saved = False
    try:
        with ledger.write() as connection:
            at_us = ledger.now_us()
            audit.append(connection, at_us, by.who, by.verb, target, by.reason, details)
            for change in declining:
                told = str(change.after["refusal"]["reason"])
                suppression.stop(connection, at_us, change.office, reason=told, who=by.who)
            for office in welcoming:
                suppression.let(connection, at_us, office)
            proposal.register.save(proposal.text)
            saved = True
    except BaseException:
        if saved:
            proposal.register.restore()
        raise
