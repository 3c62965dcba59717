"""The overview in parts: each a piece of HTML of its own, so that a page that stays open is given only what changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment

from worker.domain.occurrence import Life
from worker.web.ops import figures
from worker.web.ops.charts import curve, gauge, span_words
from worker.web.ops.mending import need_view
from worker.web.ops.reading import SPANS

PARTS = (
    "head", "needs", "tiles", "curves", "offices", "forecast", "shape", "relays", "workers", "acts", "sendouts", "states",
)  # fmt: skip
_TABLED = 40
"""Offices in the table that stands for the bars; a page is not to grow with the register."""


def parts(environment: Environment, reading: Mapping[str, Any], *, may_act: bool, span: str) -> dict[str, str]:
    """Every part by name. Call it in a thread: it takes some milliseconds."""
    context = view(reading, span) | {"may_act": may_act}
    return {name: environment.get_template(f"ops/parts/{name}.html").render(context) for name in PARTS}


def view(reading: Mapping[str, Any], span: str) -> dict[str, Any]:
    """What the parts are filled with."""
    status = reading["status"]
    return {
        "status": status,
        "act_now": [need_view(need) for need in reading["needs"] if need["severity"] == "act"],
        "watch": [need_view(need) for need in reading["needs"] if need["severity"] != "act"],
        "tiles": figures.tiles(status, span_words(status["oldest_due_age_s"])),
        "relays": [_relay(each) for each in status["relays"]],
        "holds": [each for each in status["holds"] if each["scope"] != "sendout"],
        "workers": status["workers"],
        "acts": [each | {"gauge": gauge(each["moved"] + each["skipped"], each["expected"])} for each in status["acts"]],
        "sendouts": [each for each in status["sendouts"] if each["state"] != Life.DONE],
        "forecast": reading["forecast"],
        **_curves(reading, span),
        **_offices(status["offices"]),
        **_shape(reading["shape"]),
    }


def _curves(reading: Mapping[str, Any], span: str) -> dict[str, Any]:
    end_us = reading["at_us"]
    start_us = end_us - SPANS[span]
    samples = reading["samples"]
    return {
        "sent": curve(figures.sent_points(samples), start_us, end_us),
        "backlog": curve(figures.backlog_points(samples), start_us, end_us),
        "span_words": f"the last {span}",
    }


def _offices(offices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    bars = figures.office_bars(offices)
    by_id = {each["id"]: each for each in offices}
    longer = figures.office_bars(offices, _TABLED)
    return {
        "bars": bars,
        "shared": figures.in_common(offices),
        "offices_there": len(offices),
        "table": [{"id": each.id, "groups": figures.grouped(by_id[each.id]["letters"])} for each in longer],
        "first_state": {name: states[0].value for name, states in figures.GROUPS.items()},
    }


def _shape(shape: Mapping[str, Any] | None) -> dict[str, Any]:
    if shape is None:
        return {"heat": [], "heat_total": [], "ages": []}
    bounds = shape["ages_min"]
    rows = [(each["id"], each["ages"]) for each in shape["offices"]]
    return {
        "heat": figures.heat_rows(rows, bounds),
        "heat_total": [
            {"n": n, "span": age} for n, age in zip(shape["total"]["ages"], figures.spans(bounds), strict=True)
        ],
        "ages": [*(f"≤ {each}" for each in bounds), f"> {bounds[-1]}"],
    }


def _relay(relay: Mapping[str, Any]) -> dict[str, Any]:
    limits = [figures.limit_gauge(each) for each in (relay["rate"], relay["day"]) if each is not None]
    return {**relay, "limits": limits}
