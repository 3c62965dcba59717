"""The rehearsal inbox: the letters and notices as they arrived at the embedded sink. Nobody else's mail is in it.

There is one in rehearsal mode with the embedded sink only; otherwise every path of it is 404. It opens as many files as
it shows letters; with `?to=` it opens envelopes only, of up to `LOOKED_AT` letters a page, and says where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from worker.embedded.maildir import Maildir, Stored
from worker.web.mail import HEAD_READ, MOST_READ, Heading, Mail, read_heading, read_mail
from worker.web.mail_views import frame_policy, framed, linked
from worker.web.shop import Shop

PAGE = 50
LOOKED_AT = 2000
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
_ASKED = Query(max_length=320)


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter in the list. `recipients` are the envelope's: in rehearsal, offices and signers by id."""

    name: str
    heading: Heading
    recipients: tuple[str, ...]
    received: datetime


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Letters, newest first; `older` is the name before which the next page begins, "" on the last one."""

    letters: tuple[LetterRow, ...]
    older: str


class Inbox:
    """What the sink holds, page by page."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir

    def page(self, before: str = "", to: str = "") -> InboxPage:
        """The page that begins before the letter named `before`; of letters to `to` alone, where it is given."""
        limit = LOOKED_AT if to else PAGE
        names = self._maildir.names(limit + 1, before)
        rows: list[LetterRow] = []
        last = ""
        for name in names[:limit]:
            if len(rows) == PAGE:
                break
            last = name
            rows += self._rows(name, to)
        return InboxPage(tuple(rows), last if last and last != names[-1] else "")

    def letter(self, name: str) -> Stored:
        """The letter of this name. Raises HTTPException (404)."""
        try:
            return self._maildir.read(name)
        except OSError as exc:
            raise HTTPException(404) from exc

    def _rows(self, name: str, to: str) -> Iterator[LetterRow]:
        try:
            stored = self._maildir.read(name)
            if to and to not in stored.recipients:
                return
            heading = read_heading(_beginning(stored, HEAD_READ))
        except OSError:  # it was moved or removed a moment ago
            return
        yield LetterRow(name, heading, stored.recipients, stored.received)


def _beginning(stored: Stored, most: int) -> bytes:
    with stored.path.open("rb") as file:
        return file.read(most)


def router(shop: Shop) -> APIRouter:
    """GET /rehearsal, /rehearsal/{name} and its /html and /raw."""
    routes = APIRouter()
    settings = shop.home.settings
    if settings.mode != "rehearsal" or not settings.rehearsal.embedded:
        return routes
    inbox = Inbox(Maildir(shop.home.var / "sink"))

    @routes.get("/rehearsal")
    def letters(request: Request, before: Annotated[str, _ASKED] = "", to: Annotated[str, _ASKED] = "") -> Response:
        found = inbox.page(before, to)
        return shop.pages.html(
            request, "rehearsal.html", 200, _PRIVATE, letters=found.letters, older=found.older, before=before, to=to
        )

    @routes.get("/rehearsal/{name}")
    def letter(request: Request, name: str) -> Response:
        stored = inbox.letter(name)
        mail = _mail(stored)
        return shop.pages.html(
            request, "rehearsal_mail.html", 200, _PRIVATE,
            name=stored.name, mail=mail, text=linked(mail.text), stored=stored,
        )  # fmt: skip

    @routes.get("/rehearsal/{name}/html")
    def html(name: str) -> Response:
        body = _mail(inbox.letter(name)).html
        if not body:
            raise HTTPException(404)
        policy = {"Content-Security-Policy": frame_policy(body), "Referrer-Policy": "no-referrer"}
        return HTMLResponse(framed(body), headers=_PRIVATE | policy)

    @routes.get("/rehearsal/{name}/raw")
    def raw(name: str) -> Response:
        stored = inbox.letter(name)
        headers = _PRIVATE | {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff"}
        return FileResponse(stored.path, media_type="text/plain; charset=utf-8", headers=headers)

    return routes


def _mail(stored: Stored) -> Mail:
    try:
        return read_mail(_beginning(stored, MOST_READ))
    except OSError as exc:
        raise HTTPException(404) from exc
