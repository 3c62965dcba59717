"""Imports a file and, after a given number of chunks, tells so and waits to be killed."""

import sys
from pathlib import Path

from tests.integration.intake.scene import make_intake
from worker.intake import Progress, import_file
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys


def main(url: str, keys_directory: str, file: str, chunks: str) -> None:
    left = int(chunks)

    def progress(done: Progress) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            sys.stdout.write(f"{done.tally.rows}\n")
            sys.stdout.flush()
            sys.stdin.read()

    keys = Keys.load(*(Path(keys_directory) / f"{name}.key" for name in ("data", "lookup", "seal")))
    with Ledger.open(url, keys, "rehearsal") as ledger:
        import_file(make_intake(ledger, keys), "library", Path(file), evidence="paper lists", progress=progress)


if __name__ == "__main__":
    main(*sys.argv[1:])
