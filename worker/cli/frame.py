"""What every verb starts from: the home that was named, and its parts opened when a verb asks for them."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from worker.intake import Intake
    from worker.ledger.book import Ledger
    from worker.settings import Home

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the audit.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before the verb on the command line."""

    root: Path

    def home(self) -> "Home":
        """The home, read and validated. Raises BadInput."""
        from worker.wiring.home import read_home

        return read_home(self.root)

    def home_as_far(self) -> "tuple[Home, str]":
        """For verbs that must not wait until a broken edit is mended: what can be read of the home, and what is wrong.

        Raises BadInput where the settings cannot be read.
        """
        from worker.wiring.home import read_as_far

        return read_as_far(self.root)

    @contextlib.contextmanager
    def ledger(self, home: "Home | None" = None) -> "Iterator[Ledger]":
        """The home's ledger, open. Raises Failed, RefusedByState, BadInput."""
        from worker.wiring.home import open_ledger

        with open_ledger(home or self.home()) as ledger:
            yield ledger

    @contextlib.contextmanager
    def intake(self, home: "Home") -> "Iterator[Intake]":
        """The producers' door, with a bell that rings where somebody may listen."""
        from worker.wiring.home import open_intake

        with self.ledger(home) as ledger:
            yield open_intake(home, ledger, bell(home))


def frame_of(context: typer.Context) -> Frame:
    """The frame that the app's callback laid down."""
    found = context.find_object(Frame)
    assert found is not None, "the app's callback runs before every verb"
    return found


def bell(home: "Home") -> Callable[[], None] | None:
    """The wake-up for `home`'s workers; None where its private server is not up, and nobody could hear it."""
    from worker.wiring.servers import private_server

    if home.settings.broker.url == "embedded" and not private_server(home).socket.exists():
        return None
    from worker.dispatch import ring

    return ring(home)


def who() -> str:
    """The operator, as the audit names them: the login name, or the number where the system knows no name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def stack_is_up(home: "Home") -> bool:
    """Whether a stack started by `lettershop up` runs on this home (a fleet's workers cannot be seen from here)."""
    from worker.embedded.lock import running

    return running(home.var) is not None
