"""Our stack and a hand-written Celery one, in turn, in one run, on the same kind of sink. Prints one line of JSON.

    python bench/throughput.py [--letters N] [--quick] [--own-sink] [--details]

Both sides are filled through their bulk door first; then their workers start, and letters are counted at the sink from the
first accepted to the last. The baseline (`bench/baseline/`) is tried with a new and with a kept connection, each with -c 2,
4, 8 and 16, on a short run; ours with one and with two worker processes, each on a core of its own. The best of each
side then run in full, in turn, `--repeat` times, and the median of each side is told: other work on the machine hits both
alike.
`--quick`: fewer letters and fewer variants, to see that it works. `--ours`, `--baseline`: that side only.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.baseline.run import run_baseline
from bench.measure import Run
from bench.ours import OFFICES, run_ours

Trial = Callable[[int, Path], Run]
TARGET = 8.0


def main() -> int:
    """Run, print, and return 1 if ours is not `TARGET` times the baseline (only where both ran in full)."""
    options = _options()
    runs: list[Run] = []

    def run(trial: Trial, letters: int) -> Run:
        with tempfile.TemporaryDirectory(prefix="lettershop-bench-") as folder:
            done = trial(letters, Path(folder))
        runs.append(done)
        print(f"{done.rate:>8.0f}/s  {done.letters} letters  {done.variant}", file=sys.stderr)
        return done

    def best(trials: Sequence[Trial], few: int) -> Trial:
        rates = [run(trial, few).rate for trial in trials] if len(trials) > 1 else [0.0]
        return trials[rates.index(max(rates))]

    sides: list[tuple[Trial, int, list[Run]]] = []
    if options.baseline:
        sides.append((best(_baselines(options), options.letters // 20), options.letters // 8, []))
    if options.ours:
        sides.append((best(_ours(options), options.letters // 4), options.letters, []))
    for _ in range(1 if options.quick else options.repeat):
        for trial, letters, done in sides:
            done.append(run(trial, letters))
    medians = [sorted(done, key=lambda each: each.rate)[len(done) // 2] for _, _, done in sides]
    baseline = medians[0] if options.baseline else None
    ours = medians[-1] if options.ours else None
    line = _line(ours, baseline)
    if options.details:
        line["runs"] = [dataclasses.asdict(done) for done in runs]
    print(json.dumps(line))
    return int(not options.quick and line.get("ratio", TARGET) < TARGET)


def _baselines(options: argparse.Namespace) -> list[Trial]:
    modes = [(True, 4)] if options.quick else [(keep, c) for keep in (False, True) for c in (2, 4, 8, 16)]
    return [
        lambda letters, folder, keep=keep, c=c: run_baseline(  # type: ignore[misc]
            letters, c, folder, keep=keep, own_sink=options.own_sink
        )
        for keep, c in modes
    ]


def _ours(options: argparse.Namespace) -> list[Trial]:
    return [
        lambda letters, folder, n=n: run_ours(letters, n, folder, own_sink=options.own_sink)  # type: ignore[misc]
        for n in ((1,) if options.quick else (1, 2))
    ]


def _line(ours: Run | None, baseline: Run | None) -> dict[str, Any]:
    line: dict[str, Any] = {"bench": "throughput", "cores": os.cpu_count()}
    for prefix, run in (("", ours), ("baseline_", baseline)):
        if run:
            per_letter = {"cpu_ms_per_letter": round(1000 * run.cpu_s / run.letters, 3)}
            line |= {f"{prefix}{key}": value for key, value in (dataclasses.asdict(run) | per_letter).items()}
    if ours and baseline:
        line["ratio"] = round(ours.rate / baseline.rate, 2)
    return line


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--letters", type=int, default=40_000, help="of ours; the baseline gets an eighth")
    parser.add_argument("--quick", action="store_true", help="2,000 letters, one variant of each side")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each side; the median counts")
    parser.add_argument("--own-sink", action="store_true", help="do not use Postfix's smtp-sink")
    parser.add_argument("--details", action="store_true", help="put all runs into the line")
    parser.add_argument("--ours", action="store_true", help="ours only")
    parser.add_argument("--baseline", action="store_true", help="the baseline only")
    options = parser.parse_args()
    if options.quick:
        options.letters = min(options.letters, 2_000)
    if options.letters % (40 * OFFICES):
        parser.error(f"--letters must be a multiple of {40 * OFFICES}")
    if not (options.ours or options.baseline):
        options.ours = options.baseline = True
    return options


if __name__ == "__main__":
    sys.exit(main())
