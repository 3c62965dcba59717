"""Signing through the API: what the form does, asked for in JSON; and signatures that were confirmed elsewhere.

Without a key a signature is unconfirmed, counted by the form's limits, and answered the same whoever signs. A program can
do the proof of work, so where one is asked for nothing is recorded without it. Where the limit of the address itself is
used up nothing is recorded either, and the answer is the usual one: another would say that the address was used before.
With a key the limits are not asked.

**Idempotency-Key**, without a key: the name that a program gives to one request. It is bound to the address before the
ledger sees it, so a request that comes again is never a second signing, whatever became of the first. A name used for
another address within a day is refused by the process that remembers it. The ledger is not asked for that: it would
know the name only where the first address was new to it, and so tell strangers who has signed. With a key the name is
kept in the ledger apart for each key's name: no two holders' names meet, and no stranger's.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import timedelta
from math import ceil

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from worker.domain.campaign import Campaign
from worker.domain.clock import Clock
from worker.domain.consents import SEND
from worker.domain.errors import BadInput, RefusedByState
from worker.intake import Asked, BadPerson, Consent, PersonInput, Ready, Receipt
from worker.intake.desk import stated
from worker.ledger.api_keys import ApiKey
from worker.web.api_auth import source_of
from worker.web.api_models import AskedOut, MadeOut, SignatureRequest
from worker.web.api_reading import came_from
from worker.web.api_wire import Refusal
from worker.web.campaign_views import version_of
from worker.web.gate import Leave, Visit
from worker.web.shop import Shop
from worker.web.signing_form import Signing

SOURCE = "api"
CHALLENGES = "/altcha"
IDEMPOTENCY = "Idempotency-Key"
ASKED = AskedOut(
    detail="If this address has not confirmed yet, a mail to it asks to confirm. Only then is the letter sent."
)

_MEMORY = timedelta(days=1)
_MOST = 50_000
_OTHER = "was used for another person before; use a new one for each signing"


class Signatures:
    """Takes signatures. Belongs to one event loop, as the shop's limits do."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._client = Signing(shop).client
        self._requests = Requests(shop.clock)

    async def ask(self, request: Request, campaign: Campaign, given: SignatureRequest, name: str) -> AskedOut:
        """Record an unconfirmed signature, and tell nothing of what it met. `name` is the request's own, or ""."""
        bound = self._bound(campaign, given, name)
        ready = self._ready(
            campaign, given, _faults(campaign, given, by_key=False), f"public {bound}" if name else None
        )
        if name and not self._requests.same(campaign.slug, name, bound):
            raise BadPerson({IDEMPOTENCY: _OTHER})
        leave = await self._admitted(request, campaign, given, ready)
        if leave.allowed:
            await self._shop.intake.record(ready, source=SOURCE, hold=leave.held)
        return ASKED

    async def ask_for(self, campaign: Campaign, given: SignatureRequest, name: str, key: ApiKey) -> AskedOut:
        """The same for a key's holder, past the limits."""
        ready = self._ready(campaign, given, _faults(campaign, given, by_key=True), _holders(key, name))
        await _recorded(self._shop.intake.record(ready, source=source_of(key)))
        return ASKED

    async def submit(self, campaign: Campaign, given: SignatureRequest, name: str, key: ApiKey) -> MadeOut:
        """Record a signature that was confirmed elsewhere."""
        self._ready(campaign, given, _faults(campaign, given, by_key=True), None)  # tells all faults at once
        receipt = await _recorded(
            run_in_threadpool(
                self._shop.intake.submit,
                campaign.slug,
                _person(campaign, given),
                evidence=given.evidence,
                consents=_consents(given),
                left_out=given.offices_left_out,
                source=source_of(key),
                request_key=_holders(key, name),
                notify=True,
                unseen=True,
            )
        )
        own = not receipt.repeated or await run_in_threadpool(
            came_from, self._shop.ledger, receipt.signature, source_of(key)
        )
        made = {"id": receipt.signature, "state": receipt.state} if own else {"id": None, "state": None}
        return MadeOut.model_validate({**made, "letters": receipt.letters, "repeated": receipt.repeated})

    # -- the steps

    def _bound(self, campaign: Campaign, given: SignatureRequest, name: str) -> str:
        """The request's name and the address as one word, in which neither can be read."""
        try:
            canonical = self._shop.intake.canonical(given.email)
        except BadInput:  # told with the other fields
            canonical = ""
        return _hash(campaign.slug, name, canonical)

    def _ready(
        self, campaign: Campaign, given: SignatureRequest, faults: dict[str, str], request_key: str | None
    ) -> Ready:
        """The signing in order. Raises BadPerson with all that is wrong, Refusal where it is not open."""
        asked = Asked(_consents(given), given.offices_left_out, request_key)
        try:
            ready = self._shop.intake.ready(campaign.slug, _person(campaign, given), asked)
        except BadPerson as exc:
            told = {"offices_left_out" if name == "offices" else name: why for name, why in exc.fields.items()}
            raise BadPerson(faults | told) from exc
        except RefusedByState as exc:  # the ledger was not asked: this says when the campaign opens or closed
            raise Refusal(409, str(exc)) from exc
        if faults:
            raise BadPerson(faults)
        return ready

    async def _admitted(self, request: Request, campaign: Campaign, given: SignatureRequest, ready: Ready) -> Leave:
        """The leave to record it: `allowed`, or silently not. Raises Refusal where limits or proof of work are in the way.

        The proof is asked for in any case, and all are answered alike who do not come from where too many come from.
        """
        visit = Visit(self._client(request), ready.mailbox_key, ready.domain, campaign.slug)
        leave: Leave = await self._shop.limits.ask(visit)
        if not (leave.allowed or leave.silent):
            wait_s = max(1, ceil(leave.retry_after_s))
            detail = f"too many signatures came from where you are: send it again in {wait_s} s"
            raise Refusal(429, detail, {"Retry-After": str(wait_s)})
        now = self._shop.clock.now()
        if leave.challenge and not (given.altcha and await self._shop.challenges.solved(given.altcha, now)):
            detail = "very many are signing just now: solve the challenge and send the same again with `altcha`"
            url = f"{self._shop.home.settings.base_url}{CHALLENGES}"
            raise Refusal(428, detail, challenge=self._shop.challenges.issue(now), challenge_url=url)
        return leave


