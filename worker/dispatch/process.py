"""The processes that Celery makes: a worker and a beat, of one home."""

import gc
import logging
import signal
import socket
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.signals import worker_shutting_down

from worker import logs
from worker.dispatch.doorbell import EXPRESS, FOLD, PLAN, RESCUE, ROUND, ROUNDS, STAGE, ask_for_round, make_app
from worker.dispatch.engine import Engine
from worker.domain.errors import RefusedByState
from worker.intake import sync_register
from worker.rounds.house import Kind  # noqa: TC001 -- beside its siblings
from worker.settings import Home
from worker.wiring.home import open_ledger

_QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.redirected")


def run_worker(home: Home, *, express: bool = False) -> int:
    """Run a worker of `home` until it is told to stop (SIGTERM or SIGINT); the exit status.

    Raises RefusedByState, Failed or BadInput where the home is not ready. Rounds under way end in order.
    """
    _refuse_unready(home)
    logs.set_up_celery(home.settings.log.format, "express" if express else "worker")
    ledger = open_ledger(home)
    app = make_app(home)
    kinds: tuple[Kind, ...] = ("signers",) if express else ("signers", "office")
    queues = [EXPRESS] if express else [EXPRESS, ROUNDS]
    sync_register(ledger, home.offices)
    engine = Engine(
        home,
        ledger,
        kinds,
        lambda signers: ask_for_round(app, express=signers),
        listen=lambda on: _listen(worker, queues, on=on),
    )
    worker: Any = None
    engine.start()
    _register(app, engine)

    def drain(**_: Any) -> None:
        engine.drain()

    worker_shutting_down.connect(drain, weak=False)
    workers = home.settings.worker
    try:
        worker = app.Worker(
            hostname=f"{'express' if express else 'worker'}@{socket.gethostname()}",
            queues=queues,
            pool="threads",
            concurrency=workers.express_connections if express else workers.connections,
            loglevel=logging.INFO,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        _hush()
        gc.freeze()  # what is there now stays: going through it again and again would stop all rounds for 0.1 s at a time
        worker.start()
    finally:
        engine.close()
        ledger.close()
    return int(worker.exitcode or 0)


def run_beat(home: Home) -> int:
    """Run beat until it is told to stop. It keeps nothing: the workers tick by themselves too, and any number may run."""
    logs.set_up_celery(home.settings.log.format, "beat")
    app = make_app(home)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    beat = app.Beat(scheduler_cls="celery.beat:Scheduler", max_interval=5, loglevel=logging.INFO, quiet=True)
    _hush()
    beat.run()
    return 0


def _register(app: Celery, engine: Engine) -> None:
    app.task(engine.round, name=ROUND, typing=True)
    app.task(engine.stage, name=STAGE, typing=True)
    app.task(engine.rescue, name=RESCUE, typing=True)
    app.task(engine.fold, name=FOLD, typing=True)
    app.task(engine.plan, name=PLAN, typing=True)


def _listen(worker: Any, queues: Sequence[str], *, on: bool) -> None:
    """Take messages, or take none: a drained process must not swallow the rings that others wait for.

    A connection that Celery opens anew later keeps to it. Done by Celery's own thread, soon.
    """
    consumer = getattr(worker, "consumer", None)
    if consumer is not None:
        change = consumer.add_task_queue if on else consumer.cancel_task_queue
        for queue in queues:
            consumer.call_soon(change, queue)


def _refuse_unready(home: Home) -> None:
    """Live mode starts only if the check passes. Raises RefusedByState."""
    if home.settings.mode != "live":
        return
    from worker.operations.check import check

    report = check(home, live=True)
    if report.errors:
        first = report.errors[0]
        raise RefusedByState(f"live mode is refused; run `lettershop check --live`. The first finding: {first}")


def _hush() -> None:
    """One line a task is noise at a thousand rounds a minute."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
