"""How often the form may be sent: from one address, from one network, for one e-mail address, for a domain, in all.

    limits = FormLimits(door, settings.form, key, clock)
    leave = await limits.ask(Visit(client, address_key, domain, campaign))      # once for each form that is in order

| limit | key in Redis | used up |
|---|---|---|
| `per_ip`, `per_network` | `form-ip:<hash>`, `form-network:<hash>` | refused for a while; from half on, a proof of work |
| `per_address` | `form-address:<hash>` | answered as usual, and recorded nowhere |
| `per_domain`, `per_campaign` | `form-domain:<hash>`, `form-campaign:<slug>` | the signature is held for an operator |
| `challenge_above` | `form-rate:<slug>` | a proof of work |

The hashes are HMACs: no address of a visitor or a signer stands in Redis. What is refused counts against nothing; what
is held counts against its client, its address and the campaign's rate, but takes nothing of the domain's or the
campaign's allowance, so that a flood from one domain does not hold everybody else's signatures.

One question, several answers: the pacer grants all limits of a want or none. So the first question names the strictest
set: half of the client's limits, and the domain's and campaign's. Nearly every visitor is granted it, in one round trip.
If it is denied, nothing was taken, the answer names the limit, and the next question leaves that strictness away: the
half becomes the whole (a proof of work is asked), the domain and campaign drop out (the signature is held). After three
questions at the most only hard limits are left. The campaign's rate is read once a second, and counted on in between.

Redis away (see `worker/web/gate/door.py`): each process counts by itself, a quarter of each limit (at least 1), in bounded
memory, starting from nothing. The form stays open.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, Self

from worker.domain.clock import Clock
from worker.domain.limits import MOST, Limit, Rate
from worker.pacing import Pacer
from worker.web.gate.asks import Asks
from worker.web.gate.client import ClientAddress
from worker.web.gate.door import Away, Door
from worker.web.gate.fleet import Counts, Fleet, Pulses
from worker.web.gate.keyed import mac, sub_key
from worker.web.gate.memory import Windows

ALONE = 4
"""A process that counts by itself divides each limit by this."""

_HASH_BYTES = 12  # enough that no two of a thousand million things meet by chance; Redis keeps each key for a day
_HOLDS = {"form-domain": "domain", "form-campaign": "campaign"}


class Rates(Protocol):
    """The limits, as `settings.form` has them."""

    @property
    def per_ip(self) -> Rate: ...
    @property
    def per_network(self) -> Rate: ...
    @property
    def per_address(self) -> Rate: ...
    @property
    def per_domain(self) -> Rate: ...
    @property
    def per_campaign(self) -> Rate: ...
    @property
    def challenge_above(self) -> Rate: ...


@dataclass(frozen=True, slots=True, repr=False)
class Visit:
    """A form sent to `campaign` (the slug of one that exists).

    `address_key` names the signer's canonical address (the ledger's keyed hash; None: no such limit), `domain` is the
    address's domain as A-labels ("": no such limit).
    """

    client: ClientAddress
    address_key: bytes | None
    domain: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Whether the form is taken.

    `allowed` False: answer 429, to be tried again in `retry_after_s` seconds (> 0).
    `silent`: not allowed for the e-mail address alone. Nobody is told, or the answer would say that it was used before.
    `hold`: "" or which limit ("domain", "campaign") is used up, so that the signature waits for an operator.
    `challenge`: a proof of work is wanted of this visitor; without one the signature is held, or the form shown again.
    """

    allowed: bool
    hold: str
    retry_after_s: float
    challenge: bool
    silent: bool = False

    @property
    def held(self) -> str:
        """Why the signature waits, as operators read it; "" where it does not."""
        return f"over the limit of its {self.hold}" if self.hold else ""


