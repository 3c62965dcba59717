"""`lettershop letters list|show`: letters one by one, and one letter's whole story."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.drawn import bar
from worker.cli.frame import Frame, JsonOption, frame_of, who
from worker.cli.say import Column
from worker.domain.errors import BadInput, Failed
from worker.domain.states import WAITING

if TYPE_CHECKING:
    from worker.ledger.book import Ledger
    from worker.operations.rebuild import Rebuilt

app = typer.Typer(help="Letters one by one.")
_WIDE = 100
_LONGEST_LINE = 1_000


@app.callback()
def _group() -> None:
    """Letters one by one."""


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str, typer.Option(help='Like "queued" or "sent"; several with commas.', show_default=False)] = "",
    office: Annotated[str, typer.Option(help="The office's id.", show_default=False)] = "",
    campaign: Annotated[str, typer.Option(help="The campaign's slug.", show_default=False)] = "",
    sendout: Annotated[str, typer.Option(help='Like "signing", "anniversary-2027".', show_default=False)] = "",
    signature: Annotated[int | None, typer.Option(help="The signature's number.", show_default=False)] = None,
    older: Annotated[str, typer.Option(help='Made longer ago than "2 h".', show_default=False)] = "",
    newer: Annotated[str, typer.Option(help='Made within the last "2 h".', show_default=False)] = "",
    code: Annotated[str, typer.Option(help='Of the last reply: "450", "4xx", "5.1.1".', show_default=False)] = "",
    due: Annotated[
        str, typer.Option(help='Due "now"; for "20-40" minutes, or "1280-" and more.', show_default=False)
    ] = "",
    signer: Annotated[
        bool, typer.Option("--signer", help="Of one address, asked for or read from standard input; needs --reason.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="With --signer: why; it stands in the audit.", show_default=False)
    ] = "",
    after: Annotated[int, typer.Option(help="Begin behind this letter: the next page.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Letters on a page.")] = 50,
    json: JsonOption = False,
) -> None:
    """List letters, a page at a time."""
    from worker.operations.letters import Filter, due_span, find_letters

    if signer != bool(reason):
        raise BadInput("--signer and --reason belong together: that somebody looked stands in the audit")
    frame = frame_of(context)
    home = frame.home()
    with frame.ledger(home) as ledger:
        wanted = Filter(
            state,
            office,
            campaign,
            signature,
            after,
            sendout=sendout,
            code=code,
            older_us=_before(ledger, older, "--older"),
            newer_us=_before(ledger, newer, "--newer"),
            signatures=_of_signer(frame, ledger, reason) if signer else None,
            due_us=due_span(due, ledger.now_us()) if due else None,
        )
        found = find_letters(ledger, home, wanted, limit + 1)
    page, following = say.paged(found, limit, "id")
    if json:
        say.as_json({"letters": page, "next_after": following})
        return
    wide = not say.on_terminal() or say.console().width >= _WIDE
    columns = [
        Column("letter", "right"),
        Column("state"),
        Column("office", give=True),
        Column("tries", "right"),
        Column("due or ended"),
        Column("reason", give=True),
    ]
    say.table(columns if wide else columns[:-1], [_row(each)[: len(columns) if wide else -1] for each in page])
    if not page:
        say.note("no letter fits")
    elif following:
        say.note(f"there are more: add --after {following}")


def _row(letter: Mapping[str, Any]) -> tuple[str, ...]:
    when = letter["ended_at"] or letter["due_at"]
    return (
        str(letter["id"]),
        letter["state"],
        letter["office"],
        str(letter["attempts"]),
        say.moment(when) if say.on_terminal() else when or "-",
        letter["reason"] or "-",
    )


def _before(ledger: "Ledger", length: str, name: str) -> int | None:
    """The moment so long ago, by the ledger's clock."""
    if not length:
        return None
    from datetime import timedelta

    from worker.domain.duration import parse_duration

    try:
        return ledger.now_us() - parse_duration(length) // timedelta(microseconds=1)
    except ValueError as exc:
        raise BadInput(f"{name}: {exc}") from exc


def _of_signer(frame: Frame, ledger: "Ledger", reason: str) -> tuple[int, ...]:
    """The signatures of one address, which never stands on a command line."""
    from worker.operations.letters import signatures_of

    if sys.stdin.isatty():
        text: str = typer.prompt("Address", err=True)
    else:
        text = sys.stdin.readline(_LONGEST_LINE).strip()
    if not text:
        raise BadInput("no address came on standard input")
    with frame.intake(frame.home()) as intake:
        key = ledger.keys.address_key(intake.canonical(text))
    return signatures_of(ledger, key, who(), reason)


