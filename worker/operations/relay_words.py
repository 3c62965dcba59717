"""What a relay's trouble is, in words that say what to look at: the breaker's reason, read."""

import re
from typing import Literal

Cause = Literal["login", "tls", "connection", ""]

_CAUSES: tuple[tuple[re.Pattern[str], Cause], ...] = (  # the first that fits what the relay said
    (re.compile(r"password is not sent", re.IGNORECASE), "login"),
    (re.compile(r"TLS|certificate", re.IGNORECASE), "tls"),
    (re.compile(r"^(53[0458]|454 4\.7\.0|503)\b|log ?in|AUTH", re.IGNORECASE), "login"),  # RFC 4954, section 6
    (
        re.compile(r"no connection|host name|no reply|closed the connection|timed? ?out|^421", re.IGNORECASE),
        "connection",
    ),
)
_WORDS: dict[Cause, str] = {
    "login": "refuses our login: correct its username or password",
    "tls": "cannot be spoken to securely (TLS): look at its certificate and its `security`",
    "connection": "cannot be reached: look whether it runs, and at its host and port",
    "": "does not take letters",
}


def cause_of(said: str) -> Cause:
    """What kind of trouble a relay's words tell of; "" for any other."""
    return next((cause for pattern, cause in _CAUSES if pattern.search(said)), "")


def trouble_of(name: str, said: str) -> str:
    """Like "relay main refuses our login: correct its username or password (535 5.7.8 ...)"."""
    return f"relay {name} {_WORDS[cause_of(said)]} ({said})"
