"""`lettershop relay test`: one marked letter through the real relay, to the operator's own address."""

from typing import Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.domain.errors import Failed

app = typer.Typer(help="The relays of live mode.")


@app.callback()
def _group() -> None:
    """The relays of live mode."""


@app.command("test")
def try_out(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="Your own address; an office's is refused.", show_default=False)],
    relay: Annotated[str, typer.Option(help="Its name; without it the first one.", show_default=False)] = "",
    campaign: Annotated[str, typer.Option(help="Whose sender address; without it the first.", show_default=False)] = "",
    json: JsonOption = False,
) -> None:
    """Send one marked letter to yourself.

    Through a configured relay, in any mode, telling each step: what to do between rehearsal and live.
    """
    from worker.domain.clock import SystemClock
    from worker.operations.relay_test import choose_relay, choose_sender, own_address, try_relay
    from worker.wiring.relays import live_targets

    home = frame_of(context).home()
    target = choose_relay(live_targets(home), relay)
    sender, recipient = choose_sender(home, campaign), own_address(home, to)
    if not json:
        say.line(
            f"relay {target.name} at {target.host}:{target.port} ({target.security}): from {sender} to {recipient}"
        )
    tried = try_relay(home, target, sender, recipient, SystemClock().now())
    if json:
        say.as_json(tried.body())
    for step in () if json else tried.steps:
        say.styled(f"  {step.name:<9} [dim]{step.ms:>8.1f} ms[/]  {say.plain(step.said)}".rstrip())
    if not tried.accepted:
        raise Failed(f"relay {target.name}: {tried.trouble}")
    if not json:
        say.line("accepted: now look into the mailbox, and whether SPF and DKIM passed there")
