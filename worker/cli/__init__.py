"""The command line: `lettershop VERB`. One file for each verb or small group of verbs; `docs/cli.md` is its manual.

Exit statuses: 0 done, 1 something failed, 2 usage or bad input, 3 refused by state, 130 stopped by Ctrl-C. Results go to
standard output (rich on a terminal, plain lines in a pipe, JSON with `--json`), one line of trouble to standard error.
Slow libraries are imported inside the verbs, so that help and completion are there at once.
"""

import sys


def main() -> None:
    """The console entry `lettershop`."""
    from worker.cli.app import run

    sys.exit(run(sys.argv[1:]))
