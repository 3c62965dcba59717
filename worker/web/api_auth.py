"""Who holds a key: `Authorization: Bearer lsk_...` (RFC 6750), looked up by its hash.

A key sees the signatures that came with a key of its name (`source_of`), and no others. One bound to a campaign does not
learn that there are more: whatever belongs to another one is not there (404).
"""

import contextlib
import re
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from worker.domain.errors import Failed
from worker.ledger import api_keys
from worker.ledger.api_keys import PREFIX, ApiKey
from worker.ledger.book import Ledger
from worker.web.api_wire import Refusal

_FORM = re.compile(rf"Bearer +({PREFIX}[A-Za-z0-9_-]{{20,60}}) *\Z", re.IGNORECASE)
_REALM = 'Bearer realm="lettershop"'

bearer = HTTPBearer(
    scheme_name="key",
    bearerFormat=f"{PREFIX}...",
    description="A key made by `lettershop keys create`, with the scopes that the operation names.",
    auto_error=False,
)
_Documented = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


class Needs:
    """A dependency of a route: the key must have `scope`; `key_of` gives it then. `optional`: none at all passes, too."""

    def __init__(self, ledger: Ledger, scope: str, *, optional: bool = False) -> None:
        self._ledger, self._scope, self._optional = ledger, scope, optional

    async def __call__(self, request: Request, _: _Documented) -> None:
        given = request.headers.getlist("authorization")
        if given or not self._optional:
            request.state.api_key = await self._key(given)

    async def _key(self, given: list[str]) -> ApiKey:
        if not given:
            raise missing("this needs an API key: send Authorization: Bearer lsk_...")
        found = _FORM.match(given[0]) if len(given) == 1 else None
        key = await run_in_threadpool(known, self._ledger, found[1]) if found else None
        if key is None:
            asks = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
            raise Refusal(401, "this API key is not known, or is valid no more", asks)
        if self._scope not in key.scopes:
            asks = {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{self._scope}"'}
            raise Refusal(403, f"this API key lacks the scope {self._scope}", asks)
        return key


def missing(detail: str) -> Refusal:
    """401, for a request that came without a key (RFC 6750, 3.1: it is told no error)."""
    return Refusal(401, detail, {"WWW-Authenticate": _REALM})


def key_of(request: Request) -> ApiKey | None:
    """The key that the request came with, None where it came without."""
    found: ApiKey | None = getattr(request.state, "api_key", None)
    return found


def known(ledger: Ledger, text: str) -> ApiKey | None:
    """The key, its use noted. Raises Failed where the ledger is away."""
    at_us = ledger.now_us()
    with ledger.read() as connection:
        key = api_keys.find(connection, text, at_us)
    if key is not None and not api_keys.used_lately(key, at_us):
        with contextlib.suppress(Failed), ledger.write() as connection:  # a note is not worth a refusal
            api_keys.note_use(connection, key, at_us)
    return key


def source_of(key: ApiKey) -> str:
    """Where the signatures that come with this key are recorded to come from. Rotating a key keeps its name."""
    return f"api:{key.name}"


def sees(key: ApiKey, campaign: str) -> bool:
    """Whether the key is for this campaign, or for all."""
    return key.campaign in {"", campaign}
