"""`lettershop status`: what is there, what is due, why it waits; and the shape of the backlog."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.cli.grid import drawn_shape
from worker.cli.say import Column
from worker.cli.screen import drawn as _drawn
from worker.cli.screen import letters_line, numbers_of, sendout_line, speed_line
from worker.domain.errors import BadInput, Failed, LettershopError

if TYPE_CHECKING:
    from worker.ledger.book import Ledger
    from worker.operations.needs import Need
    from worker.operations.status import Seen
    from worker.settings import Home

WATCH_S = 2.0


def status(
    context: typer.Context,
    json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    shape: Annotated[
        bool, typer.Option("--shape", help="Show for how long each office's due letters have been due.")
    ] = False,
) -> None:
    """Show what is queued and why it waits.

    And what needs an operator, and whether the parts answer. Exit status 1 where the ledger does not.
    """
    if shape and watch:
        raise BadInput("--shape is one look; leave out --watch")
    frame = frame_of(context)
    home, trouble = frame.home_as_far()
    if shape:
        _shape(context, home, json=json)
        return
    if not watch:
        found = gather(home, trouble)
        say.as_json(found) if json else _print(found)
        if not found["ledger"]["ok"]:
            raise typer.Exit(Failed.exit_status)
        return
    with contextlib.suppress(KeyboardInterrupt):  # how watching ends
        _watch(lambda: gather(*frame.home_as_far()), json=json)


def _watch(look: Callable[[], dict[str, Any]], *, json: bool) -> NoReturn:
    """Look again and again: a screen on a terminal, else a line each time."""
    if json or not say.on_terminal():
        while True:
            found = look()
            say.as_json(found) if json else say.line(summary(found))
            time.sleep(WATCH_S)
    from rich.live import Live

    with Live(_drawn(look()), console=say.console(), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(WATCH_S)
            live.update(_drawn(look()), refresh=True)


def _shape(context: typer.Context, home: "Home", *, json: bool) -> None:
    """The grid of office and age."""
    from worker.operations.shape import shape

    with frame_of(context).ledger(home) as ledger:
        found = shape(ledger, home)
    if json:
        say.as_json(found)
        return
    if say.on_terminal():
        say.show(drawn_shape(found))
        return
    ages = [str(age) for age in found["ages_min"]]
    columns = [Column(name) for name in ("office", "due", *ages, f"{ages[-1]}+")]
    rows = [{"id": "TOTAL", **found["total"]}, *found["offices"]]
    say.table(columns, [[row["id"], str(row["due"]), *map(str, row["ages"])] for row in rows])


def gather(home: "Home", config: str = "") -> dict[str, Any]:
    """The status of `home`, all its parts asked, with what needs an operator. Never raises for one that is away.

    `config` is what is wrong with the home's files, where `home` is only what could be read of them.
    """
    from worker.operations.status import Seen
    from worker.wiring.home import open_ledger
    from worker.wiring.plan import open_gauge

    ledger: Ledger | LettershopError
    broker = _broker(home)
    try:
        ledger = open_ledger(home)
    except LettershopError as exc:
        seen = Seen(broker, "not asked: the ledger's name is needed for it")
        return _told(home, exc, seen, config)
    with ledger:
        pacing, ready = ask_pacing_of(home, ledger)
        try:
            gauge = open_gauge(home, ledger)
        except LettershopError:  # the reading says why
            gauge = None
        seen = Seen(broker, pacing, ready, gauge if not pacing and ready else None)
        return _told(home, ledger, seen, config)


def _told(home: "Home", ledger: "Ledger | LettershopError", seen: "Seen", config: str) -> dict[str, Any]:
    from worker.operations.needs import Parts, needs, quotas_of
    from worker.operations.status import status as read_status

    found = read_status(home, ledger, seen)
    needed: list[Need] = needs(ledger, home, Parts(seen.broker, seen.pacing, config, quotas_of(found["relays"])))
    return {**found, "needs": [need.body() for need in needed]}


_NOT_UP = "the private Redis server is not running: `lettershop up` starts it"


def _broker(home: "Home") -> str:
    from worker.operations.parts import ask_broker
    from worker.wiring.servers import broker_url, private_server

    if home.settings.broker.url == "embedded" and not private_server(home).socket.exists():
        return _NOT_UP
    return ask_broker(broker_url(home))


def ask_pacing_of(home: "Home", ledger: "Ledger") -> tuple[str, bool]:
    """Why pacing does not answer, or ""; and whether it could grant now."""
    from worker.operations.parts import ask_pacing
    from worker.wiring.servers import open_pacer, private_server

    if home.settings.pacing.url == "embedded" and not private_server(home).socket.exists():
        return _NOT_UP, False
    return ask_pacing(open_pacer(home, ledger))


# -- one line ----------------------------------------------------------------------------------------------------------
def summary(found: Mapping[str, Any]) -> str:
    """The status in one line."""
    parts = [name for name in ("ledger", "broker", "pacing") if not found[name]["ok"]]
    if not found["ledger"]["ok"]:
        return f"{found['mode']}: {found['ledger']['error']}"
    words = [letters_line(found["letters"])]
    if found["due"]:
        words.append(f"{found['due']:,} due, the oldest for {say.span(found['oldest_due_age_s'])}")
    if found["holds"]:
        words.append(say.number(len(found["holds"]), "hold"))
    if parts:
        words.append(f"{' and '.join(parts)} away")
    return f"{found['mode']}: {'; '.join(words)}"


# -- plain lines -------------------------------------------------------------------------------------------------------
def _print(found: Mapping[str, Any]) -> None:
    if say.on_terminal():
        say.show(_drawn(found))
        return
    say.line(f"mode\t{found['mode']}")
    for name in ("ledger", "broker", "pacing"):
        say.line(f"{name}\t{'ok' if found[name]['ok'] else found[name]['error']}")
    if not found["letters"]:
        _print_needs(found)
        return
    say.line(f"letters\t{letters_line(found['letters'])}")
    say.line(f"due\t{found['due']}")
    say.line(f"oldest due\t{say.span(found['oldest_due_age_s']) or '-'}")
    say.line(f"in doubt\t{found['in_doubt']}")
    say.line(f"last accepted\t{found['last_accept_at'] or '-'}")
    say.line(f"throughput\t{speed_line(found['throughput'])}")
    for each in found["relays"]:
        say.line(f"relay\t{each['name']}\t{'ok' if each['ok'] else each['trouble'] or 'held'}")
    alive = [each for each in found["workers"] if each["alive"]]
    say.line("alive\t" + (", ".join(f"{each['kind']} {each['name']}" for each in alive) or "-"))
    _print_needs(found)
    for hold in found["holds"]:
        say.line(f"hold\t{hold['text']}")
    for each in found["sendouts"]:
        say.line(f"send-out\t{sendout_line(each)}")
    say.line()
    columns = ("office", "waiting", "due", "oldest", "sent", "wrong", "ended", "next opening", "waits for")
    say.table([Column(name) for name in columns], [_plain_row(office) for office in found["offices"]])


def _print_needs(found: Mapping[str, Any]) -> None:
    for need in found["needs"]:
        say.line(f"needs you\t{need['text']}\t{need['mend'] or '-'}")


def _plain_row(office: Mapping[str, Any]) -> Sequence[str]:
    numbers = numbers_of(office["letters"])
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
