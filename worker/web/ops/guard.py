"""Who may see and do what under /ops: a session by cookie, or an API key for programs.

    gate = Gate(shop)

    @routes.get("/ops/letters")
    async def letters(request: Request, visitor: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        return gate.page(request, visitor, "ops/letters.html", letters=...)

Whoever has no session is led to the login page and back. A form without one, or with another session's field, is kept and
shown again to the same user; nothing is done with it before. Programs are told 401 or 403 in a problem document. Only
`Bearer` is a key: what else stands in Authorization is for a proxy in front. Roles: viewer, operator, admin; each may do
what those before it may.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from worker.domain.clock import to_us
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.ledger.users import ROLES, Role, Session
from worker.operations.sessions import Doorman, Opened
from worker.web.api_auth import known
from worker.web.forms import read_form
from worker.web.ops import csrf as tokens
from worker.web.ops.place import PREFIX, is_private, is_secure, url_of
from worker.web.routes.problems import problem
from worker.web.shop import Shop

SEE_OTHER = 303
LOGIN = f"{PREFIX}/login"
HASHES_AT_ONCE = 2
"""Each takes 64 MiB and a processor for a tenth of a second: a flood of logins gets no more."""

_SCOPES: dict[str, Role] = {"ops:act": "operator", "ops:read": "viewer"}
_EVENTS = "text/event-stream"
_LONGEST_NEXT = 2_000
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in. `name` is what the audit calls them; `csrf` the field of their forms, "" for a key."""

    name: str
    role: Role
    csrf: str = field(repr=False)
    via: Literal["session", "key"]
    session: Session | None = field(default=None, repr=False)
    key: str = field(default="", repr=False)

    def has(self, role: Role) -> bool:
        """Whether they may do what this role may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def user_id(self) -> int:
        """The user's; 0 for a key."""
        return self.session.user_id if self.session else 0

    @property
    def may_act(self) -> bool:
        """Whether they are an operator or an admin."""
        return self.has("operator")

    @property
    def is_admin(self) -> bool:
        """Whether they are an admin."""
        return self.has("admin")