class FormLimits:
    """`key`: at least 16 random bytes, the same in all processes. Belongs to one event loop."""

    def __init__(self, door: Door, rates: Rates, key: bytes, clock: Clock) -> None:
        self._door = door
        self._asks = Asks(door.pacer, door.patience_s)
        self._pulses = Pulses(clock)
        self._memory = Windows(clock)
        hash_key = sub_key(key, "limits")
        self._fleets = _Rules.of(rates, 1, hash_key)
        self._own = _Rules.of(rates, ALONE, hash_key)

    async def ask(self, visit: Visit) -> Leave:
        """Count the form against its limits, if they have room. Ask for forms that would otherwise be recorded."""

        def question(pacer: Pacer) -> Awaitable[Leave]:
            return _ask(Fleet(pacer, self._asks, self._pulses), self._fleets, visit)

        try:
            return await self._door.through(question)
        except Away:
            return await _ask(self._memory, self._own, visit)

    async def challenged(self, client: ClientAddress, campaign: str) -> bool:
        """Whether a form that is shown to this visitor now should come with a proof of work. Counts nothing."""

        def question(pacer: Pacer) -> Awaitable[bool]:
            return _look(Fleet(pacer, self._asks, self._pulses), self._fleets, client, campaign)

        try:
            return await self._door.through(question)
        except Away:
            return await _look(self._memory, self._own, client, campaign)


async def _ask(counts: Counts, rules: "_Rules", visit: Visit) -> Leave:
    above = rules.above(visit.campaign)
    busy = await counts.rate(above) >= above.rate.count
    half, hold = True, ""
    while wait := await counts.take(rules.of_visit(visit, half=half, soft=not hold)):
        kind = wait.key.partition(":")[0]
        if kind in _HOLDS:
            hold = _HOLDS[kind]
        elif half and kind != "form-address":
            half = False
        else:
            silent = kind == "form-address"
            return Leave(False, "", wait.seconds, challenge=busy or not half, silent=silent)  # noqa: FBT003 - `allowed`
    return Leave(allowed=True, hold=hold, retry_after_s=0.0, challenge=busy or not half)


async def _look(counts: Counts, rules: "_Rules", client: ClientAddress, campaign: str) -> bool:
    limits = [*rules.of_client(client, half=True), rules.above(campaign)]
    return any(n >= limit.rate.count for n, limit in zip(await counts.used(limits), limits, strict=True))


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rates as limits on named things."""

    rates: dict[str, Rate]
    hash_key: bytes

    @classmethod
    def of(cls, rates: Rates, parts: int, hash_key: bytes) -> Self:
        """A `parts`th of `rates`, at least 1 each."""
        given = {
            "ip": rates.per_ip,
            "network": rates.per_network,
            "address": rates.per_address,
            "domain": rates.per_domain,
            "campaign": rates.per_campaign,
            "above": rates.challenge_above,
        }
        return cls({name: _part(rate, parts) for name, rate in given.items()}, hash_key)

    def of_client(self, client: ClientAddress, *, half: bool) -> list[Limit]:
        parts = 2 if half else 1
        return [
            Limit(self._hashed("ip", client.one), _part(self.rates["ip"], parts)),
            Limit(self._hashed("network", client.network), _part(self.rates["network"], parts)),
        ]

    def of_visit(self, visit: Visit, *, half: bool, soft: bool) -> list[Limit]:
        limits = self.of_client(visit.client, half=half)
        if visit.address_key is not None:
            limits.append(Limit(self._hashed("address", visit.address_key), self.rates["address"]))
        if soft and visit.domain:
            limits.append(Limit(self._hashed("domain", visit.domain), self.rates["domain"]))
        if soft:
            limits.append(Limit(f"form-campaign:{visit.campaign}", self.rates["campaign"]))
        counted_only = Rate(MOST, self.rates["above"].window_s)
        return [*limits, Limit(self.above(visit.campaign).key, counted_only)]

    def above(self, campaign: str) -> Limit:
        return Limit(f"form-rate:{campaign}", self.rates["above"])

    def _hashed(self, kind: str, thing: str | bytes) -> str:
        return f"form-{kind}:{mac(self.hash_key, kind, thing, size=_HASH_BYTES)}"


def _part(rate: Rate, parts: int) -> Rate:
    return Rate(max(1, rate.count // parts), rate.window_s)
