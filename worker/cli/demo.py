"""`lettershop demo`: 25 sample signatures, 11 offices, 275 letters on real parts in a home of its own, in under a minute.

Nothing in it is a mock-up: it lays out a home, starts the same stack that `lettershop up` starts but for the pages, whose
port may be taken, and signs through the same door as every producer. Only hours, limits and retries are opened, by
settings that it prints. What it says in the end is counted at the sink, by Message-ID, and then compared with the ledger.
"""

import contextlib
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.domain.errors import BadInput, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.cli.demo_count import Result
    from worker.cli.stack import Stack
    from worker.settings import Home

CAMPAIGN = "justice-for-khojaly"
SIGNERS = 25
PATIENCE_S = 150.0
COUNTRIES = ("AZ", "BE", "CA", "DE", "FR", "GB", "IE", "IT", "NL", "TR", "US")
TOWNS = ("Sampleton", "Sampleburg", "Samplestad", "Sampleville", "")

SETTINGS = """\
mode = "rehearsal"        # letters go to a sink on this machine

[rehearsal]
defer = 0.1               # it defers one in ten at first try

[limits]
mailbox = "1000/min"      # instead of 30/h
mailbox_per_day = 10000   # instead of 240
office_hours = "ignore"   # instead of "observe"

[retry]
minimum = "1 s"           # instead of 5 min
maximum = "5 s"           # instead of 67 min
"""


def demo(
    into: Annotated[
        Path | None, typer.Option(help="Lay the home out here instead of a temporary directory.", show_default=False)
    ] = None,
) -> None:
    """Watch 25 sample letters reach 11 offices.

    On real parts, all on this machine: nothing leaves it. The last line is JSON, counted at the sink; exit status 1 if
    the ledger disagrees with it.
    """
    began = time.monotonic()
    home = _lay_out(into)
    from worker.cli.demo_count import count_at_sink, refuse_disagreement

    with _started(home) as stack:
        expected = _sign(home)
        _deliver(home, stack)
    result = count_at_sink(home, expected)
    _report(home, result)
    seconds = round(time.monotonic() - began, 1)
    say.line(json.dumps({**result.body(), "seconds": seconds}, separators=(",", ":")))
    refuse_disagreement(home, result)


# -- the steps ---------------------------------------------------------------------------------------------------------
def _lay_out(into: Path | None) -> "Home":
    """A home with the demo's settings. The environment's own settings must not lead it elsewhere: they are dropped."""
    for name in [name for name in os.environ if name.startswith("LETTERSHOP_")]:
        del os.environ[name]
    if into is not None and into.exists() and any(into.iterdir()):
        raise BadInput(f"{into} is not empty: the demo wants a directory of its own")
    from worker.operations.init import init_home
    from worker.wiring.home import read_home

    laid = init_home(into or Path(tempfile.mkdtemp(prefix="lettershop-demo-")))
    (laid.root / "config" / "lettershop.toml").write_text(SETTINGS)
    say.styled(f"[bold]A home of its own[/]: {say.plain(str(laid.root))}")
    say.styled("[bold]Its settings[/], opened so that you need not wait for office hours:")
    say.line()
    for text in SETTINGS.splitlines():
        setting, _, aside = text.partition("#")
        shown = f"    {say.plain(setting)}" + (f"[dim]#{say.plain(aside)}[/]" if aside else "")
        say.styled(shown if text else "")
    say.line()
    return read_home(laid.root)


@contextlib.contextmanager
def _started(home: "Home") -> "Iterator[Stack]":
    from worker.cli.stack import Stack

    with contextlib.ExitStack() as held:
        with say.busy("starting a private Redis, the sink, two workers and beat"):
            stack = held.enter_context(Stack(home, _say, web=False))
        say.styled(f"[bold]Started[/]: {', '.join(stack.names)}")
        yield stack


def _say(part: str, line: str) -> None:
    if part not in {"ledger", "stack"}:  # what it makes first and stops last is told here already
        say.line(f"{part}: {line}")


def _sign(home: "Home") -> int:
    """Sign through the producers' door; how many letters that made."""
    from worker.cli.frame import bell
    from worker.intake import PersonInput
    from worker.wiring.home import open_intake, open_ledger

    letters = 0
    with open_ledger(home) as ledger:
        intake = open_intake(home, ledger, bell(home))
        for number in range(1, SIGNERS + 1):
            country, town = COUNTRIES[number % len(COUNTRIES)], TOWNS[number % len(TOWNS)]
            person = PersonInput(
                f"Sample Signer {number:02}", f"sample.signer.{number:02}@signers.example", country, town
            )
            letters += intake.submit(CAMPAIGN, person, evidence="invented for the demo", source="demo").letters
    offices = len(home.campaigns[CAMPAIGN].offices)
    say.styled(f"[bold]Signed[/]: {SIGNERS} sample signatures of {CAMPAIGN}, one letter to each of {offices} offices")
    return letters


def _deliver(home: "Home", stack: "Stack") -> None:
    """Show the letters going until all have ended. Raises Failed where they do not in time."""
    from worker.cli.demo_show import Progress, Tally, read_tally
    from worker.wiring.home import open_ledger

    offices = home.campaigns[CAMPAIGN].offices
    deadline = time.monotonic() + PATIENCE_S
    with open_ledger(home) as ledger, Progress(offices, SIGNERS) as progress:
        while True:
            tally: Tally = read_tally(ledger)
            progress.show(tally)
            if not tally.waiting:
                return
            if stack.wait(0.1):
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise Failed(
                    f"{tally.waiting} letters still wait after {PATIENCE_S:g} s;"
                    f" look at `lettershop --home {shlex.quote(str(home.root))} status` and {home.var / 'log'}"
                )


# -- the end -----------------------------------------------------------------------------------------------------------
def _report(home: "Home", result: "Result") -> None:
    from worker.cli.demo_show import letter_as_seen, offices_table

    say.line()
    offices_table(home, result, home.campaigns[CAMPAIGN].offices)
    letter_as_seen(result)
    root = shlex.quote(str(home.root))
    lettershop = f"{_program()} --home {root}"
    say.line()
    say.styled("[bold]Where to look further[/]")
    for what, where in (
        ("every letter", f"{home.var / 'sink' / 'new'} (a Maildir)"),
        ("one letter's story", f"{lettershop} letters show 1"),
        ("its bytes, checked", f"{lettershop} letters show 1 --eml --reason look"),
        ("the ledger, read whole", f"{lettershop} ledger verify"),
        ("the same stack again", f"{lettershop} up"),
        ("to be rid of it", f"rm -r {root}"),
    ):
        say.styled(f"  [dim]{what:<24}[/] {say.plain(where)}")
    say.line()


def _program() -> str:
    """How this program is called from here: by its name where the shell finds it, else by its path."""
    if shutil.which("lettershop"):
        return "lettershop"
    path = Path(sys.executable).with_name("lettershop")
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
