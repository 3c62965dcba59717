"""`lettershop watchdog`: looks whether the house does its work, and tells operators where it does not."""

import signal
import threading
from typing import Annotated

import typer

from worker.cli.frame import frame_of


def watchdog(
    context: typer.Context,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", help="How often it looks.", min=1, max=3600)
    ] = 30.0,
) -> None:
    """Watch, and tell operators by mail, until it is told to stop.

    In the foreground, until SIGTERM or Ctrl-C. Any number may run, on any machines: each alarm is told once.
    """
    home = frame_of(context).home()
    from worker import logs
    from worker.operations.watchdog import keep_looking
    from worker.wiring.watchdog import open_watchdog

    logs.set_up(home.settings.log.format, "watchdog")
    watching = open_watchdog(home, every)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logs.part("watchdog").info("the watchdog looks every %g s", every)
    try:
        keep_looking(watching, stop)
    finally:
        watching.close()
