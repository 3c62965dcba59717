"""`lettershop worker` and `lettershop beat`: the processes of a fleet, each until it is told to stop."""

import os
from typing import Annotated

import typer

from worker.cli.frame import frame_of
from worker.domain.errors import BadInput


def worker(
    context: typer.Context,
    express: Annotated[
        bool, typer.Option("--express", help="Only ticks and mail to signers, on slots of its own.")
    ] = False,
    core: Annotated[
        int | None,
        typer.Option("--core", metavar="N", help="Stay on this processor core: for one worker on each (Linux)."),
    ] = None,
) -> None:
    """Run a worker until it is told to stop.

    In the foreground, until SIGTERM or Ctrl-C; letters under way end in order.
    """
    home = frame_of(context).home()
    from worker.dispatch import run_worker

    if core is not None:
        _stay_on(core)
    raise typer.Exit(run_worker(home, express=express))


def beat(context: typer.Context) -> None:
    """Run beat until it is told to stop.

    Any number may run, or none: workers tick by themselves too.
    """
    home = frame_of(context).home()
    from worker.dispatch import run_beat

    raise typer.Exit(run_beat(home))


def _stay_on(core: int) -> None:
    """Python runs on one core at a time: threads that hand over to each other between cores cost a sixth of the rate."""
    if not hasattr(os, "sched_setaffinity"):
        raise BadInput("--core is known on Linux only: leave it out")
    usable = sorted(os.sched_getaffinity(0))
    if core not in usable:
        raise BadInput(f"--core {core}: this process may use {', '.join(map(str, usable))}")
    os.sched_setaffinity(0, {core})
