"""One process of a race: waits for the word, submits the same people, prints how often it was first."""

import sys
from pathlib import Path

from tests.integration.intake.scene import make_intake, person
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys


def main(url: str, keys_directory: str, order: str) -> None:
    keys = Keys.load(*(Path(keys_directory) / f"{name}.key" for name in ("data", "lookup", "seal")))
    numbers = list(range(30))[:: int(order)]
    with Ledger.open(url, keys, "rehearsal") as ledger:
        intake = make_intake(ledger, keys)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        one_by_one = [intake.submit("library", person(n), evidence="e") for n in numbers]
        many = intake.submit_many("library", (person(n + 100) for n in numbers), evidence="e")
    sys.stdout.write(f"{sum(not receipt.repeated for receipt in one_by_one) + many.accepted}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
