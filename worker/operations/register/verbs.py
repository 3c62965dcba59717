"""What each verb says of an office. Pure: an entry of the register in, an `Entry` out; nothing is read or written here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from worker.domain.errors import BadInput, RefusedByState
from worker.operations.register.entries import Entry
from worker.settings.problems import nearest
from worker.settings.toml import Loc

T = TypeVar("T")

_DAY = timedelta(days=1)
_OPTIONS = {
    "since": "--from",
    "mailbox": "ADDRESS",
    "date": "--date",
    "as_of": "--as-of",
    "id": "ID",
    "holders": "--until",
}


@dataclass(frozen=True, slots=True)
class HolderChange:
    """What is said of a holder; None says nothing, so that what the register says stays."""

    name: str
    form: str | None = None
    salutation: str | None = None
    since: date | None = None
    until: date | None = None
    verified: date | None = None

    def keys(self) -> dict[str, Any]:
        """As the register's file has them."""
        said = {
            "name": self.name,
            "form": self.form,
            "salutation": self.salutation,
            "from": self.since,
            "until": self.until,
            "verified": self.verified,
        }
        return {key: value for key, value in said.items() if value is not None}


def known(entries: Mapping[str, T], office: str) -> T:
    """What stands under the office's id. Raises BadInput with the nearest id."""
    if office not in entries:
        raise BadInput(
            f"there is no office {office!r}{nearest(office, list(entries))}; `lettershop offices list` shows all"
        )
    return entries[office]


def set_holder(before: Mapping[str, Any], change: HolderChange) -> Entry:
    """Say who holds the office. One named as it is there already is changed; another one is added.

    A new holder's `since` ends whoever is in office then, on the day before. Raises BadInput where it is not given though
    somebody's entry has no end, or where the entries would overlap.
    """
    holders = [dict(holder) for holder in before.get("holders", ())]
    same = [number for number, holder in enumerate(holders) if holder["name"] == change.name.strip()]
    if same:
        holders[same[-1]] |= change.keys()
    else:
        holders = [_ended(before["id"], holder, change) for holder in holders]
        holders.append(change.keys())
    return Entry(before["id"], {"holders": holders}, _option)


def _ended(office: str, holder: dict[str, Any], new: HolderChange) -> dict[str, Any]:
    """The former holder's entry, up to the day before the new one's first."""
    until, since = holder.get("until"), holder.get("from")
    if new.since is None:
        if until is None:
            raise BadInput(f"--from: office {office} has a holder whose entry has no end; say when the new one begins")
        return holder
    if (until and until < new.since) or (new.until and since and since > new.until):
        return holder
    if since and since >= new.since:
        raise BadInput(
            f"--from: the entry of another holder of office {office} begins on {since}, not before {new.since}"
        )
    return {**holder, "until": new.since - _DAY}


def set_mailbox(before: Mapping[str, Any], address: str, source: str, as_of: date) -> Entry:
    """Say where letters to the office go, where that was found, and when."""
    return Entry(before["id"], {"mailbox": address, "source": source, "as_of": as_of}, _option)


def retire(before: Mapping[str, Any], reason: str, evidence: str, day: date) -> Entry:
    """Say that the office is not written to. Raises RefusedByState where the register says so already."""
    if not before.get("accepts_letters", True):
        told = before["refusal"]
        raise RefusedByState(
            f"office {before['id']} is not written to since {told['date']} ({told['reason']}); nothing was changed"
        )
    refusal = {"date": day, "reason": reason, "evidence": evidence}
    return Entry(before["id"], {"accepts_letters": False, "refusal": refusal}, _option)


def unretire(before: Mapping[str, Any]) -> Entry:
    """Say that the office takes letters again. Raises RefusedByState where it does already."""
    if before.get("accepts_letters", True):
        raise RefusedByState(f"office {before['id']} takes letters already; nothing was changed")
    return Entry(before["id"], {"accepts_letters": None, "refusal": None}, _option)


def _option(loc: Loc) -> str:
    """The option in which a key was given."""
    name = next((str(part) for part in reversed(loc) if isinstance(part, str)), "")
    return _OPTIONS.get(name, f"--{name}")
