"""`lettershop keys create|list|rotate|revoke`: keys to the API for partners and programs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who
from worker.cli.say import Column
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.operations.api_keys import Fresh

app = typer.Typer(help="Keys to the API.")
_Name = Annotated[str, typer.Argument(help="The key's name, like that of its holder.", show_default=False)]


@app.callback()
def _group() -> None:
    """Keys to the API."""


@app.command("create")
def create(
    context: typer.Context,
    name: _Name,
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            help="sign, read, withdraw, metrics, ops:read or ops:act; may be given again.",
            show_default=False,
        ),
    ],
    campaign: Annotated[
        str, typer.Option(help="The only campaign that it is good for; else all of them.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Make a key, shown this once.

    Only its hash is kept. sign: create signatures, also ones confirmed elsewhere; read: see a signature's state;
    withdraw: end a signature.
    """
    from worker.operations.api_keys import create as create_key

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        fresh = create_key(ledger, name, scope, campaign, campaigns=home.campaigns, who=who())
    _show(fresh, json=json)


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """List the keys there ever were, without the keys themselves."""
    from worker.operations.api_keys import listing

    with frame_of(context).ledger() as ledger:
        found = listing(ledger)
    if json:
        say.as_json({"keys": found})
        return
    columns = [
        Column("key"), Column("state"), Column("scopes"), Column("campaign", give=True), Column("made"),
        Column("ends"), Column("last used, to the hour"),
    ]  # fmt: skip
    say.table(columns, [_row(each) for each in found])
    if not found:
        say.note("there is no key yet")


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    moments = (key["made_at"], key["expires_at"], key["used_at"])
    return (
        key["name"],
        key["state"],
        " ".join(key["scopes"]),
        key["campaign"] or "all",
        *(say.moment(each) if say.on_terminal() else each or "-" for each in moments),
    )


@app.command("rotate")
def rotate(
    context: typer.Context,
    name: _Name,
    reason: ReasonOption,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid beside the new one.")] = "24 h",
    json: JsonOption = False,
) -> None:
    """Make a new key in the place of an old one.

    Name, scopes and campaign stay. The old key ends after the overlap.
    """
    from worker.domain.duration import parse_duration
    from worker.operations.api_keys import rotate as rotate_key

    try:
        span = parse_duration(overlap)
    except ValueError as exc:
        raise BadInput(f"--overlap: {exc}") from exc
    with frame_of(context).ledger() as ledger:
        fresh = rotate_key(ledger, name, who=who(), reason=reason, overlap=span)
    _show(fresh, json=json)


@app.command("revoke")
def revoke(context: typer.Context, name: _Name, reason: ReasonOption, json: JsonOption = False) -> None:
    """End every key of this name at once."""
    from worker.operations.api_keys import revoke as revoke_key

    with frame_of(context).ledger() as ledger:
        ended = revoke_key(ledger, name, who=who(), reason=reason)
    if json:
        say.as_json({"name": name, "ended": ended})
    else:
        say.line(f"{say.number(ended, 'key')} of {name} ended")


def _show(fresh: "Fresh", *, json: bool) -> None:
    if json:
        say.as_json(fresh.body())
        return
    say.line(fresh.key)
    where = f"campaign {fresh.campaign}" if fresh.campaign else "all campaigns"
    say.note(f"key {fresh.name} may {', '.join(fresh.scopes)} in {where}; it is not shown again")
