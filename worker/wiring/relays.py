"""Where letters, tests and alarms are sent."""

import ssl
from pathlib import Path

from worker.delivery import Target
from worker.domain.errors import Failed
from worker.settings import Home, Relay

SINK = "rehearsal"
"""The name of the only relay in rehearsal."""


def sink_port_file(home: Home) -> Path:
    """Where the embedded sink says which port it has."""
    return home.var / "sink.port"


def relay_targets(home: Home) -> dict[str, Target]:
    """The relays that letters go to in the home's mode. Raises Failed where the embedded sink has not been started."""
    if home.settings.mode == "live":
        return {relay.name: _target(relay) for relay in home.settings.relays}
    rehearsal = home.settings.rehearsal
    if rehearsal.embedded:
        return {SINK: Target(SINK, "127.0.0.1", _sink_port(home))}
    return {SINK: Target(SINK, rehearsal.host, rehearsal.port or 25)}


def live_targets(home: Home) -> dict[str, Target]:
    """The configured relays, in any mode: for the operator's own test letter."""
    return {relay.name: _target(relay) for relay in home.settings.relays}


def alarm_targets(home: Home) -> list[Target]:
    """Where mail to operators goes, in order: in rehearsal the sink alone, else the alarms' own relay, then the others.

    Raises Failed where the embedded sink has not been started.
    """
    if home.settings.mode != "live":
        return list(relay_targets(home).values())
    own = home.settings.alarms.relay
    return [*([_target(own)] if own else []), *live_targets(home).values()]


def _sink_port(home: Home) -> int:
    try:
        return int(sink_port_file(home).read_text())
    except (OSError, ValueError) as exc:
        raise Failed("the embedded sink is not running: start the stack with `lettershop up`") from exc


def _target(relay: Relay) -> Target:
    tls = ssl.create_default_context(cafile=str(relay.ca_file)) if relay.ca_file else None
    password = relay.password.get_secret_value() if relay.password else ""
    return Target(relay.name, relay.host, relay.port, relay.security, relay.username, password, relay.helo, tls)
