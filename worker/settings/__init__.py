"""One frozen, validated tree: read once by wiring, handed down as values.

`load_home(path, environ)` reads `config/lettershop.toml` (with the environment laid over it), the register of offices,
the campaigns and their templates. Whatever is wrong is refused at once, naming file, line, key and the nearest known
key. Nothing is read at import, no connection is opened.
"""

from worker.settings.addresses import address, domain_of, is_placeholder
from worker.settings.home import Home, load_as_far, load_home, load_settings
from worker.settings.relay import Relay
from worker.settings.tree import (
    BrokerKeys,
    KeyFiles,
    LedgerKeys,
    LimitKeys,
    PacingKeys,
    RehearsalKeys,
    Settings,
    WorkerKeys,
    is_loopback,
    masked,
)

__all__ = [
    "BrokerKeys",
    "Home",
    "KeyFiles",
    "LedgerKeys",
    "LimitKeys",
    "PacingKeys",
    "RehearsalKeys",
    "Relay",
    "Settings",
    "WorkerKeys",
    "address",
    "domain_of",
    "is_loopback",
    "is_placeholder",
    "load_as_far",
    "load_home",
    "load_settings",
    "masked",
]
