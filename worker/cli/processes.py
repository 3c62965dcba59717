"""`lettershop worker` and `lettershop beat`: the processes of a fleet, each until it is told to stop."""

from typing import Annotated

import typer

from worker.cli.frame import frame_of


def worker(
    context: typer.Context,
    express: Annotated[
        bool, typer.Option("--express", help="Only ticks and mail to signers, on slots of its own.")
    ] = False,
) -> None:
    """Run a worker until it is told to stop.

    In the foreground, until SIGTERM or Ctrl-C; letters under way end in order.
    """
    home = frame_of(context).home()
    from worker.dispatch import run_worker

    raise typer.Exit(run_worker(home, express=express))


def beat(context: typer.Context) -> None:
    """Run beat until it is told to stop.

    Any number may run, or none: workers tick by themselves too.
    """
    home = frame_of(context).home()
    from worker.dispatch import run_beat

    raise typer.Exit(run_beat(home))
