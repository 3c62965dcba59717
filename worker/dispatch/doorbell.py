"""The Celery app and its messages: names, queues, and how one rings."""

import contextlib
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from worker.settings import Home
from worker.wiring.servers import broker_url

ROUNDS, EXPRESS = "rounds", "express"
"""The queues. A worker listens to both, an express worker to the second alone: ticks and mail to signers."""

TICK_S = 5.0
RING_S = 0.2
ROUND, STAGE, RESCUE, FOLD, PLAN = (f"lettershop.{name}" for name in ("round", "stage", "rescue", "fold", "plan"))


def make_app(home: Home, *, patience_s: float | None = None) -> Celery:
    """The app of a home. Dials nothing. `patience_s` bounds each network step of a producer."""
    transport: dict[str, Any] = {"visibility_timeout": 3600, "socket_keepalive": True, "health_check_interval": 25}
    if patience_s is not None:
        transport |= {"socket_timeout": patience_s, "socket_connect_timeout": patience_s, "max_retries": 0}
    app = Celery("lettershop", broker=broker_url(home), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        beat_schedule={
            name: {"task": task, "schedule": every, "options": {"queue": EXPRESS, "expires": TICK_S}}
            for name, task, every in (
                ("stage", STAGE, TICK_S),
                ("rescue", RESCUE, TICK_S),
                ("plan", PLAN, TICK_S),
                ("fold", FOLD, 60.0),
            )
        },
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=patience_s or 10.0,
        broker_transport_options=transport,
        task_acks_late=False,
        task_create_missing_queues=True,
        task_default_queue=ROUNDS,
        task_ignore_result=True,
        task_serializer="json",
        timezone="UTC",
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
    )
    return app


def ask_for_round(app: Celery, *, express: bool) -> None:
    """Ring for one round: in a lane of mail to signers, or in any."""
    app.send_task(ROUND, kwargs={"express": express}, queue=EXPRESS if express else ROUNDS, expires=TICK_S, retry=False)


def ring(home: Home) -> Callable[[], None]:
    """A producer's wake-up: asks that somebody looks now. Bounded in time, and a broker that is away costs nothing else."""
    app = make_app(home, patience_s=RING_S)

    def wake() -> None:
        with contextlib.suppress(OperationalError, OSError):
            app.send_task(STAGE, queue=EXPRESS, expires=TICK_S, retry=False)

    return wake
