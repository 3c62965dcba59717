"""Secrets come from files of their own, never from the config: `password_file` names one, its first line is the secret."""

from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from worker.domain.errors import BadInput
from worker.settings.relay import Relay
from worker.settings.tree import BrokerKeys, LedgerKeys, PacingKeys, Settings

S = TypeVar("S", LedgerKeys, BrokerKeys, PacingKeys)


def with_secrets(settings: Settings, root: Path) -> Settings:
    """`settings` with every `password_file` read; a relative one is relative to `root`. Raises BadInput."""
    return settings.model_copy(
        update={
            "ledger": _place(settings.ledger, "ledger", root),
            "broker": _place(settings.broker, "broker", root),
            "pacing": _place(settings.pacing, "pacing", root),
            "alarms": settings.alarms.model_copy(
                update={"relay": _relay(settings.alarms.relay, "alarms.relay", root) if settings.alarms.relay else None}
            ),
            "relays": tuple(_relay(relay, f"relays[{index}]", root) for index, relay in enumerate(settings.relays)),
        }
    )


def _relay(relay: Relay, place: str, root: Path) -> Relay:
    update: dict[str, object] = {}
    if relay.ca_file:
        update["ca_file"] = root / relay.ca_file
    if relay.password_file:
        path = root / relay.password_file
        secret = _secret(path, f"{place}.password_file")
        update |= {"password_file": path, "password": SecretStr(secret)}
    return relay.model_copy(update=update)


def _place(section: S, name: str, root: Path) -> S:
    if not section.password_file:
        return section
    key = f"{name}.password_file"
    path = root / section.password_file
    parts = urlsplit(section.url)
    if parts.scheme in {"", "sqlite"} or parts.password is not None:
        raise BadInput(f"{key}: {name}.url must name a server and hold no password of its own")
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    netloc = f"{user}:{quote(_secret(path, key), safe='')}@{host}"
    return section.model_copy(update={"password_file": path, "url": parts._replace(netloc=netloc).geturl()})


def _secret(path: Path, key: str) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise BadInput(f"{key}: {path} cannot be read: {why}; put the password on its first line") from exc
    if not lines or not lines[0]:
        raise BadInput(f"{key}: {path} is empty; put the password on its first line")
    return lines[0]
