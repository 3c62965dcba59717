"""Runs the baseline: fills the queue, then starts the worker and watches the sink."""

import os
import sys
import time
from pathlib import Path

from bench.measure import Run, measured
from bench.sink import open_sink
from worker.embedded.server import RedisServer


def run_baseline(letters: int, concurrency: int, folder: Path, *, keep: bool, own_sink: bool) -> Run:
    """`letters` through a prefork worker of `concurrency` processes; a new or a kept connection per process."""
    with RedisServer(folder / "redis") as server, open_sink(own=own_sink) as sink:
        environment = os.environ | {
            "BASELINE_BROKER": server.broker_url,
            "BASELINE_PORT": str(sink.port),
            "BASELINE_KEEP": str(int(keep)),
        }
        began = time.monotonic()
        _fill(server.broker_url, letters)
        enqueued = time.monotonic() - began
        worker = [sys.executable, "-m", "celery", "-A", "bench.baseline.tasks", "worker", "-c", str(concurrency)]
        return measured(
            f"{'kept' if keep else 'new'} connection, prefork -c {concurrency}, {sink.name}",
            [([*worker, "-l", "warning"], environment)],
            folder / "worker.log",
            sink,
            letters,
            enqueued,
            server.pid or 0,
        )


def _fill(broker: str, letters: int) -> None:
    """One message a letter, over one connection: what is commonly done to send many."""
    from bench.baseline.tasks import OFFICES, app, send_letter

    app.conf.broker_url = broker
    with app.connection_for_write(broker) as connection, app.amqp.Producer(connection) as producer:
        for number in range(letters):
            signer = {
                "name": f"Sample Signer {number // OFFICES:05}",
                "country": "Ireland",
                "city": "Sampleton",
                "comment": "I ask you to read this letter with care." if number % 3 == 0 else "",
            }
            send_letter.apply_async((signer, number % OFFICES), producer=producer)
