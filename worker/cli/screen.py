"""The screen of `status`: drawn with rich, for a terminal of 80 columns and more."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.cli import say
from worker.cli.drawn import spark
from worker.cli.say import Column
from worker.domain.clock import SystemClock

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_WAITING = ("queued", "claimed", "sending", "bound")
_WRONG = ("in_doubt", "held", "refused", "expired", "faulty", "bounced")
_OTHER = ("cancelled", "suppressed")
_WIDE = 110
_MOST_OFFICES = 40
_MOST_NEEDS, _MOST_LINES, _MOST_NAMES = 8, 10, 4


def letters_line(letters: Mapping[str, int]) -> str:
    """Like "12 letters: 4 queued, 8 sent"."""
    total = sum(letters.values())
    if not total:
        return "no letters yet"
    each = [f"{n:,} {state.replace('_', ' ')}" for state, n in letters.items() if n]
    return f"{say.number(total, 'letter')}: {', '.join(each)}"


def numbers_of(letters: Mapping[str, int]) -> dict[str, int]:
    """Letters by what they mean to an operator: waiting, sent, wrong, ended."""
    return {
        "waiting": sum(letters[state] for state in _WAITING),
        "sent": letters["sent"],
        "wrong": sum(letters[state] for state in _WRONG),
        "ended": sum(letters[state] for state in _OTHER),
    }


def speed_line(speed: Mapping[str, Any]) -> str:
    """Like "42 a minute now, 1,240 in the last hour"."""
    now = "being measured" if speed["now_per_min"] is None else f"{speed['now_per_min']:,g} a minute now"
    return now if speed["hour"] is None else f"{now}, {speed['hour']:,} in the last hour"


def drawn(found: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    at = str(found["at"] or SystemClock().now().isoformat(timespec="seconds"))
    head = Text.assemble(
        ("lettershop", "bold"),
        "  ",
        (found["mode"], _MODE[found["mode"]]),
        "  ",
        (found["home"], "cyan"),
        "  ",
        (at, "dim"),
    )
    lines: list[RenderableType] = [head, Text(), *_parts(found), *_wanting(found)]
    if found["letters"]:
        lines += [*_totals(found), *_speed(found), *_relays(found), *_workers(found), *_acts(found)]
        lines += [_offices(found), *_more(found), *_needs(found)]
    return Group(*lines)


def _wanting(found: Mapping[str, Any]) -> "list[RenderableType]":
    """What needs somebody now, on top; each with the verb that mends it."""
    from rich.text import Text

    needs = found.get("needs", [])
    if not needs:
        return []
    lines: list[RenderableType] = [Text("  needs you", "bold")]
    for need in needs[:_MOST_NEEDS]:
        style = "bold red" if need["severity"] == "act" else "yellow"
        lines.append(_hanging(Text("!" if need["severity"] == "act" else "·", style), Text(need["text"])))
        if need["mend"]:
            lines.append(_hanging(Text(" "), Text(f"→ {need['mend']}", "cyan")))
    if len(needs) > _MOST_NEEDS:
        lines.append(Text(f"    and {len(needs) - _MOST_NEEDS} more: add --json", "dim"))
    return [*lines, Text()]


def _hanging(mark: "Text", text: "Text") -> "RenderableType":
    """A line whose wrapped rest stands under its beginning."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=3, justify="right")
    grid.add_column(overflow="fold")
    grid.add_row(mark, text)
    return grid


def _speed(found: Mapping[str, Any]) -> "list[RenderableType]":
    """Throughput, and the last hour as a curve."""
    from rich.text import Text

    speed = found.get("throughput")
    if speed is None:
        return []
    curve = spark([bar["sent"] for bar in speed["per_min"]])
    room = say.console().width - 4
    lines = [Text(f"  throughput: {speed_line(speed)}")]
    return [*lines, Text(f"  {curve[-room:]}", "green")] if curve else list(lines)


