"""`lettershop limits`: the limits on one office's letters, where each is set, how much is used, when it opens."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.cli.say import Column

_WHAT = {
    "mailbox": "its mailbox",
    "mailbox-day": "its mailbox",
    "domain": "its mail domain",
    "campaign-office": "the campaign",
    "relay": "relay",
    "relay-day": "relay",
}


def limits(
    context: typer.Context,
    office: Annotated[str, typer.Option(help="The office's id.", show_default=False)],
    json: JsonOption = False,
) -> None:
    """Show the limits in force for an office, and which line of the config sets each.

    How much of each is used now, and when one that is used up opens again.
    """
    import os

    from worker.operations.limits_view import limits_of_office
    from worker.wiring.plan import open_gauge

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        found = limits_of_office(home, ledger, open_gauge(home, ledger), office, os.environ)
    if json:
        say.as_json(found)
        return
    say.styled(
        f"[bold]{found['office']}[/]  {say.plain(found['mailbox'])}  {say.plain(found['hours'])} ({found['time_zone']})"
    )
    if found["shares_mailbox_with"]:
        say.field("shares", f"its mailbox and these limits with {', '.join(found['shares_mailbox_with'])}")
    say.field("at once", f"{say.number(found['connections'], 'connection')} to its mailbox")
    columns = [
        Column("on"),
        Column("limit", "right"),
        Column("used", "right"),
        Column("opens (UTC)"),
        Column("set by", wrap=True),
    ]
    say.table(columns, [_row(each) for each in found["limits"]])
    if not found["pacing"]:
        say.note("pacing does not answer, so nobody can tell what is used: `lettershop status` says why")


def _row(limit: Mapping[str, Any]) -> tuple[str, ...]:
    name = _WHAT[limit["scope"]]
    if limit["scope"].startswith("relay"):
        name = f"relay {limit['key'].partition(':')[2]}"
    elif limit["scope"] == "campaign-office":
        name = f"campaign {limit['key'].split(':')[1]}"
    elif limit["scope"] == "domain":
        name = f"domain {limit['key'].partition(':')[2]}"
    used = "?" if limit["used"] is None else f"{limit['used']:,}"
    return name, limit["rate"], used, say.moment(limit["opens_at"])[:16], limit["set_by"]