class Turned(Exception):
    """A request that goes no further: `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Gate:
    """Made once for an app. `viewer`, `operator` and `admin` are dependencies of routes; `page` draws a page."""

    def __init__(self, shop: Shop) -> None:
        ops = shop.home.settings.ops
        self.shop = shop
        self.url = url_of(shop.home)
        self.doorman = Doorman(shop.ledger, ops.idle, ops.longest)
        self.signer = tokens.Signer(shop.ledger.keys.form_key)
        self.environment = environment(shop.pages.static.path, shop.ledger.mode)
        self.hashers = CapacityLimiter(HASHES_AT_ONCE)

    # -- the dependencies
    async def viewer(self, request: Request) -> Visitor:
        """Anybody who was let in."""
        return await self._enter(request, "viewer")

    async def operator(self, request: Request) -> Visitor:
        """Somebody who may act."""
        return await self._enter(request, "operator")

    async def admin(self, request: Request) -> Visitor:
        """Somebody who may change users; no key may."""
        return await self._enter(request, "admin")

    async def _enter(self, request: Request, role: Role) -> Visitor:
        visitor = await (self._by_key(request) if has_key(request) else self._by_session(request))
        request.state.visitor = visitor
        if not visitor.has(role):
            raise Turned(self.refusal(request, 403, f"this needs the role {role}; you are {visitor.role}"))
        return visitor

    # -- by key
    async def _by_key(self, request: Request) -> Visitor:
        given = request.headers.getlist("authorization")
        text = given[0].partition(" ")[2]
        key = await to_thread.run_sync(known, self.shop.ledger, text.strip()) if len(given) == 1 else None
        if key is None:
            asks = {"WWW-Authenticate": 'Bearer realm="lettershop", error="invalid_token"'}
            raise Turned(problem(401, "this API key is not known, or is valid no more", asks))
        role = next((role for scope, role in _SCOPES.items() if scope in key.scopes), None)
        if role is None or key.campaign:
            asks = {"WWW-Authenticate": 'Bearer realm="lettershop", error="insufficient_scope", scope="ops:read"'}
            raise Turned(problem(403, "this API key lacks the scope ops:read or ops:act, for all campaigns", asks))
        return Visitor(f"key {key.name}", role, "", "key", key=text.strip())

    # -- by session
    async def _by_session(self, request: Request) -> Visitor:
        session = await self.session(request)
        if session is None:
            raise Turned(await self._to_login(request))
        visitor = visitor_of(session)
        if request.method not in {"GET", "HEAD"}:
            await self._check_form(request, visitor)
        return visitor

    async def session(self, request: Request) -> Session | None:
        """The session of the request's cookie, if it is good."""
        token = request.cookies.get(self.cookie(request), "")
        if not token:
            return None
        use = _EVENTS not in request.headers.get("accept", "")  # a page that lies open is not being used
        return await to_thread.run_sync(lambda: self.doorman.session(token, use=use))

    async def _check_form(self, request: Request, visitor: Visitor) -> None:
        if tokens.same(visitor.csrf, request.headers.get("x-csrf", "")):
            return
        if wants_json(request) or request.headers.get("content-type", "").startswith("application/json"):
            raise Turned(problem(403, "the form's csrf field is not this session's: send it as x-csrf"))
        form = await read_form(request)
        if tokens.same(visitor.csrf, str(form.get(tokens.FIELD, ""))):
            return
        fields = [(name, str(value)) for name, value in form.multi_items()]
        raise Turned(self.again(request, visitor, tokens.Kept.of(request.url.path, fields, visitor.user_id), 403))

    async def _to_login(self, request: Request) -> Response:
        if wants_json(request):
            return problem(401, "log in, or send Authorization: Bearer lsk_...", {"WWW-Authenticate": "Bearer"})
        if request.method in {"GET", "HEAD"}:
            path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{LOGIN}?{urlencode({'next': local(path)})}", SEE_OTHER, _NO_STORE)
        fields = [(name, str(value)) for name, value in (await read_form(request)).multi_items()]
        token = request.cookies.get(self.cookie(request), "")
        whose = await to_thread.run_sync(self.doorman.whose, token) if token else 0
        kept = self.signer.keep(tokens.Kept.of(request.url.path, fields, whose), self.now_s())
        return self.login_page(request, 403, kept=kept, ended=True, lost=not kept)

    async def still(self, visitor: Visitor) -> bool:
        """Whether the visitor's session, or key, is still good. It does not count as use."""
        if visitor.session is None:
            return await to_thread.run_sync(known, self.shop.ledger, visitor.key) is not None
        kept = visitor.session.hash
        found = await to_thread.run_sync(lambda: self.doorman.session_of(kept))
        return found is not None and found.role == visitor.role

    # -- pages
    def page(
        self,
        request: Request,
        visitor: Visitor | None,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """`template` filled with `values`, and with visitor, may_act, csrf, mode, path, said, status, static."""
        field = visitor.csrf if visitor else ""
        frame = {
            "visitor": visitor,
            "may_act": visitor is not None and visitor.may_act,
            "csrf": tokens.field(field) if field else Markup(),
            "path": request.url.path,
            "said": self.signer.said(field, request.query_params.get("said", "")) if field else "",
            "status": status,
        }
        body = self.environment.get_template(template).render({**frame, **values})
        return HTMLResponse(body, status, {**_NO_STORE, **(headers or {})})

    def see_other(self, visitor: Visitor, path: str, said: str = "") -> RedirectResponse:
        """303 to a page of ours, which says `said` once: it is signed into the address."""
        told = {"said": self.signer.say(visitor.csrf, said)} if said and visitor.csrf else {}
        joint = "&" if "?" in path else "?"
        return RedirectResponse(f"{local(path)}{joint if told else ''}{urlencode(told)}", SEE_OTHER, _NO_STORE)

    def refusal(self, request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        """An error: a page that says `detail`, or a problem document for programs."""
        if wants_json(request):
            return problem(status, detail, headers)
        visitor = getattr(request.state, "visitor", None)
        return self.page(request, visitor, "ops/error.html", status, headers, detail=detail)

    def login_page(
        self, request: Request, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> Response:
        """The login form. Read from `values`: next, name, kept, ended, lost, error."""
        blank = {"next": "", "name": "", "kept": "", "ended": False, "lost": False, "error": ""}
        unsafe = not is_private(self.url, request.headers.get("host", ""))
        return self.page(request, None, "ops/login.html", status, headers, **{**blank, "unsafe": unsafe, **values})

    def again(self, request: Request, visitor: Visitor, kept: tokens.Kept, status: int = 200) -> Response:
        """A form that was kept, to be looked at and sent once more."""
        return self.page(request, visitor, "ops/again.html", status, kept=kept, path=kept.path)

    # -- cookies
    def cookie(self, request: Request, name: str = "lettershop-ops") -> str:
        """The cookie's name here. `__Host-`: for this host alone, over https alone (RFC 6265bis, 4.1.3.2)."""
        return f"__Host-{name}" if self.is_secure(request) else name

    def is_secure(self, request: Request) -> bool:
        """Whether cookies are Secure."""
        return is_secure(self.url, request.headers.get("host", ""))

    def set_cookie(self, request: Request, response: Response, value: str, max_age_s: int, name: str = "") -> None:
        """Set one of ours; "" takes it away."""
        response.set_cookie(
            self.cookie(request, name) if name else self.cookie(request),
            value, max_age_s if value else 0,
            path="/", secure=self.is_secure(request), httponly=True, samesite="lax",
        )  # fmt: skip

    def give_session(self, request: Request, response: Response, opened: Opened) -> None:
        """The cookie of a new session."""
        self.set_cookie(request, response, opened.token, int(self.shop.home.settings.ops.longest.total_seconds()))

    # -- the audit
    def audit_view(self, visitor: Visitor, target: str, reason: str = "") -> None:
        """Record that they looked at `target`, as at a signer's data. Writes."""
        audit_view(self.shop.ledger, visitor, target, reason)

    def now_s(self) -> int:
        """Seconds since 1970."""
        return to_us(self.shop.clock.now()) // 1_000_000


def audit_view(ledger: Ledger, visitor: Visitor, target: str, reason: str = "") -> None:
    """Record that the visitor looked at `target` ("signature 12"). Writes. Raises Failed."""
    transact(
        ledger, lambda connection: audit.append(connection, now_us(connection), visitor.name, "look", target, reason)
    )


def visitor_of(session: Session) -> Visitor:
    """Whose session it is."""
    return Visitor(session.name, session.role, session.csrf, "session", session)


def has_key(request: Request) -> bool:
    """Whether an API key comes with it, good or not (RFC 6750, 2.1)."""
    return any(each.partition(" ")[0].lower() == "bearer" for each in request.headers.getlist("authorization"))


def wants_json(request: Request) -> bool:
    """Whether a program asks: by path, by Accept, or for events."""
    accept = request.headers.get("accept", "")
    asked = "application/json" in accept or "application/problem+json" in accept or _EVENTS in accept
    return request.url.path.startswith(f"{PREFIX}/api/") or has_key(request) or (asked and "text/html" not in accept)


def local(path: str) -> str:
    """`path` if it is one of ours under /ops; else the first page. Never another host's."""
    good = path == PREFIX or path.startswith((f"{PREFIX}/", f"{PREFIX}?"))
    if not good or len(path) > _LONGEST_NEXT or "\\" in path or not path.isprintable():
        return PREFIX
    return quote(path, safe="/?&=%:@!$'()*+,;~-._")


def environment(static: Callable[[str], str], mode: str) -> Environment:
    """What draws the pages of /ops: in English, strict and escaping. `static` gives a file's address."""
    made = Environment(
        loader=PackageLoader("worker.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(static=static, mode=mode)
    made.filters["moment"] = moment
    return made


def moment(at: str | datetime) -> Markup:
    """A moment, UTC, to the minute. `at` is ISO 8601 or aware."""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    stamp = found.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}">{} UTC</time>').format(stamp, found.strftime("%Y-%m-%d %H:%M"))
