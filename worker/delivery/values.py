"""The values of this room: whom we talk to, how long we wait, what we ask, and what comes of it. No I/O here."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

from worker.domain.errors import Failed
from worker.domain.verdict import Reply, Stage

Security = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class Target:
    """A relay as the wire sees it.

    `security`: "none"; "starttls" (RFC 3207, never without it); "tls" (implicit, RFC 8314). `username` "" logs in
    nowhere. `helo` "" says the address literal of our own socket (RFC 5321 section 4.1.3). `tls` None takes the
    machine's trusted authorities, TLS 1.2 or newer.
    """

    name: str
    host: str
    port: int
    security: Security = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    helo: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait at each step (RFC 5321 section 4.5.3.2). A shorter `dot` makes duplicates."""

    connect: float = 30.0  # TCP, TLS and the greeting, each
    command: float = 300.0  # EHLO, AUTH, MAIL, RCPT, RSET, each
    data: float = 120.0  # the reply to DATA
    block: float = 180.0  # until the kernel takes the next bytes of content
    dot: float = 600.0  # the reply to the final dot
    quit: float = 5.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Envelope:
    """SMTP sender and recipient of one message of `size` octets (before dot-stuffing).

    `smtputf8` says that the message itself needs RFC 6531; an address that is not ASCII needs it in any case.
    """

    sender: str
    recipient: str
    size: int
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the relay offered in its last EHLO. `size` 0: offered without a limit; None: not offered."""

    pipelining: bool = False
    starttls: bool = False
    smtputf8: bool = False
    size: int | None = None
    auth: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The relay answered 354: it waits for this letter's content."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The relay does not take this letter now; no content was written. The connection may still be `usable`."""

    stage: Stage
    reply: Reply


class Trouble(Failed):
    """The dialogue broke: a timeout, a closed connection, a reply nobody can read. The connection is dropped.

    `stage` says how far it had come. CONTENT: the kernel never took the final dot, the letter was not sent. DOT: it
    may have been. `reply` is the reply that made the trouble, where there was one. Holds no personal data.
    """

    def __init__(self, stage: Stage, reason: str, reply: Reply | None = None) -> None:
        said = f" ({reply.code} {reply.enhanced} {reply.text})" if reply else ""
        super().__init__(f"{stage}: {reason}{said}")
        self.stage, self.reason, self.reply = stage, reason, reply
