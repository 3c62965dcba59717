"""Yearly send-outs as the pages show them: the coming year by months, one send-out's preflights, what may be done. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

from worker.domain.occurrence import MOVES, Life, Step
from worker.web.ops import figures
from worker.web.ops.charts import stacked

MONTHS = 12
_WORDS = {
    "approve": "approve it: it begins when its time comes",
    "run": "begin it now",
    "hold": "hold it: letters that wait are set aside",
    "resume": "resume it where it was",
    "end": "move its end",
    "cancel": "cancel it for this year; this cannot be undone",
}
_STEPS = {"hold": Step.HOLD, "resume": Step.RESUME, "cancel": Step.CANCEL}
_ENDS = frozenset({Life.PLANNED, Life.ANNOUNCED, Life.APPROVED, Life.SENDING, Life.HELD})


def year(dates: Sequence[Mapping[str, Any]], now: datetime) -> list[tuple[date, list[Mapping[str, Any]]]]:
    """The next twelve months, each with what happens in it; the last of them holds what comes later too."""
    months = [date(now.year + (now.month - 1 + i) // 12, (now.month - 1 + i) % 12 + 1, 1) for i in range(MONTHS + 1)]
    found: dict[date, list[Mapping[str, Any]]] = {month: [] for month in months}
    for each in dates:
        when = datetime.fromisoformat(each["when"])
        found[min(date(when.year, when.month, 1), months[-1])].append(each)
    return list(found.items())


def verbs(state: str) -> list[tuple[str, str]]:
    """What an operator may do in this state: (verb, words). The ledger decides; this only spares hopeless forms."""
    life = Life(state)
    possible = {name for name, step in _STEPS.items() if life in MOVES[step][0]}
    if life is Life.ANNOUNCED:
        possible.add("approve")
    if life in {Life.APPROVED, Life.MISSED}:
        possible.add("run")
    if life in _ENDS:
        possible.add("end")
    return [(name, words) for name, words in _WORDS.items() if name in possible]


def shown(detail: Mapping[str, Any]) -> dict[str, Any]:
    """One send-out: what `schedule.views.detail` says, with its bar and its preflights laid out."""
    parts = figures.grouped(detail["by_state"])
    return {
        "it": {**detail, "preflights": [_preflight(each) for each in detail["preflights"]]},
        "bar": stacked(parts, sum(parts.values())),
        "bar_words": ", ".join(f"{n:,} {figures.word(name)}" for name, n in parts.items() if n),
    }


def _preflight(result: Mapping[str, Any]) -> dict[str, Any]:
    report = result["report"]
    found = [*report.get("errors", []), *report.get("warnings", [])]
    numbers = [
        ("Day", str(report.get("day", ""))[:10]),
        ("Supporters", f"{report.get('supporters', 0):,}"),
        ("Letters", f"{report.get('letters', 0):,}"),
        *((f"Left out: {why}", f"{n:,}") for why, n in report.get("left_out", {}).items()),
    ]
    if report.get("quota_days"):
        numbers.append(("Of the relays' day quota", f"{report['quota_days']:g} days"))
    offices = [
        {"office": office, "letters": letters, "fit": fit, "ends": ends}
        for office, letters, fit, ends in islice(report.get("offices", []), 200)
    ]
    return {
        "name": result["name"],
        "at": result["at"],
        "passed": result["passed"],
        "findings": [{"place": place, "message": message} for place, message in found],
        "numbers": numbers,
        "offices": offices,
    }
