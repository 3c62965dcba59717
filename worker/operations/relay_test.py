"""`relay test`: one marked letter through a real relay to the operator's own address, the step between rehearsal and live.

It speaks to the configured relay in any mode, tells every step, and touches neither ledger nor limits. An office's
mailbox is refused as its recipient. Tried once: what the relay says is the result.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from worker.delivery import Connection, Declined, Envelope, Target, Timeouts, Trouble
from worker.domain.clock import Clock, SystemClock
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.verdict import Reply
from worker.settings import Home, address

TIMEOUTS = Timeouts(connect=30, command=60, data=60, block=60, dot=120)
"""Somebody sits and waits."""

_OK = 2  # RFC 5321 section 4.2.1

_WORDS = """\
This is a test letter of lettershop. It was sent through the relay "{relay}" of the home
{home}

because an operator asked for it. No office was written to. If you can read this, the relay takes letters from
{sender}; look at this message's headers to see whether SPF and DKIM passed.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One reply: to what, its words, and the milliseconds since the reply before it."""

    name: str
    said: str
    ms: float


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. `trouble` is "" where the relay accepted the letter."""

    relay: str
    host: str
    sender: str
    recipient: str
    steps: tuple[Step, ...]
    trouble: str

    @property
    def accepted(self) -> bool:
        return not self.trouble

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "relay": self.relay,
            "host": self.host,
            "from": self.sender,
            "to": self.recipient,
            "accepted": self.accepted,
            "trouble": self.trouble,
            "steps": [{"step": step.name, "reply": step.said, "ms": step.ms} for step in self.steps],
        }


def choose_relay(targets: Mapping[str, Target], name: str) -> Target:
    """The relay of this name, or the first one. Raises BadInput."""
    if not targets:
        raise BadInput("no relay is configured: add a [[relays]] table to config/lettershop.toml")
    if not name:
        return next(iter(targets.values()))
    if name not in targets:
        raise BadInput(f"there is no relay {name!r}; there are: {', '.join(targets)}")
    return targets[name]


def choose_sender(home: Home, campaign: str) -> str:
    """The address that a campaign's letters come from: of the one named, or of the first."""
    slug = campaign or next(iter(home.campaigns))
    if slug not in home.campaigns:
        raise BadInput(f"there is no campaign {slug!r}; there are: {', '.join(sorted(home.campaigns))}")
    return home.campaigns[slug].sender.address


def own_address(home: Home, text: str) -> str:
    """The operator's address, checked. Raises BadInput for no address, RefusedByState for an office's mailbox."""
    try:
        to = address(text, allow_test_domains=home.settings.allow_test_domains)
    except ValueError as exc:
        raise BadInput(f"--to: {exc}") from exc
    if not to.isascii():
        raise BadInput("--to: give an address whose part before the @ is ASCII")
    taken = [office.id for office in home.offices.values() if office.mailbox.lower() == to.lower()]
    if taken:
        raise RefusedByState(f"{to} is the mailbox of office {taken[0]}: a test letter goes to your own address")
    return to


def try_relay(home: Home, target: Target, sender: str, to: str, now: datetime, timeouts: Timeouts = TIMEOUTS) -> Tried:
    """Send the one letter. Never raises for what the relay does."""
    message = _message(home, target, sender, to, now)
    return asyncio.run(_Try(target, sender, to).run(message, timeouts))


def _message(home: Home, target: Target, sender: str, to: str, now: datetime) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(now)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = f"[test] lettershop through the relay {target.name}"
    message["Message-ID"] = f"<test.{now:%Y%m%d%H%M%S%f}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Lettershop-Test"] = "yes"
    words = _WORDS.format(relay=target.name, home=home.root, sender=sender)
    message.set_content(words.encode("ascii", "replace").decode(), cte="7bit")
    return message.as_bytes()


@dataclass(slots=True)
class _Try:
    target: Target
    sender: str
    to: str
    clock: Clock = field(default_factory=SystemClock)
    steps: list[Step] = field(default_factory=list)
    _names: Iterator[str] = field(default_factory=lambda: iter(()))
    _last: float = 0.0

    async def run(self, message: bytes, timeouts: Timeouts) -> Tried:
        host = f"{self.target.host}:{self.target.port} ({self.target.security})"
        self._last = self.clock.monotonic()
        trouble = await self._through(message, timeouts)
        return Tried(self.target.name, host, self.sender, self.to, tuple(self.steps), trouble)

    async def _through(self, message: bytes, timeouts: Timeouts) -> str:
        """Open, hand over, close. The trouble, "" for none."""
        self._names = self._opening()
        try:
            connection = await Connection.open(self.target, timeouts, heard=self._heard)
        except Trouble as exc:
            return str(exc)
        self._names = iter(("MAIL", "RCPT", "DATA", "final dot"))
        try:
            return await self._letter(connection, message)
        except Trouble as exc:
            return str(exc)
        finally:
            self._names = iter(("QUIT",))
            await connection.quit()

    async def _letter(self, connection: Connection, message: bytes) -> str:
        answer = await connection.offer(Envelope(self.sender, self.to, len(message)))
        if isinstance(answer, Declined):
            return f"declined at {answer.stage}: {said(answer.reply)}"
        reply = await connection.content(message)
        return "" if reply.code // 100 == _OK else f"not accepted: {said(reply)}"

    def _opening(self) -> Iterator[str]:
        """What the relay answers before MAIL, in order; AUTH may take several replies."""
        yield from ("greeting", "EHLO")
        if self.steps[-1].said.startswith("5"):
            yield "HELO"
        if self.target.security == "starttls":
            yield from ("STARTTLS", "EHLO")
        while True:
            yield "AUTH"

    def _heard(self, reply: Reply) -> None:
        now = self.clock.monotonic()
        self.steps.append(Step(next(self._names, "also"), said(reply), round((now - self._last) * 1_000, 1)))
        self._last = now


def said(reply: Reply) -> str:
    """A reply in one line."""
    return " ".join(filter(None, (str(reply.code or ""), reply.enhanced, reply.text)))
