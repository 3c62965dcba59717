"""What a web process counts for /metrics: forms, and confirmations by the class of their mail domain.

A class is one of a fixed list, told by the domain's ending or by a list of domains that very many people have; the
domain itself is never a label.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.datastructures import FormData

from worker.domain.errors import LettershopError
from worker.domain.tallying import ASKED, CONFIRMED, FORMS, Tally
from worker.operations.metrics import Counters
from worker.web.gate import HONEYPOT, suggestion
from worker.web.gate.mail_domains import COMMON, SHORT

FLUSH_S = 5.0
MAIL_CLASSES = ("freemail", "education", "government", "test", "other")

_RESULTS = {422: "returned", 429: "limited", 503: "away"}
_FREEMAIL = frozenset((*COMMON, *SHORT))
_TEST_TOP = frozenset({"test", "example", "invalid", "localhost"})  # RFC 6761
_TEST = frozenset({"example.com", "example.net", "example.org"})
_BY_LABEL = {"edu": "education", "ac": "education", "gov": "government", "gouv": "government", "mil": "government"}
_GOVERNMENT = (".gob.es", ".gob.mx", ".gob.ar", ".europa.eu", ".bund.de", ".admin.ch", ".un.org")

log = logging.getLogger("lettershop.web")


def mail_class(address: str) -> str:
    """One of `MAIL_CLASSES`. A name under `ac` or `gov` counts where that stands last, or before a country's two letters."""
    domain = address.rpartition("@")[2].strip().rstrip(".").lower()
    labels = domain.split(".")
    if labels[-1] in _TEST_TOP or ".".join(labels[-2:]) in _TEST:
        return "test"
    if domain in _FREEMAIL:
        return "freemail"
    if domain.endswith(_GOVERNMENT):
        return "government"
    last = labels[-2:-1] if len(labels) > 2 and len(labels[-1]) == 2 else labels[-1:]  # noqa: PLR2004 -- of a country
    return _BY_LABEL.get(last[0], "other") if last and labels[-1] != "ac" else "other"


def tally_of(request: Request) -> Tally:
    """Where this process counts."""
    counters: Counters = request.app.state.counters
    return counters


def count_form(tally: Tally, campaign: str, form: FormData, status: int) -> None:
    """A form was answered: `status` 200 where it was taken as in order, else that of the page that shows it again."""
    single = {name: value for name, value in form.items() if isinstance(value, str)}
    if single.get(HONEYPOT):
        tally.add(FORMS, (campaign, "trapped"))
        return
    tally.add(FORMS, (campaign, _RESULTS.get(status, "taken")))
    if status not in _RESULTS:
        email = single.get("email", "")
        better = suggestion(email) if single.get("email_choice") == "suggested" else ""
        tally.add(ASKED, (mail_class(better or email),))


def count_confirmation(tally: Tally, campaign: str, email: str) -> None:
    """A signature was confirmed."""
    tally.add(CONFIRMED, (campaign, mail_class(email)))


@contextlib.asynccontextmanager
async def flushing(counters: Counters, every_s: float = FLUSH_S) -> AsyncIterator[None]:
    """Hand the counters to the ledger every few seconds, as long as the block runs, and once more at its end."""
    task = asyncio.create_task(_flush_again_and_again(counters, every_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await _flush(counters)


async def _flush_again_and_again(counters: Counters, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await _flush(counters)


async def _flush(counters: Counters) -> None:
    """One that fails keeps what it had, and is made good by the next."""
    try:
        await asyncio.to_thread(counters.flush)
    except LettershopError as exc:
        log.warning("what was counted waits in memory: %s", exc)
    except Exception:  # a fault of ours must not end the counting
        log.exception("the counters could not be flushed")
