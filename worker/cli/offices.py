"""`lettershop offices ...`: the register of addressees, looked at here and changed in `offices_change`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import offices_change, say
from worker.cli.frame import Frame, JsonOption, frame_of
from worker.cli.say import Column
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from datetime import datetime

    from worker.operations.checks.finding import Finding
    from worker.settings import Home

app = typer.Typer(help="The register of offices.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The office's id.", show_default=False)]


@app.callback()
def _group() -> None:
    """The register of offices."""


@app.command("list")
def list_(
    context: typer.Context,
    tag: Annotated[str, typer.Option(help="Only those with this tag.", show_default=False)] = "",
    json: JsonOption = False,
) -> None:
    """List the offices, who is named in their letters today, and how many letters are not sent yet."""
    from worker.operations.register import listed

    frame = frame_of(context)
    home = frame.home()
    rows = listed(home, _unsent(frame, home), _now(), tag)
    if json:
        say.as_json({"offices": rows})
        return
    columns = [
        Column("office", give=True),
        Column("title", give=True),
        Column("organisation", give=True),
        Column("holder", give=True),
        Column("lane", give=True),
        Column("accepts"),
        Column("unsent", "right"),
    ]
    say.table(columns, [_cells(row) for row in rows])
    for row in rows:
        if not row["accepts_letters"]:
            say.note(f"{row['id']} asked not to be written to ({row['refusal']})")
    if not rows:
        say.note(f"no office has the tag {tag!r}")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    accepts = "no" if not row["accepts_letters"] else "waits" if row["waits"] else "yes"
    named = (row["id"], row["title"], row["organisation"], row["holder"], row["lane"])
    return (*named, accepts, f"{row['unsent']:,}")


@app.command("show")
def show(context: typer.Context, office: _Id, json: JsonOption = False) -> None:
    """Show one office: its holders, how it is greeted today, its mailbox and limits, and what is amiss."""
    from worker.operations.register import known, shown

    frame = frame_of(context)
    home = frame.home()
    found = shown(home, known(home.offices, office), _unsent(frame, home), _now())
    if json:
        say.as_json(found)
    else:
        _print(found)


def _print(found: Mapping[str, Any]) -> None:
    say.styled(f"[bold]{found['id']}[/]: {say.plain(found['title'])}, {say.plain(found['organisation'])}")
    if not found["accepts_letters"]:
        say.field("declined", f"it asked not to be written to ({found['refusal']})")
    for each in found["holders"]:
        say.field("holder", _holder(each))
    waits = f"; {found['waits']}, so its letters wait" if found["waits"] else ""
    say.field("today", f"{found['holder']}{waits}")
    say.field("policy", f"while vacant: {found['vacancy']}; while long unverified: {found['stale']}")
    for each in found["greetings"]:
        used = " (its letters' language)" if each["used"] else ""
        say.field("greeted", f"{each['language']}{used}: {each['named'] or 'nobody named'}; {each['salutation']}")
    origin = ", ".join(filter(None, (found["source"], found["as_of"])))
    say.field("mailbox", found["mailbox"] + (f" ({origin})" if origin else ""))
    say.field("limits", found["limits"])
    say.field("hours", f"{found['hours']}, {found['time_zone']}; holidays of {found['holidays'] or 'no country'}")
    say.field("written by", ", ".join(found["campaigns"]) or "no campaign")
    say.field("tags", ", ".join(found["tags"]) or "none")
    say.field("unsent", say.number(found["unsent"], "letter"))
    for each in found["warnings"]:
        say.field("amiss", each)


def _holder(each: Mapping[str, Any]) -> str:
    span = f"{each['from'] or '...'} to {each['until'] or '...'}"
    verified = f"verified {each['verified']}" if each["verified"] else "never verified"
    name = " ".join(filter(None, (each["form"], each["name"])))
    greeted = f', "{each["salutation"]}"' if each["salutation"] else ""
    return f"{name}{greeted}: {span}, {verified}"


@app.command("check")
def check(
    context: typer.Context,
    office: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Only these.", show_default=False)
    ] = None,
    dns: Annotated[bool, typer.Option("--dns", help="Ask the DNS for each domain's mail servers.")] = False,
    json: JsonOption = False,
) -> None:
    """Check offices: holders verified within a year, vacancies, placeholders, mail servers, requests not to write."""
    from worker.operations.register import known, look

    home = frame_of(context).home()
    for name in office or ():
        known(home.offices, name)
    names = list(dict.fromkeys(office or home.offices))
    findings = look(home, names, _now(), ask_dns=dns)
    bad = any(finding.level == "error" for finding in findings)
    if json:
        told = [{"level": f.level, "place": f.place, "message": f.message} for f in findings]
        say.as_json({"ok": not bad, "findings": told})
    else:
        _print_findings(findings, len(names))
    if bad:
        raise typer.Exit(BadInput.exit_status)


def _print_findings(findings: Sequence["Finding"], looked_at: int) -> None:
    for finding in findings:
        colour = "red" if finding.level == "error" else "yellow"
        place = say.plain(finding.place)
        say.styled(f"[bold {colour}]{finding.level}[/] [cyan]{place}[/]: {say.plain(finding.message)}")
    say.line(f"{say.number(looked_at, 'office')} looked at, {say.number(len(findings), 'finding')}")


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output if none.", show_default=False)] = None,
    csv: Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet.")] = False,
    toml: Annotated[bool, typer.Option("--toml", help="The register as it stands.")] = False,
) -> None:
    """Write the register out.

    As it stands, or as a table (also where FILE ends in .csv), with the holder in office today.
    """
    from worker.operations.register import as_csv, read_register, write_new

    if csv and toml:
        raise BadInput("say --csv or --toml, not both")
    home = frame_of(context).home()
    register = read_register(home.root)
    wants_csv = csv or (not toml and file is not None and file.suffix.lower() == ".csv")
    text = as_csv(register, home.offices, _now()) if wants_csv else register.document.text
    if file is None:
        typer.echo(text, nl=False)
        return
    write_new(file, text)
    say.line(f"{say.number(len(home.offices), 'office')} written to {file}")


def _unsent(frame: Frame, home: "Home") -> Mapping[str, int]:
    from worker.ledger.suppression import unsent

    with frame.ledger(home) as ledger, ledger.read() as connection:
        return unsent(connection)


def _now() -> "datetime":
    from worker.domain.clock import SystemClock

    return SystemClock().now()


for _name, _verb in offices_change.VERBS.items():
    app.command(_name)(_verb)