class Requests:
    """The names of requests and whom each was for, in this process, for a day. Not for several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def same(self, campaign: str, name: str, bound: str) -> bool:
        """Whether the name is new, or was for the same address."""
        now, key = self._clock.monotonic(), _hash(campaign, name)
        while self._known and (next(iter(self._known.values()))[0] <= now or len(self._known) >= _MOST):
            self._known.popitem(last=False)
        return self._known.setdefault(key, (now + _MEMORY.total_seconds(), bound))[1] == bound


async def _recorded(work: Awaitable[Receipt]) -> Receipt:
    try:
        return await work
    except BadPerson:
        raise
    except BadInput as exc:  # everything else was checked before
        raise BadPerson({IDEMPOTENCY: _OTHER}) from exc


def _faults(campaign: Campaign, given: SignatureRequest, *, by_key: bool) -> dict[str, str]:
    """What is wrong beside the person: each field's name, and what to do."""
    found: dict[str, str] = {}
    if given.city and not campaign.asks_city:
        found["city"] = "this campaign does not ask for the city; leave it empty"
    if given.comment and not campaign.takes_comments:
        found["comment"] = "this campaign takes no comments; leave it empty"
    if SEND not in given.consents:
        found["consents"] = f'"{SEND}" is missing: without it no letter may be sent'
    if given.confirmed:
        return found | _evidence_fault(given)
    if given.evidence:
        found["evidence"] = "belongs to `confirmed`; without it the signer is asked by mail"
    if strange := [kind for kind in given.consents if kind not in {SEND, *campaign.offers}]:
        found["consents"] = f'this campaign does not ask for "{strange[0]}"'
    if given.language and given.language not in campaign.languages:
        found["language"] = f"this campaign has {', '.join(campaign.languages)}"
    elif given.version or not by_key:
        found |= _version_fault(campaign, given)
    return found


def _version_fault(campaign: Campaign, given: SignatureRequest) -> dict[str, str]:
    if given.version == version_of(campaign, given.language or campaign.default_language):
        return {}
    if not given.version:
        return {"version": "is missing: send the `version` of the campaign as the signer was shown it"}
    return {"version": "the letter or the words of consent are others by now: show the signer the campaign as it is"}


def _evidence_fault(given: SignatureRequest) -> dict[str, str]:
    try:
        stated(given.evidence, "evidence")
    except BadInput as exc:
        return {"evidence": str(exc)}
    return {}


def _person(campaign: Campaign, given: SignatureRequest) -> PersonInput:
    language = given.language or campaign.default_language
    return PersonInput(given.name, given.email, given.country, given.city, given.comment, language)


def _consents(given: SignatureRequest) -> list[Consent]:
    """In the campaign's own words. `send` is among them in any case: that it is missing is told with the other faults."""
    return [Consent(kind) for kind in dict.fromkeys((SEND, *given.consents))]


def _holders(key: ApiKey, name: str) -> str | None:
    return f"key {key.name} {name}" if name else None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
