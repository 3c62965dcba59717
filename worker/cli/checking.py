"""`lettershop check`: is the home fit to be used and, with `--live`, fit to write to real people."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.operations.check import Report


def check(
    context: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Apply what live mode demands.")] = False,
    dns: Annotated[bool, typer.Option("--dns", help="Ask the DNS for each domain's mail servers.")] = False,
    json: JsonOption = False,
) -> None:
    """Check everything that the home's files say.

    Settings, offices, campaigns, templates, reply rules and keys: every finding with its file and line.
    """
    try:
        home = frame_of(context).home()
    except BadInput as exc:
        if not json:
            raise
        findings = [{"level": "error", "place": "", "message": line} for line in str(exc).splitlines()]
        say.as_json({"ok": False, "findings": findings})
        raise typer.Exit(BadInput.exit_status) from exc
    from worker.operations.check import check as look

    report = look(home, live=live, ask_dns=dns)
    if json:
        say.as_json(report.body())
    else:
        _print(report, len(home.campaigns), len(home.offices))
    if not report.ok:
        raise typer.Exit(BadInput.exit_status)


def _print(report: "Report", campaigns: int, offices: int) -> None:
    for finding in report.findings:
        colour = "red" if finding.level == "error" else "yellow"
        place = say.plain(finding.place)
        say.styled(f"[bold {colour}]{finding.level}[/] [cyan]{place}[/]: {say.plain(finding.message)}")
    looked = f"{say.number(campaigns, 'campaign')} and {say.number(offices, 'office')} looked at"
    errors, warnings = len(report.errors), len(report.warnings)
    if report.ok:
        say.styled(f"[bold green]fit to use[/]: {looked}, {say.number(warnings, 'warning')}")
    else:
        say.styled(
            f"[bold red]not fit to use[/]: {say.number(errors, 'error')}, {say.number(warnings, 'warning')}; {looked}"
        )
