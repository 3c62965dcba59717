"""The app: its verbs in the order of a campaign's life, and the one place where errors become lines and exit statuses."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import TyperException

from worker.cli import (
    acting,
    acts,
    audit,
    backup,
    checking,
    demo,
    forecast,
    holding,
    imports,
    init,
    keys,
    letters,
    limit,
    limits,
    migrate,
    offices,
    preview,
    processes,
    redirecting,
    relay,
    rules,
    say,
    sendouts,
    signatures,
    signing,
    status,
    up,
    users,
    watchdog,
    web,
    why,
    workers,
)
from worker.cli import importing as importing_verb
from worker.cli import ledger as ledger_verbs
from worker.cli.frame import Frame
from worker.domain.errors import BadInput, LettershopError

INTERRUPTED = 130
_MARKUP = "rich" if sys.stdout.isatty() else None  # rich costs a tenth of a second that a pipe need not pay
_START, _SIGN, _LOOK, _ACT, _KEEP = "Start here", "Signatures", "Look", "Step in", "Run and keep"


def run(argv: Sequence[str]) -> int:
    """Run one command line; the exit status."""
    try:
        result = make_app()(hoisted(argv), prog_name="lettershop", standalone_mode=False)
    except LettershopError as exc:
        say.trouble(str(exc))
        return exc.exit_status
    except TyperException as exc:
        say.trouble(_usage(exc))
        return exc.exit_code
    except typer.Abort:
        result = INTERRUPTED
    except OverflowError:  # SQLite's driver says so of a number beyond 2^63
        say.trouble("a number is too large: nothing has such a number")
        return BadInput.exit_status
    except OSError as exc:
        place = f"{exc.filename}: " if exc.filename else ""
        say.trouble(f"{place}{exc.strerror or type(exc).__name__}")
        return 1
    if result == INTERRUPTED:  # Typer makes it of a Ctrl-C
        say.trouble("stopped")
    return result if isinstance(result, int) else 0


def hoisted(argv: Sequence[str]) -> list[str]:
    """`--home DIR` may stand behind the verb too: it is moved to the front, where the parser wants it."""
    words, front = list(argv), []
    end = words.index("--") if "--" in words else len(words)
    place = 0
    while place < end:
        if words[place] == "--home" and place + 1 < end:
            front += [words.pop(place), words.pop(place)]
            end -= 2
        elif words[place].startswith("--home="):
            front.append(words.pop(place))
            end -= 1
        else:
            place += 1
    return front + words


def _usage(exc: TyperException) -> str:
    context: Any = getattr(exc, "ctx", None)
    verb = context.command_path if context is not None else "lettershop"
    return f"{exc.format_message().rstrip('.')} (see `{verb} --help`)"


def make_app() -> typer.Typer:
    """The app with all its verbs."""
    app = typer.Typer(
        name="lettershop",
        help="Each signed letter reaches each office once, unaltered, and provably.",
        no_args_is_help=True,
        rich_markup_mode=_MARKUP,  # type: ignore[arg-type]
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_start)
    for panel, verbs in _VERBS.items():
        for name, verb in verbs.items():
            app.command(name, rich_help_panel=panel)(verb)
    for name, group, panel in (
        ("letters", letters.app, _LOOK),
        ("offices", offices.app, _LOOK),
        ("relay", relay.app, _LOOK),
        ("rules", rules.app, _LOOK),
        ("limit", limit.app, _ACT),
        ("workers", workers.app, _ACT),
        ("acts", acts.app, _ACT),
        ("sendouts", sendouts.app, _ACT),
        ("signatures", signatures.app, _ACT),
        ("imports", imports.app, _ACT),
        ("audit", audit.app, _LOOK),
        ("users", users.app, _KEEP),
        ("ledger", ledger_verbs.app, _KEEP),
        ("keys", keys.app, _KEEP),
    ):
        app.add_typer(group, name=name, rich_help_panel=panel, no_args_is_help=True)
    return app


_VERBS: dict[str, dict[str, Any]] = {
    _START: {"demo": demo.demo, "init": init.init, "check": checking.check, "up": up.up},
    _SIGN: {
        "preview": preview.preview,
        "sign": signing.sign,
        "confirm": signing.confirm,
        "import": importing_verb.import_,
        "withdraw": signing.withdraw,
        "erase": signing.erase,
    },
    _LOOK: {"status": status.status, "why": why.why, "forecast": forecast.forecast, "limits": limits.limits},
    _ACT: {
        "hold": holding.hold,
        "resume": holding.resume,
        "resolve": holding.resolve,
        **acting.VERBS,
        "redirect": redirecting.redirect,
        "suppress": redirecting.suppress,
        "unsuppress": redirecting.unsuppress,
        "undo": acting.undo,
    },
    _KEEP: {
        "migrate": migrate.migrate,
        "backup": backup.backup,
        "restore": backup.restore,
        "worker": processes.worker,
        "beat": processes.beat,
        "web": web.web,
        "watchdog": watchdog.watchdog,
    },
}


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say.line(f"lettershop {version('lettershop')}")
        raise typer.Exit


def _start(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="LETTERSHOP_HOME", help="The home: the directory with config/, templates/ and var/.")
    ] = Path(),
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    context.obj = Frame(home)