def _relays(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    lines = []
    for each in found.get("relays", []):
        line = Text("  ").append("● ", "green" if each["ok"] else "bold red").append(f"relay {each['name']}")
        for name, key in (("", "rate"), ("today ", "day")):
            if limit := each[key]:
                used = "?" if limit["used"] is None else f"{limit['used']:,}"
                full = limit["left"] == 0
                line.append(
                    f"   {name}{used} of {limit['count']:,} {_unit(limit['window_s'])}", "yellow" if full else "dim"
                )
        if each["trouble"]:
            line.append(f"   {each['strikes']} troubles in a row: {each['trouble']}", "red")
        lines.append(line)
    return list(lines)


_UNITS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "in 24 h"}


def _unit(window_s: int) -> str:
    return _UNITS.get(window_s, f"in {window_s} s")


def _workers(found: Mapping[str, Any]) -> "list[RenderableType]":
    """Processes that make progress in the ledger, and those that lately did."""
    from rich.text import Text

    seen = found.get("workers")
    if seen is None:
        return []
    if not seen:
        return [Text("  no process has said that it is alive: `lettershop up` starts the stack", "yellow")]
    line = Text("  ")
    for each in seen:
        if not each["alive"] and each["stopped"]:
            continue
        line.append("● ", "green" if each["alive"] else "red").append(f"{each['kind']} {each['name']} ")
        line.append(_doing(each), "dim" if each["alive"] else "red").append("   ")
    lines = [line]
    lines += [
        Text(f"    {each['name']}: {each['trouble']}", "yellow") for each in seen if each["alive"] and each["trouble"]
    ]
    return list(lines)


def _doing(process: Mapping[str, Any]) -> str:
    if not process["alive"]:
        return f"not seen for {say.span(process['seen_age_s'])}"
    if process["draining"]:
        return "drained"
    return say.number(process["rounds"], "round") if process["rounds"] else "idle"


