"""The list of offices, a page at a time, and one office: what the pages are filled with. Pure but for what it is handed."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from worker.domain.office import Office
from worker.web.ops import figures
from worker.web.ops.mending import act_path

PAGE = 50
SORTS = ("due", "id")


def listed(offices: Sequence[Mapping[str, Any]], q: str, sort: str, page: int) -> dict[str, Any]:
    """A page of those whose id, title or organisation holds `q`. `page` counts from 1; one that is not there is the last."""
    wanted = q.casefold().strip()
    found = [each for each in offices if wanted in _text(each)] if wanted else list(offices)
    if sort == "id":
        found.sort(key=lambda each: each["id"])
    else:
        found.sort(key=lambda each: (-each["due"], -each["letters"].get("queued", 0), each["id"]))
    pages = max(1, -(-len(found) // PAGE))
    number = min(max(1, page), pages)
    here = found[(number - 1) * PAGE : number * PAGE]
    whole = max((sum(each["letters"].values()) for each in here), default=0)
    return {
        "q": q,
        "sort": sort if sort in SORTS else "due",
        "there": len(offices),
        "found": len(found),
        "number": number,
        "pages": pages,
        "rows": [figures.office_bar(each, whole) for each in here],
        "earlier": _page(q, sort, number - 1) if number > 1 else "",
        "following": _page(q, sort, number + 1) if number < pages else "",
    }


def _text(office: Mapping[str, Any]) -> str:
    return f"{office['id']} {office['title']} {office['organisation']}".casefold()


def _page(q: str, sort: str, number: int) -> str:
    wanted = {"q": q, "sort": sort if sort != "due" else "", "page": str(number) if number > 1 else ""}
    left = urlencode({name: value for name, value in wanted.items() if value})
    return f"/ops/offices?{left}" if left else "/ops/offices"


def office_path(office: str) -> str:
    """The page of an office."""
    return f"/ops/offices/{quote(office, safe='')}"


def nothing_of(office: Office) -> dict[str, Any]:
    """What the status would say of an office that no campaign writes to and that has no letters."""
    return {
        "id": office.id,
        "title": office.title,
        "organisation": office.organisation,
        "letters": {},
        "due": 0,
        "oldest_due_age_s": None,
        "next_opening": None,
        "waits": [],
        "limits": [],
    }


def facts(office: Office | None) -> list[tuple[str, str]]:
    """What the register says of it."""
    if office is None:
        return [("Register", "it is no longer in config/offices.toml")]
    holder = office.holders[-1].name if office.holders else ""
    return [
        ("Mailbox", office.mailbox),
        ("Holder", holder),
        ("Hours", f"{office.hours}, {office.zone.key}"),
        ("Country", office.country),
        ("Language", office.language),
        ("Letters", "accepts them" if office.accepts_letters else f"none: {office.refusal}"),
    ]


def verbs(office: Mapping[str, Any], *, registered: bool, held: bool, accepts: bool = True) -> list[tuple[str, str]]:
    """What an operator may do to it: (words, the form's address)."""
    name = office["id"]
    if not registered:
        return (
            [("Cancel its letters", act_path("letters-cancel", office=name))] if office["letters"].get("queued") else []
        )
    found = [("Resume", act_path("resume", scope="office", target=name))] if held else []
    found.append(("Hold", act_path("hold", scope="office", target=name)))
    found.append(("Change a limit", act_path("limit", scope="mailbox", target=name)))
    found.append(("Correct the mailbox", act_path("redirect", office=name)))
    if accepts:
        found.append(("It asked for no letters", act_path("suppress", office=name)))
    else:
        found.append(("It takes letters again", act_path("unsuppress", office=name)))
    return found


def forecast_of(forecast: Mapping[str, Any] | None, office: str) -> Mapping[str, Any] | None:
    """The forecast of one office; None where nothing of it is queued, or nobody can tell."""
    rows = forecast["offices"] if forecast else []
    return next((row for row in rows if row["id"] == office), None)