@app.command("show")
def show(
    context: typer.Context,
    letter: Annotated[int, typer.Argument(help="The letter's number.", show_default=False)],
    eml: Annotated[
        bool, typer.Option("--eml", help="Rebuild the message as it was sent, and compare it with its hash.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option(help="With --eml: of this attempt instead of the last.", show_default=False)
    ] = None,
    reason: Annotated[
        str, typer.Option(help="With --eml: why you must see it. It stands in the audit.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show one letter's whole story.

    Where it stands, why it waits, every attempt with its reply. With --eml: the message itself, rebuilt from what was
    recorded and compared with the recorded hash.
    """
    from worker.cli.why import look
    from worker.operations.letters import show_letter

    home = frame_of(context).home()
    if eml:
        if not reason:
            raise BadInput("--eml shows a signer's data: say why you must see it, with --reason")
        _eml(context, letter, attempt, reason, json=json)
        return
    with frame_of(context).ledger(home) as ledger:
        found = show_letter(ledger, home, letter, look(home, ledger))
    if json:
        say.as_json(found)
    else:
        _print(found)


def _eml(context: typer.Context, letter: int, attempt: int | None, reason: str, *, json: bool) -> None:
    from worker.operations.rebuild import show_message
    from worker.wiring.home import hot_database

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger, hot_database(home) as database:
        made = show_message(ledger, database, letter, attempt, who(), reason)
    if json:
        say.as_json(_rebuilt(made))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(made.data)
        sys.stdout.buffer.flush()
    if not made.same:
        raise Failed(
            f"letter {letter}: this is not what attempt {made.attempt} sent: its recorded hash is {made.recorded_hash},"
            f" and this message's is {made.hash}"
        )
    say.note(f"byte for byte the message of attempt {made.attempt} (hash {made.hash})")


def _rebuilt(made: "Rebuilt") -> dict[str, Any]:
    return {
        "letter": made.letter,
        "attempt": made.attempt,
        "same": made.same,
        "recorded_hash": made.recorded_hash,
        "hash": made.hash,
        "message": made.data.decode("utf-8", "surrogateescape"),
    }


# -- the story ---------------------------------------------------------------------------------------------------------
def _print(found: Mapping[str, Any]) -> None:
    say.styled(
        f"letter [bold]{found['id']}[/] is [bold]{found['state']}[/]"
        + (f" ({say.plain(found['reason'])})" if found["reason"] else "")
    )
    say.field("why", found["why"])
    say.field("for", f"{found['office']}, in lane {found['lane']}")
    say.field("signed in", f"{found['campaign']}, signature {found['signature']}, send-out {found['sendout']}")
    for name, key in (("due", "due_at"), ("ended", "ended_at")):
        if found[key]:
            say.field(name, found[key])
    for reason in found["chain"] if found["state"] in WAITING else ():
        until = f", until {reason['until']}" if reason["until"] else ""
        say.field("waits", reason["text"] + until + (f" → {reason['mend']}" if reason["mend"] else ""))
    say.line()
    tries = {attempt["number"]: attempt for attempt in found["attempts_made"]}
    longest = max((ms for attempt in tries.values() for ms in attempt["steps_ms"].values()), default=0.0)
    for event in found["timeline"]:
        attempt = tries.get(event["attempt"])
        if attempt is not None:
            _attempt(attempt, longest)
        else:
            say.styled(f"  {event['at'] or ''}  [bold]{event['what']}[/]  {say.plain(event['text'])}")


_COLOURS = {"accept": "green", "defer": "yellow", "refuse": "red", "set_aside": "yellow", "lose": "red"}
_BAR = 24


def _attempt(attempt: Mapping[str, Any], longest_ms: float) -> None:
    colour = _COLOURS.get(attempt["verdict"] or "", "default")
    when = attempt["ended_at"] or attempt["started_at"] or ""
    verdict = attempt["verdict"] or "no reply recorded yet"
    say.styled(
        f"  {when}  [bold]attempt {attempt['number']}[/]  relay {say.plain(attempt['relay'])}, round {attempt['round']}"
        f"  [{colour}]{verdict}[/]"
    )
    if attempt["verdict"]:
        reply = " ".join(filter(None, (str(attempt["code"] or ""), attempt["enhanced"], attempt["text"])))
        say.field(f"at {attempt['stage']}", reply or "(the relay said nothing)")
        say.field("read by", f"rule {attempt['rule']}, scope {attempt['scope']}")
    _steps(attempt["steps_ms"], longest_ms)
    if attempt["hash"]:
        say.field("hash", attempt["hash"])


def _steps(steps_ms: Mapping[str, float], longest_ms: float) -> None:
    """How long each step of the dialogue took; on a terminal each with a bar, as long as its share of the longest."""
    if not say.on_terminal():
        if steps_ms:
            say.field("took", ", ".join(f"{step} {ms:g} ms" for step, ms in steps_ms.items()))
        return
    for step, ms in steps_ms.items():
        drawn = bar(ms / longest_ms if longest_ms else 0.0, _BAR)
        say.styled(f"    [dim]{step:<9}[/] {ms:>9,.1f} ms  [cyan]{drawn}[/]")
