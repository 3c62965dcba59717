"""`lettershop users add|list|disable|enable|role|password`: who may log in to the pages under /ops."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who
from worker.cli.say import Column
from worker.domain.errors import BadInput

app = typer.Typer(help="Who may log in to the pages for operators.")
_LONGEST_FILE = 4_096

_Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]
_Role = Annotated[str, typer.Option("--role", help="viewer, operator or admin.", show_default=False)]
_PasswordFile = Annotated[
    str,
    typer.Option(
        "--password-file", metavar="FILE",
        help='A file whose first line is the password; "-" for standard input. Else it is asked for.', show_default=False,
    ),
]  # fmt: skip


@app.callback()
def _group() -> None:
    """Who may log in to the pages for operators."""


@app.command("add")
def add(
    context: typer.Context, name: _Name, role: _Role, reason: ReasonOption, password_file: _PasswordFile = ""
) -> None:
    """Make a user, who may log in at once.

    viewer: sees everything; operator: acts, too; admin: also says who may log in. The password is asked for twice, or read
    from a file; it is never an argument, which others on the machine could see.
    """
    from worker.operations import users

    with frame_of(context).ledger() as ledger:
        users.add(ledger, name, role, _password(password_file), users.By(who(), reason))
    say.line(f"user {name} may log in, as {role}")


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """List all users."""
    from worker.operations.users import listing

    with frame_of(context).ledger() as ledger:
        found = listing(ledger)
    if json:
        say.as_json({"users": found})
        return
    say.table([Column("user"), Column("role"), Column("state"), Column("made")], [_row(each) for each in found])
    if not found:
        say.note("there is no user yet, so the pages under /ops are off: `lettershop users add` makes one")


def _row(user: dict[str, Any]) -> tuple[str, ...]:
    made = say.moment(user["made_at"]) if say.on_terminal() else user["made_at"]
    return user["name"], user["role"], user["state"], made


@app.command("disable")
def disable(context: typer.Context, name: _Name, reason: ReasonOption) -> None:
    """Let a user log in no more, and log them out."""
    from worker.operations import users

    with frame_of(context).ledger() as ledger:
        ended = users.disable(ledger, name, users.By(who(), reason))
    say.line(f"user {name} can log in no more; {say.number(ended, 'session')} ended")


@app.command("enable")
def enable(context: typer.Context, name: _Name, reason: ReasonOption) -> None:
    """Let a disabled user log in again."""
    from worker.operations import users

    with frame_of(context).ledger() as ledger:
        users.enable(ledger, name, users.By(who(), reason))
    say.line(f"user {name} can log in again")


@app.command("role")
def role(
    context: typer.Context,
    name: _Name,
    role: Annotated[str, typer.Argument(help="viewer, operator or admin.", show_default=False)],
    reason: ReasonOption,
) -> None:
    """Give a user another role; they log in anew."""
    from worker.operations import users

    with frame_of(context).ledger() as ledger:
        users.set_role(ledger, name, role, users.By(who(), reason))
    say.line(f"user {name} is {role} now")


@app.command("password")
def password(context: typer.Context, name: _Name, reason: ReasonOption, password_file: _PasswordFile = "") -> None:
    """Give a user another password, and log them out. Waits after failed logins end, too."""
    from worker.operations import users

    with frame_of(context).ledger() as ledger:
        ended = users.set_password(ledger, name, _password(password_file), users.By(who(), reason))
    say.line(f"user {name} has another password; {say.number(ended, 'session')} ended")


# -- the password --------------------------------------------------------------------------------------------------------
def _password(file: str) -> str:
    """From the file, or asked for twice. Raises BadInput."""
    if file == "-":
        return _line(sys.stdin.buffer.read(_LONGEST_FILE + 1), "standard input")
    if file:
        return _line(_beginning(Path(file)), file)
    if not sys.stdin.isatty():
        raise BadInput("there is no terminal to ask for the password: give --password-file FILE, or - and pipe it in")
    from getpass import getpass

    first = getpass("Password: ")
    if first != getpass("Password again: "):
        raise BadInput("the two passwords are not the same: nothing was changed")
    return first


def _beginning(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(_LONGEST_FILE + 1)


def _line(data: bytes, where: str) -> str:
    if len(data) > _LONGEST_FILE:
        raise BadInput(f"{where} holds more than {_LONGEST_FILE} bytes: a password is one line")
    try:
        first, *rest = data.decode().splitlines() or [""]
    except UnicodeDecodeError as exc:
        raise BadInput(f"{where} cannot be read: write the password as UTF-8") from exc
    if any(rest):
        raise BadInput(f"{where} holds more than one line: a password is one line")
    return first
