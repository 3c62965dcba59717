"""`lettershop status`: what is there, what is due, why it waits."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.cli.say import Column
from worker.domain.clock import SystemClock
from worker.domain.errors import Failed, LettershopError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from worker.ledger.book import Ledger
    from worker.settings import Home

WATCH_S = 2.0
_WAITING = ("queued", "claimed", "sending", "bound")
_WRONG = ("in_doubt", "held", "refused", "expired", "faulty", "bounced")
_OTHER = ("cancelled", "suppressed")
_WIDE = 110


def status(
    context: typer.Context,
    json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show what is queued and why it waits.

    And what needs an operator, and whether the parts answer. Exit status 1 where the ledger does not.
    """
    home = frame_of(context).home()
    if not watch:
        found = gather(home)
        say.as_json(found) if json else _print(found)
        if not found["ledger"]["ok"]:
            raise typer.Exit(Failed.exit_status)
        return
    with contextlib.suppress(KeyboardInterrupt):  # how watching ends
        _watch(home, json=json)


def _watch(home: "Home", *, json: bool) -> NoReturn:
    """Look again and again: a screen on a terminal, else a line each time."""
    if json or not say.on_terminal():
        while True:
            found = gather(home)
            say.as_json(found) if json else say.line(summary(found))
            time.sleep(WATCH_S)
    from rich.live import Live

    with Live(_drawn(gather(home)), console=say.console(), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(WATCH_S)
            live.update(_drawn(gather(home)), refresh=True)


def gather(home: "Home") -> dict[str, Any]:
    """The status of `home`, all its parts asked. Never raises for one that is away."""
    from worker.operations.status import Seen
    from worker.operations.status import status as read_status
    from worker.wiring import open_ledger

    ledger: Ledger | LettershopError
    try:
        ledger = open_ledger(home)
    except LettershopError as exc:
        return read_status(home, exc, Seen(_broker(home), "not asked: the ledger's name is needed for it"))
    with ledger:
        pacing, ready = _pacing(home, ledger)
        return read_status(home, ledger, Seen(_broker(home), pacing, ready))


_NOT_UP = "the private Redis server is not running: `lettershop up` starts it"


def _broker(home: "Home") -> str:
    from worker.operations.parts import ask_broker
    from worker.wiring import broker_url, private_server

    if home.settings.broker.url == "embedded" and not private_server(home).socket.exists():
        return _NOT_UP
    return ask_broker(broker_url(home))


def _pacing(home: "Home", ledger: "Ledger") -> tuple[str, bool]:
    from worker.operations.parts import ask_pacing
    from worker.wiring import open_pacer, private_server

    if home.settings.pacing.url == "embedded" and not private_server(home).socket.exists():
        return _NOT_UP, False
    return ask_pacing(open_pacer(home, ledger))


# -- one line ----------------------------------------------------------------------------------------------------------
def summary(found: Mapping[str, Any]) -> str:
    """The status in one line."""
    parts = [name for name in ("ledger", "broker", "pacing") if not found[name]["ok"]]
    if not found["ledger"]["ok"]:
        return f"{found['mode']}: {found['ledger']['error']}"
    words = [_letters(found["letters"])]
    if found["due"]:
        words.append(f"{found['due']:,} due, the oldest for {say.span(found['oldest_due_age_s'])}")
    if found["holds"]:
        words.append(say.number(len(found["holds"]), "hold"))
    if parts:
        words.append(f"{' and '.join(parts)} away")
    return f"{found['mode']}: {'; '.join(words)}"


def _letters(letters: Mapping[str, int]) -> str:
    total = sum(letters.values())
    if not total:
        return "no letters yet"
    each = [f"{n:,} {state.replace('_', ' ')}" for state, n in letters.items() if n]
    return f"{say.number(total, 'letter')}: {', '.join(each)}"


# -- plain lines -------------------------------------------------------------------------------------------------------
def _print(found: Mapping[str, Any]) -> None:
    if say.on_terminal():
        say.show(_drawn(found))
        return
    say.line(f"mode\t{found['mode']}")
    for name in ("ledger", "broker", "pacing"):
        say.line(f"{name}\t{'ok' if found[name]['ok'] else found[name]['error']}")
    if not found["letters"]:
        return
    say.line(f"letters\t{_letters(found['letters'])}")
    say.line(f"due\t{found['due']}")
    say.line(f"oldest due\t{say.span(found['oldest_due_age_s']) or '-'}")
    say.line(f"in doubt\t{found['in_doubt']}")
    say.line(f"last accepted\t{found['last_accept_at'] or '-'}")
    for hold in found["holds"]:
        say.line(f"hold\t{hold['text']}")
    for each in found["sendouts"]:
        say.line(f"send-out\t{_sendout(each)}")
    say.line()
    columns = ("office", "waiting", "due", "oldest", "sent", "wrong", "ended", "next opening", "waits for")
    say.table([Column(name) for name in columns], [_plain_row(office) for office in found["offices"]])


def _plain_row(office: Mapping[str, Any]) -> Sequence[str]:
    numbers = _numbers(office["letters"])
    waits = "; ".join(reason["text"] for reason in office["waits"]) or "-"
    return (
        office["id"],
        str(numbers["waiting"]),
        str(office["due"]),
        say.span(office["oldest_due_age_s"]) or "-",
        str(numbers["sent"]),
        str(numbers["wrong"]),
        str(numbers["ended"]),
        office["next_opening"] or "-",
        waits,
    )


def _numbers(letters: Mapping[str, int]) -> dict[str, int]:
    return {
        "waiting": sum(letters[state] for state in _WAITING),
        "sent": letters["sent"],
        "wrong": sum(letters[state] for state in _WRONG),
        "ended": sum(letters[state] for state in _OTHER),
    }


# -- a screen ----------------------------------------------------------------------------------------------------------
def _drawn(found: Mapping[str, Any]) -> "RenderableType":
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
    lines: list[RenderableType] = [head, Text(), *_parts(found)]
    if found["letters"]:
        lines += [*_totals(found), _offices(found)]
        lines += _needs(found)
    return Group(*lines)


_MODE = {"rehearsal": "bold green", "live": "bold magenta"}


def _parts(found: Mapping[str, Any]) -> "list[RenderableType]":
    from rich.text import Text

    names = Text("  ")
    troubles: list[RenderableType] = []
    for name in ("ledger", "broker", "pacing"):
        part = found[name]
        names.append("● ", "green" if part["ok"] else "bold red").append(f"{name}   ")
        if not part["ok"]:
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
    return [Text(f"  {_letters(found['letters'])}"), Text(f"  {due}; {accepted}", "dim")]


def _offices(found: Mapping[str, Any]) -> "RenderableType":
    wide = say.console().width >= _WIDE
    columns = [
        Column("office", give=True),
        Column("waiting", "right"),
        *([Column("due", "right"), Column("oldest", "right")] if wide else []),
        Column("sent", "right", "green"),
        Column("wrong", "right", "red"),
        Column("waits (UTC)", give=True),
    ]
    return say.rich_table(columns, [_row(office, str(found["at"]), wide=wide) for office in found["offices"]])


def _row(office: Mapping[str, Any], at: str, *, wide: bool) -> list[str]:
    numbers = _numbers(office["letters"])
    due = [_or_dot(office["due"]), say.span(office["oldest_due_age_s"])] if wide else []
    waits = ", ".join(dict.fromkeys(_short(reason, at) for reason in office["waits"]))
    return [office["id"], _or_dot(numbers["waiting"]), *due, _or_dot(numbers["sent"]), _or_dot(numbers["wrong"]), waits]


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

    lines = [Text(f"  {hold['text']}", "yellow") for hold in found["holds"]]
    if found["holds"]:
        lines.append(Text("  `lettershop resume` lets them go on once the cause is mended", "dim"))
    lines += [Text(f"  {_sendout(each)}", "yellow" if each["needs"] else "dim") for each in found["sendouts"]]
    if found["in_doubt"]:
        doubted = say.number(found["in_doubt"], "letter")
        lines.append(Text(f"  {doubted} in doubt: `lettershop letters list --state in_doubt`", "yellow"))
    reasons: dict[str, list[str]] = {}
    for office in found["offices"]:
        for reason in office["waits"]:
            if reason["kind"] not in {"hold", "hours"}:
                reasons.setdefault(_until(reason), []).append(office["id"])
    lines += [Text(f"  {', '.join(who)}: {why}", "dim") for why, who in reasons.items()]
    return list(lines)


def _sendout(each: Mapping[str, Any]) -> str:
    what = f"send-out {each['id']}, {each['name']} of {each['campaign']},"
    if each["needs"]:
        return f"{what} {each['needs']}"
    return f"{what} is {each['state']}; it starts {say.moment(each['starts'])}"


def _or_dot(n: int) -> str:
    return f"{n:,}" if n else "·"