def _acts(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    return [
        Text(
            f"  act {act['id']}, {act['verb']} by {act['who']}: {act['moved']:,} of {act['expected']:,} letters", "cyan"
        )
        for act in found.get("acts", [])
    ]


_MODE = {"rehearsal": "bold green", "live": "bold magenta"}


def _parts(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    names = Text("  ")
    troubles: list[RenderableType] = []
    said = {need["kind"] for need in found.get("needs", [])}
    for name in ("ledger", "broker", "pacing"):
        part = found[name]
        names.append("● ", "green" if part["ok"] else "bold red").append(f"{name}   ")
        if not part["ok"] and name not in said:
            troubles.append(Text(f"  {name}: {part['error']}", "red"))
        elif not part.get("ready", True):
            names.append("(not ready to grant yet)   ", "yellow")
    return [names, *troubles]


def _totals(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    due = (
        f"{found['due']:,} due, the oldest for {say.span(found['oldest_due_age_s'])}"
        if found["due"]
        else "nothing is due"
    )
    accepted = f"the last was accepted at {found['last_accept_at']}" if found["last_accept_at"] else "none accepted yet"
    return [Text(f"  {letters_line(found['letters'])}"), Text(f"  {due}; {accepted}", "dim")]


def _shown(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The offices that fit a screen: all of few, else those with the most due."""
    offices = list(found["offices"])
    if len(offices) <= _MOST_OFFICES:
        return offices
    return sorted(offices, key=lambda office: (-office["due"], -numbers_of(office["letters"])["waiting"]))[
        :_MOST_OFFICES
    ]


def _more(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    left = len(found["offices"]) - _MOST_OFFICES
    return [Text(f"  and {left:,} more offices with less due: `lettershop why --office ID`", "dim")] if left > 0 else []


def _offices(found: Mapping[str, Any]) -> "RenderableType":
    wide = say.console().width >= _WIDE
    columns = [
        Column("office", give=True),
        Column("waiting", "right"),
        *([Column("due", "right"), Column("oldest", "right")] if wide else []),
        Column("sent", "right", "green"),
        Column("wrong", "right", "red"),
        *([Column("used", "right")] if wide else []),
        Column("waits (UTC)", give=True),
    ]
    return say.rich_table(columns, [_row(office, str(found["at"]), wide=wide) for office in _shown(found)])


def _row(office: Mapping[str, Any], at: str, *, wide: bool) -> list[str]:
    numbers = numbers_of(office["letters"])
    due = [_or_dot(office["due"]), say.span(office["oldest_due_age_s"])] if wide else []
    used = [_tightest(office.get("limits", []))] if wide else []
    waits = ", ".join(dict.fromkeys(_short(reason, at) for reason in office["waits"]))
    shown = [_or_dot(numbers[name]) for name in ("waiting", "sent", "wrong")]
    return [office["id"], shown[0], *due, *shown[1:], *used, waits]


def _tightest(limits: Sequence[Mapping[str, Any]]) -> str:
    """The limit of which the largest share is used: "28/30 h"."""
    known = [limit for limit in limits if limit["used"]]
    if not known:
        return "·"
    limit = max(known, key=lambda each: each["used"] / each["count"])
    return f"{limit['used']:,}/{limit['count']:,} {_SHORT.get(limit['window_s'], '')}".strip()


_SHORT = {1: "s", 60: "min", 3600: "h", 86_400: "day"}


_WORDS = {"hold": "held", "hours": "opens", "gate": "again"}


def _short(reason: Mapping[str, Any], at: str) -> str:
    """A reason in two words: "held", "opens 09:00", "opens 11-30 09:00"."""
    word = _WORDS.get(reason["kind"], "see below")
    if not reason["until"] or reason["kind"] == "hold":
        return word
    day, _, time_of_day = say.moment(reason["until"]).partition(" ")
    shown = time_of_day[:5] if reason["kind"] == "hours" else time_of_day
    return f"{word} {shown}" if day == at[:10] else f"{word} {day[5:]} {shown}"


def _until(reason: Mapping[str, Any]) -> str:
    return f"{reason['text']}, until {say.moment(reason['until'])}" if reason["until"] else str(reason["text"])


def _needs(found: Mapping[str, Any]) -> "list[RenderableType]":
    """What an operator should know below the table: holds, doubts, and what gates are shut for."""
    from rich.text import Text

    lines = [Text(hold["text"], "yellow") for hold in found["holds"][:_MOST_LINES]]
    if len(found["holds"]) > _MOST_LINES:
        lines.append(Text(f"and {len(found['holds']) - _MOST_LINES:,} more holds: add --json", "dim"))
    if found["holds"]:
        lines.append(
            Text("`lettershop resume SCOPE NAME --reason WHY` lets them go on once the cause is mended", "dim")
        )
    lines += [Text(sendout_line(each), "yellow" if each["needs"] else "dim") for each in found["sendouts"]]
    if found["in_doubt"]:
        doubted = say.number(found["in_doubt"], "letter")
        lines.append(Text(f"{doubted} in doubt: `lettershop letters list --state in_doubt`", "yellow"))
    lines += [Text(line, "dim") for line in _gates(found)]
    return [_hanging(Text(""), line) for line in lines]


def _gates(found: Mapping[str, Any]) -> list[str]:
    """Why gates are shut, each said once for all its offices. Used-up limits, which end by themselves, in one line."""
    reasons: dict[str, list[str]] = {}
    paced: dict[str, str] = {}
    for office in found["offices"]:
        for reason in office["waits"]:
            if reason["text"].startswith("limit ") and reason["until"]:
                paced[office["id"]] = max(reason["until"], paced.get(office["id"], ""))
            elif reason["kind"] not in {"hold", "hours"}:
                reasons.setdefault(_until(reason), []).append(office["id"])
    lines = [f"{_names(who)}: {why}" for why, who in reasons.items()][:_MOST_LINES]
    if paced:
        wait = "waits" if len(paced) == 1 else "wait"
        lines.append(
            f"{_names(list(paced))} {wait} for a used-up limit; the next opens {say.moment(min(paced.values()))}"
        )
    return lines


def _names(who: Sequence[str]) -> str:
    return ", ".join(who) if len(who) <= _MOST_NAMES else f"{len(who):,} offices"


def sendout_line(each: Mapping[str, Any]) -> str:
    what = f"send-out {each['id']}, {each['name']} of {each['campaign']},"
    if each["needs"]:
        return f"{what} {each['needs']}"
    return f"{what} is {each['state']}; it starts {say.moment(each['starts'])}"


def _or_dot(n: int) -> str:
    return f"{n:,}" if n else "·"
