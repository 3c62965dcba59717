"""Mail to operators: one plain message for all there is to say, handed to the first relay that takes it.

It has a way of its own, apart from rounds, lanes and limits: what it tells may be that those stand still. In rehearsal
the envelope names nobody real, whatever the relay (`recipients`). Nothing is kept: a mail that no relay took is written
anew at the next look.

Known limit: a relay that took a mail and whose answer was lost is told again, so that an alarm may come twice.
"""

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from worker.delivery import Target
from worker.delivery.replies import printable
from worker.domain.errors import LettershopError

STEP_S = 20.0
"""How long a relay may take for one answer."""

WHOLE_S = 75.0
"""How long one relay may take for a whole mail, however it drips."""

_SUBJECT_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a mail. `accepted`: a relay has it for somebody. `trouble`: what went wrong, "" where nothing did."""

    accepted: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Mailer:
    """Writes to operators. `targets` gives the relays to try, in order; it may raise LettershopError."""

    mode: str
    sender: str
    to: Sequence[str]
    targets: Callable[[], Sequence[Target]]
    step_s: float = STEP_S
    whole_s: float = WHOLE_S

    def send(self, subject: str, text: str, now: datetime) -> Sent:
        """Hand it to the first relay that takes it. Never raises for what a relay does."""
        try:
            targets = self.targets()
        except LettershopError as exc:
            return Sent(accepted=False, trouble=str(exc))
        message = self._message(subject, text, now)
        troubles: list[str] = []
        for target in targets:
            sent = self._try(target, message)
            if sent.trouble:
                troubles.append(f"relay {target.name}: {sent.trouble}")
            if sent.accepted:
                return Sent(accepted=True, trouble="; ".join(troubles))
        return Sent(accepted=False, trouble="; ".join(troubles) or "no relay is configured")

    def _message(self, subject: str, text: str, now: datetime) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["Date"] = format_datetime(now)
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Subject"] = plain(subject)[:_SUBJECT_LONGEST]
        message["Message-ID"] = f"<alarm.{now:%Y%m%d%H%M%S%f}.{socket.gethostname()}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(plain(line) for line in text.split("\n")), cte="quoted-printable")
        return message.as_bytes()

    def _try(self, target: Target, message: bytes) -> Sent:
        """One relay, in a thread of its own: smtplib's timeouts begin anew with each byte that comes."""
        result: list[Sent] = []
        to = recipients(self.mode, self.to)
        work = threading.Thread(
            target=lambda: result.append(hand_over(target, self.sender, to, message, self.step_s)),
            name="alarm-mail",
            daemon=True,
        )
        work.start()
        work.join(self.whole_s)
        return result[0] if result else Sent(accepted=False, trouble=f"not done within {self.whole_s:g} s")


def recipients(mode: str, to: Sequence[str]) -> list[str]:
    """The envelope recipients. In rehearsal nobody real, whatever the relay: the fifth promise rests on this line."""
    return list(to) if mode == "live" else [f"operator-{n}@rehearsal.invalid" for n in range(1, len(to) + 1)]


def hand_over(target: Target, sender: str, to: Sequence[str], message: bytes, step_s: float) -> Sent:
    """One SMTP transaction. Its trouble names no address and no secret."""
    try:
        with _opened(target, step_s) as relay:
            if target.security == "starttls":
                relay.starttls(context=target.tls or ssl.create_default_context())
            if target.username:
                relay.login(target.username, target.password)
            refused = relay.sendmail(sender, to, message)
    except (OSError, smtplib.SMTPException, ValueError) as exc:
        return Sent(accepted=False, trouble=_words(exc))
    if not refused:
        return Sent(accepted=True)
    numbers = ", ".join(str(n) for n, address in enumerate(to, 1) if address in refused)
    return Sent(accepted=True, trouble=f"it refuses operator {numbers} of alarms.to")


@contextlib.contextmanager
def _opened(target: Target, step_s: float) -> Iterator[smtplib.SMTP]:
    helo = target.helo or socket.gethostname()
    if target.security == "tls":
        context = target.tls or ssl.create_default_context()
        relay: smtplib.SMTP = smtplib.SMTP_SSL(target.host, target.port, helo, timeout=step_s, context=context)
    else:
        relay = smtplib.SMTP(target.host, target.port, helo, timeout=step_s)
    try:
        yield relay
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            relay.quit()
        relay.close()


def _words(exc: Exception) -> str:
    """What happened, without addresses: smtplib's errors carry them."""
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        replies = sorted({f"{code} {printable(said)}" for code, said in exc.recipients.values()})
        return f"every operator was refused: {'; '.join(replies)}"
    if isinstance(exc, smtplib.SMTPAuthenticationError):
        return f"the login was refused: {exc.smtp_code} {_said(exc)}"
    if isinstance(exc, smtplib.SMTPResponseException):
        return f"{exc.smtp_code} {_said(exc)}".strip()
    if isinstance(exc, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
        return "it closed the connection"
    if isinstance(exc, OSError) and not isinstance(exc, smtplib.SMTPException):
        return f"no connection: {exc.strerror or type(exc).__name__}"
    return f"{type(exc).__name__}: {printable(str(exc).encode('utf-8', 'replace'))}"


def _said(exc: smtplib.SMTPResponseException) -> str:
    said: bytes | str = exc.smtp_error
    return printable(said if isinstance(said, bytes) else said.encode("utf-8", "replace"))


def plain(line: str) -> str:
    """One line that a mail program may show: no control characters, whatever stood in a reason."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
