"""Carries an act on and waits to be killed: after so many pages, or inside the transaction of the next one."""

import sys
from pathlib import Path
from typing import Any

from worker.ledger import bulk_acts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.operations.acts import carry_on, running


def wait(*_: object) -> None:
    """Say that it is time, and wait."""
    sys.stdout.write("now\n")
    sys.stdout.flush()
    sys.stdin.read()


def main(url: str, keys_directory: str, act: str, pages: str, where: str) -> None:
    running.PAGE = 3
    left = int(pages)

    def progress(_done: int, _expected: int) -> None:
        nonlocal left
        left -= 1
        if left == 0 and where == "between":
            wait()

    advance = bulk_acts.advance

    def stuck(*arguments: Any, **named: Any) -> None:
        advance(*arguments, **named)
        if left == 0 and where == "inside":
            wait()

    bulk_acts.advance = stuck
    keys = Keys.load(*(Path(keys_directory) / f"{name}.key" for name in ("data", "lookup", "seal")))
    with Ledger.open(url, keys, "rehearsal") as ledger:
        carry_on(ledger, int(act), progress)


if __name__ == "__main__":
    main(*sys.argv[1:])
