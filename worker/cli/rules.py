"""`lettershop rules check`: do the reply rules read every reply, and each its own examples."""

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.domain.errors import BadInput

app = typer.Typer(help="How a relay's replies are read.")


@app.callback()
def _group() -> None:
    """How a relay's replies are read."""


@app.command("check")
def check(context: typer.Context, json: JsonOption = False) -> None:
    """Check config/reply-rules.toml.

    No reply without a verdict, every example read by its own rule.
    """
    from worker.delivery import check_rules, load_rules

    rules = load_rules(frame_of(context).home().rules_text)
    problems = check_rules(rules)
    if json:
        say.as_json({"ok": not problems, "rules": len(rules.rules), "problems": problems})
    else:
        for problem in problems:
            say.styled(f"[bold red]error[/] [cyan]config/reply-rules.toml[/]: {say.plain(problem)}")
        if not problems:
            say.line(
                f"{say.number(len(rules.rules), 'rule')}: every reply has a verdict, every example is read by its rule"
            )
    if problems:
        raise typer.Exit(BadInput.exit_status)
