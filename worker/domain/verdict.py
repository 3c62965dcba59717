"""What a relay said and how we read it: stage, reply, and the verdict as kind x scope."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where in the SMTP dialogue a reply or a trouble came (RFC 5321)."""

    CONNECT = "connect"  # TCP and TLS
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the reply to DATA, before any content
    CONTENT = "content"  # content begun, the final dot not yet written
    DOT = "dot"  # the final dot is written: only from here on may a letter be in doubt


class Kind(StrEnum):
    """Our reading of a reply."""

    ACCEPT = "accept"
    DEFER = "defer"
    REFUSE = "refuse"
    SET_ASIDE = "set_aside"
    LOSE = "lose"


class Scope(StrEnum):
    """Whom the reply is about, from the smallest to the widest; `connection` is about this one socket only."""

    LETTER = "letter"
    MAILBOX = "mailbox"
    DOMAIN = "domain"
    RELAY = "relay"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Reply:
    """A relay's reply, already cut to 1,000 bytes, printable ASCII, addresses masked.

    `code` is the three digits (0 where the relay said nothing: a timeout or a closed connection);
    `enhanced` is RFC 3463's class.subject.detail or "".
    """

    code: int
    enhanced: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kind x scope, with the stage, the reply it was read from and the name of the rule that read it."""

    kind: Kind
    scope: Scope
    stage: Stage
    reply: Reply
    rule: str
