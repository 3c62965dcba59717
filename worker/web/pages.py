"""Templates into pages: one Jinja2 environment per language, strict and escaping, made once with the app.

The language of a page is `?ui=` in its address, which its links keep; else the language of the campaign's text, where
there are words in it; else what the browser asks for.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from babel import Locale
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from worker.web import tellings
from worker.web.static_files import StaticFiles
from worker.web.views import CampaignView, Choice, OfficeView, Page
from worker.web.words import LANGUAGES, Words, choose, direction, load, own_name

_ENGLISH = Locale("en")
_LONGEST_QUERY = 2_000  # characters of a query that links carry on


class Pages:
    """Renders pages. `base_url` is the public address of the service without a slash at its end, or ""."""

    def __init__(self, base_url: str = "") -> None:
        self.static = StaticFiles()
        self.words = load()
        self._base_url = base_url
        self._environments = {language: environment(words, self.static) for language, words in self.words.items()}

    def words_for(self, request: Request, language: str = "") -> Words:
        """The words of the page that answers `request`; `language` is that of the campaign's text, if there is one."""
        wanted = request.query_params.get("ui", "")
        fallback = choose(request.headers.get("accept-language", ""), language, LANGUAGES)
        return self.words[choose("", wanted, (fallback, *LANGUAGES))]

    def html(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        words: Words | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """`template` filled with `context`, in the language of the page.

        Read from the context: `campaign`, `language` (of the text; default the campaign's), `frame` and `rehearsal`
        (bool), `at` (the path that this page has under GET, where `request` was another: the language switch leads there).
        """
        campaign = context.get("campaign")
        words = words or self.words_for(request, str(context.get("language") or getattr(campaign, "language", "")))
        links = Links(request, context.pop("at", "") or _path(request, campaign))
        frame = bool(context.get("frame") or getattr(context.get("form"), "frame", False))
        rehearsal = bool(context.get("rehearsal") or getattr(campaign, "rehearsal", False))
        page = self._page(words, links, campaign, frame=frame, rehearsal=rehearsal)
        filled = {**context, "words": words, "page": page, "status": status, "here": links.here, "link": links.link}
        body = self._environments[words.language].get_template(template).render(filled)
        spoken = {"Content-Language": words.language, "Vary": "Accept-Language"}
        return HTMLResponse(body, status, {**spoken, **(headers or {})})

    def _page(
        self, words: Words, links: "Links", campaign: CampaignView | None, *, frame: bool, rehearsal: bool
    ) -> Page:
        return Page(
            campaign=campaign,
            look=f"/c/{campaign.slug}/look.css" if campaign is not None and campaign.has_look else "",
            languages=tuple(
                Choice(one, own_name(one), one == words.language, links.here(ui=one)) for one in self.words
            ),
            rehearsal=rehearsal,
            frame=frame,
            url=f"{self._base_url}{links.path}" if self._base_url else "",
            ui=links.ui,
        )


class Links:
    """Addresses within one page that keep the language asked for."""

    def __init__(self, request: Request, path: str) -> None:
        self.path = path
        self._query = dict(parse_qsl(request.url.query[:_LONGEST_QUERY])) if request.method in {"GET", "HEAD"} else {}
        wanted = request.query_params.get("ui", "")
        self.ui = wanted if wanted in LANGUAGES else ""

    def here(self, **changed: str) -> str:
        """This page with `changed` parameters; "" takes one away."""
        return _with(self.path, {**self._query, **changed})

    def link(self, path: str, **query: str) -> str:
        """`path`, in the language of this page if that was asked for."""
        return _with(path, {"ui": self.ui, **query})


def _with(path: str, query: Mapping[str, str]) -> str:
    left = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{left}" if left else path


def _path(request: Request, campaign: CampaignView | None) -> str:
    """The page's own path. One slash begins it: two would name another host."""
    if campaign is not None and request.method not in {"GET", "HEAD"}:
        return f"/c/{campaign.slug}"
    return "/" + quote(request.scope["path"].lstrip("/\\"), safe="/~:@!$&'()*+,;=-._")


def environment(words: Words, static: StaticFiles) -> Environment:
    """The environment of one language. Strict: a name that a route did not give raises."""
    made = Environment(
        loader=PackageLoader("worker.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    installed = words.translations
    made.install_gettext_callables(installed.gettext, installed.ngettext, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    made.globals.update(
        static=static.path,
        direction=direction,
        own_name=own_name,
        state_words=tellings.state_words,
        problem=tellings.problem,
        names_country=names_country,
    )
    made.filters["paragraphs"] = paragraphs
    return made


def paragraphs(text: str) -> list[str]:
    """The paragraphs of `text`, which blank lines part."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


def names_country(office: OfficeView, words: Words) -> bool:
    """Whether the country is to be named beside the office: its organisation does not say it, here or in English."""
    names = {words.country(office.country), _ENGLISH.territories.get(office.country, "")} if office.country else set()
    return bool(names) and not any(name and name in office.organisation for name in names)
