"""CPU time and memory of process trees, and waiting for a count at the sink."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.sink import Sink, Tally

MIB = 1024 * 1024
PATIENCE_S = 60.0
Command = tuple[Sequence[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run.

    `rate`: letters a second at the sink, from the first to the last. CPU seconds are those of the workers (start-up left
    out) and of the broker. Memory is the sum of each worker process's peak, and the largest one.
    """

    variant: str
    letters: int
    distinct: int  # different Message-IDs, -1 if the sink cannot tell
    rate: float
    enqueue_s: float
    cpu_s: float
    broker_cpu_s: float
    peak_mib: float
    largest_mib: float


def measured(
    variant: str, workers: Sequence[Command], log: Path, sink: Sink, letters: int, enqueue_s: float, broker_pid: int
) -> Run:
    """Start the workers on what is queued already and watch the sink until `letters` have come."""
    with _running(workers, log) as processes:
        broker = trees([broker_pid])

        def alive() -> bool:
            return all(process.poll() is None for process in processes)

        _await_count(sink, 1, alive)
        everyone = trees(process.pid for process in processes)
        before, broker_before = cpu_seconds(everyone), cpu_seconds(broker)
        tally = _await_count(sink, letters, alive)
        everyone = trees(process.pid for process in processes)
        peaks = peaks_mib(everyone)
        return Run(
            variant=variant,
            letters=letters,
            distinct=tally.distinct,
            rate=round(tally.rate, 1),
            enqueue_s=round(enqueue_s, 2),
            cpu_s=round(cpu_seconds(everyone) - before, 2),
            broker_cpu_s=round(cpu_seconds(broker) - broker_before, 2),
            peak_mib=round(sum(peaks), 1),
            largest_mib=round(max(peaks), 1),
        )


def trees(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all their descendants."""
    roots = [psutil.Process(pid) for pid in pids]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of these processes, without what they had waited for."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def peaks_mib(processes: Iterable[psutil.Process]) -> list[float]:
    """The largest resident size that each process ever had (Linux: VmHWM; elsewhere: the present one)."""
    return [_peak(process) / MIB for process in processes]


def _peak(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return float(process.memory_info().rss)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return float(line.split()[1]) * 1024


def _await_count(sink: Sink, letters: int, alive: Callable[[], bool]) -> Tally:
    """The sink's tally once it has `letters`. Raises RuntimeError if a worker ends or nothing arrives for a minute."""
    before, since = -1, time.monotonic()
    while (tally := sink.tally()).count < letters:
        if tally.count != before:
            before, since = tally.count, time.monotonic()
        if not alive() or time.monotonic() - since > PATIENCE_S:
            raise RuntimeError(f"stuck at {tally.count} of {letters} letters")
        time.sleep(0.05)
    return tally


@contextlib.contextmanager
def _running(commands: Sequence[Command], log: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The commands as processes, stopped by SIGTERM afterwards. Shows the log's end if the body raises."""
    with log.open("ab") as sheet:
        started = [subprocess.Popen(argv, env=env, stdout=sheet, stderr=sheet) for argv, env in commands]
    try:
        yield started
    except BaseException:
        print("\n".join(log.read_text(errors="replace").splitlines()[-15:]), flush=True)
        raise
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            _see_off(process)


def _see_off(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(60)
        return
    for one in trees([process.pid]):
        one.kill()
    process.wait()
