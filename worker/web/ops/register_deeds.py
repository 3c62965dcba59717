"""Verbs that change the register of offices: a corrected mailbox, an office that asked not to be written to.

The register is a file of the home: what is written here is read by every process within seconds. The count that a form
shows is of letters that wait for the office.
"""

from datetime import UTC, date, datetime

from worker.domain.errors import BadInput
from worker.intake import sync_register
from worker.operations import holds, suppressing
from worker.operations import redirect as redirecting
from worker.operations.acts import Order
from worker.web.ops.deeds import By, Deed, Field, Place, Said

_OFFICE = Field("office", "Office", "Its id.", needed=True)
_NO_YES = (("", "no"), ("yes", "yes"))


def _redirect(place: Place, said: Said, by: By) -> str:
    office = said["office"].strip()
    wanted = redirecting.Correction(office, said["mailbox"].strip(), said["source"].strip(), _day(said["as_of"], place))
    if not wanted.source:
        raise BadInput("say where the address was found: whoever doubts it later will want to look")
    proposal = redirecting.propose_redirect(place.home, wanted, _now(place))
    sync: redirecting.Sync = lambda offices, progress: sync_register(  # noqa: E731 -- the shape that it wants
        place.ledger, offices, who=by.who, progress=progress
    )
    lift = said["lift"] == "yes"
    redirecting.redirect(place.ledger, place.home, proposal, Order(by.who, by.reason), sync, lift=lift)
    return "/ops"


def _suppress(place: Place, said: Said, by: By) -> str:
    told = suppressing.Refusal(
        said["office"].strip(), by.reason, said["evidence"].strip(), _day(said["asked_on"], place)
    )
    proposal = suppressing.propose_suppress(place.home, told, _now(place))
    suppressing.suppress(place.ledger, proposal, Order(by.who, by.reason))
    return "/ops"


def _unsuppress(place: Place, said: Said, by: By) -> str | int:
    office = said["office"].strip()
    again = suppressing.taken_from(place.ledger, office) if said["requeue"] == "yes" else None
    proposal = suppressing.propose_unsuppress(place.home, office, _now(place))
    begun = suppressing.unsuppress(place.ledger, place.home, proposal, Order(by.who, by.reason), again)
    return "/ops" if begun is None else begun


def _waiting(place: Place, said: Said) -> int:
    return holds.waiting(place.ledger, place.home, "office", said["office"].strip())


def _now(place: Place) -> datetime:
    return datetime.fromtimestamp(place.ledger.now_us() / 1_000_000, UTC)


def _day(text: str, place: Place) -> date:
    """A day; today where none is said. Raises BadInput."""
    if not text.strip():
        return _now(place).date()
    try:
        return date.fromisoformat(text.strip())
    except ValueError as exc:
        raise BadInput(f'{text.strip()!r} is not a day; write it like "2026-11-25"') from exc


def register_deeds() -> dict[str, Deed]:
    """Every verb by name."""
    mailbox = (
        _OFFICE,
        Field("mailbox", "Its right mailbox", "", needed=True),
        Field("source", "Where it was found", "Like its website, by telephone.", needed=True),
        Field("as_of", "When it was found", "Like 2026-11-25; empty: today."),
        Field("lift", "Lift the holds of the old mailbox", "Other offices may share it.", _NO_YES),
    )
    asked = (
        _OFFICE,
        Field("evidence", "Where that can be looked up", "Like a letter of theirs, and its date.", needed=True),
        Field("asked_on", "When it asked", "Like 2026-11-25; empty: today."),
    )
    again = (_OFFICE, Field("requeue", "Queue the letters that were suppressed then", "", _NO_YES))
    moves = "The register is changed, and letters that wait go to the new address. What was sent stays sent."
    ends = "The register says so, and nothing more is sent to it. Letters that wait for it are suppressed."
    back = "The register says so, and its hold is lifted."
    return {
        "redirect": Deed(
            "redirect", "Correct an office's mailbox", moves, "Correct it", mailbox, _redirect, waiting=_waiting
        ),
        "suppress": Deed(
            "suppress",
            "An office asked for no letters",
            ends,
            "Write to it no more",
            asked,
            _suppress,
            waiting=_waiting,
        ),
        "unsuppress": Deed(
            "unsuppress", "An office takes letters again", back, "Write to it again", again, _unsuppress
        ),
    }
