"""The pages as text: whole and escaped, in either language and direction, small, and with nothing from elsewhere."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError
from markupsafe import escape

from tests.unit.web.faces import CAMPAIGN, FORM, KINDS, LETTER, OFFICES, PAGES, SIGNER, asked
from worker.web.pages import Pages, environment, names_country, paragraphs
from worker.web.views import Page
from worker.web.words import Words

SITE = Pages("https://letters.example")
VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "path", "circle", "rect"})
PHYSICAL = re.compile(
    r"(?<![\w-])(?:margin|padding|border)-(?:left|right)|(?<![\w-])(?:left|right)\s*:|:\s*(?:left|right)\s*;"
)


class Reading(HTMLParser):
    """Elements, ids, references and text of a page; fails where one element ends in another."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **attrs: str) -> list[dict[str, str | None]]:
        return [given for name, given in self.elements if name == tag and attrs.items() <= given.items()]


def page(name: str, ui: str = "en", **more: object) -> str:
    template, context = PAGES[name]
    answer = SITE.html(asked(query=f"ui={ui}"), template, 404 if name == "error" else 200, **{**context, **more})
    return bytes(answer.body).decode()


@pytest.mark.parametrize("ui", ["en", "fr"])
@pytest.mark.parametrize("name", list(PAGES))
class TestEveryPage:
    def test_it_is_whole(self, name, ui):
        read = Reading(page(name, ui))
        assert read.all("html")[0] == {"lang": ui, "dir": "ltr"}
        assert len(read.all("h1")) == len(read.all("title")) == len(read.all("main", id="main")) == 1
        assert read.all("a", href="#main")
        ids = [given["id"] for _, given in read.elements if "id" in given]
        assert len(ids) == len(set(ids))

    def test_what_is_referred_to_is_there(self, name, ui):
        read = Reading(page(name, ui))
        ids = {given["id"] for _, given in read.elements if "id" in given}
        wanted = {
            word
            for _, given in read.elements
            for key in ("for", "aria-labelledby", "aria-describedby")
            for word in (given.get(key) or "").split()
        }
        wanted |= {(given["href"] or "")[1:] for given in read.all("a") if (given["href"] or "").startswith("#")}
        assert wanted <= ids

    def test_each_field_has_a_label(self, name, ui):
        read = Reading(page(name, ui))
        labelled = {given["for"] for given in read.all("label")}
        for tag in ("input", "select", "textarea", "progress"):
            for given in read.all(tag):
                assert given.get("type") == "hidden" or given["id"] in labelled

    def test_the_policy_has_nothing_to_forbid(self, name, ui):
        read = Reading(page(name, ui))
        assert not read.all("style")
        assert all(given.get("src") for given in read.all("script"))
        assert not [key for _, given in read.elements for key in given if key == "style" or key.startswith("on")]

    def test_nothing_is_fetched_from_elsewhere_and_all_is_small(self, name, ui):
        text = page(name, ui)
        read = Reading(text)
        sources = [given.get("src") or "" for tag in ("script", "img") for given in read.all(tag)]
        sources += [given["href"] or "" for given in read.all("link") if given["rel"] != "canonical"]
        assert all(source.startswith("/") and not source.startswith("//") for source in sources)
        files = [SITE.static.files[source.rsplit("/", 1)[1]] for source in sources if source.startswith("/static/")]
        assert len(text.encode()) + sum(len(file.body) for file in files) < 100_000

    def test_links_keep_the_language(self, name, ui):
        read = Reading(page(name, ui))
        own = [given["href"] or "" for given in read.all("a") if (given["href"] or "").startswith("/")]
        assert own
        assert all("ui=" in href for href in own)
        assert all("ui=" in (given["action"] or "") for given in read.all("form", method="post"))


class TestLanguage:
    @pytest.mark.parametrize(
        ("query", "language", "accept", "expected"),
        [
            ("ui=fr", "en", "en", "fr"),
            ("", "fr", "en", "fr"),
            ("", "az", "fr", "fr"),
            ("ui=zz", "", "fr", "fr"),
            ("", "", "", "en"),
        ],
    )
    def test_which_one(self, query, language, accept, expected):
        assert SITE.words_for(asked(query=query, accept=accept), language).language == expected

    def test_the_campaigns_text_gives_it(self):
        campaign = dataclasses.replace(CAMPAIGN, language="fr")
        answer = SITE.html(asked(), "sent.html", campaign=campaign, frame=False)
        assert answer.headers["content-language"] == "fr"

    def test_the_switch_leads_to_this_page(self):
        answer = SITE.html(asked("/c/library", "office=mayor&ui=en"), "sent.html", campaign=CAMPAIGN)
        assert b'href="/c/library?office=mayor&amp;ui=fr"' in answer.body

    def test_after_a_post_it_leads_to_the_page_under_get(self):
        given = SITE.html(asked("/c/library/sign", "a=b", method="POST"), "sent.html", campaign=CAMPAIGN)
        named = SITE.html(asked("/me/t/erase", method="POST"), "sent.html", campaign=CAMPAIGN, at="/me/t")
        assert b'href="/c/library?ui=fr"' in given.body
        assert b'href="/me/t?ui=fr"' in named.body

    @pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example", '/"><script>'])
    def test_no_path_leads_to_another_host(self, path):
        answer = SITE.html(asked(path, "x=%22%3E%3Cscript%3E"), "error.html", 404)
        hrefs = [given["href"] or "" for given in Reading(bytes(answer.body).decode()).all("a")]
        assert not any(href.startswith(("//", "/\\")) for href in hrefs)
        assert b"<script>" not in answer.body

    def test_right_to_left(self):
        made = environment(Words("ar"), SITE.static)
        context = {"words": Words("ar"), "page": Page(), "here": str, "link": str}
        read = Reading(made.get_template("base.html").render(context))
        assert read.all("html")[0] == {"lang": "ar", "dir": "rtl"}

    def test_a_text_of_another_direction_says_so(self):
        campaign = dataclasses.replace(CAMPAIGN, language="ar")
        read = Reading(page("campaign", campaign=campaign, letter=dataclasses.replace(LETTER, language="ar")))
        assert read.all("article", lang="ar", dir="rtl")
        assert read.all("ol", lang="ar", dir="rtl")
        assert read.all("input", name="language", value="ar")

    def test_the_stylesheet_knows_no_left_and_right(self):
        assert PHYSICAL.search("margin-left: 1px")
        assert PHYSICAL.search("left: 0")
        assert PHYSICAL.search("text-align: left;")
        assert PHYSICAL.search(SITE.static.files["lettershop.css"].body.decode()) is None


class TestForm:
    def test_nothing_is_ticked_but_the_offices(self):
        read = Reading(page("campaign"))
        ticked = [given["value"] for given in read.all("input", type="checkbox") if "checked" in given]
        assert ticked == ["mayor"]
        assert [given["value"] for given in read.all("input", name="consent")] == list(KINDS)
        assert "disabled" in read.all("input", value="shut")[0]

    def test_what_a_robot_fills_in_is_hidden_from_people(self):
        read = Reading(page("campaign"))
        assert read.all("input", name="website", tabindex="-1", autocomplete="off")
        assert read.all("div", **{"class": "trap", "aria-hidden": "true"})
        assert read.all("input", name="stamp", value="st")
        assert read.all("input", name="version", value="ve")

    def test_errors_stand_on_top_and_beside(self):
        text = page("wrong")
        read = Reading(text)
        assert read.all("div", role="alert", tabindex="-1")[0].get("autofocus", "") is None
        for field in ("name", "email", "country", "send", "offices", "email_choice"):
            assert text.count(f"Sentence on {field}.") == 2
            assert read.all("a", href=f"#{field}")
            assert read.all("p", id=f"{field}-error")
        assert text.count("Sentence on form.") == 1
        assert read.all("input", id="email", **{"aria-invalid": "true", "aria-describedby": "email-hint email-error"})
        assert "Error:" in text[: text.index("</title>")]

    def test_no_name_of_a_method_is_an_error(self):
        assert "built-in" not in page("campaign")
        assert not Reading(page("campaign")).all("input", value="copy")[0].get("aria-invalid")

    def test_what_was_typed_is_kept_and_escaped(self):
        text = page("wrong")
        read = Reading(text)
        assert read.all("input", name="name", value="<b>&")
        assert read.all("option", value="FR")[0].get("selected", "") is None
        assert str(escape("</textarea>")) in text

    def test_which_address_is_right(self):
        read = Reading(page("wrong"))
        assert [given["value"] for given in read.all("input", name="email_choice")] == ["suggested", "typed"]
        assert not Reading(page("campaign")).all("input", name="email_choice")

    def test_the_check_is_loaded_only_where_it_is_asked_for(self):
        assert Reading(page("wrong")).all("div", **{"data-challenge": "/altcha", "data-field": "altcha"})
        assert "challenge.js" in page("wrong")
        assert "challenge" not in page("campaign")

    def test_a_frame_has_the_form_alone(self):
        read = Reading(page("embed"))
        assert not read.all("header")
        assert not read.all("footer")
        framed = Reading(page("embed", form=dataclasses.replace(FORM, frame=True)))
        assert framed.all("input", name="frame", value="1")
        assert all(
            given.get("target") == "_blank" for given in framed.all("a") if not (given["href"] or "").startswith("#")
        )

    @pytest.mark.parametrize("openness", ["closed", "not yet"])
    def test_it_is_shown_while_the_letter_is_open(self, openness):
        closed = dataclasses.replace(CAMPAIGN, openness=openness)
        for name in ("campaign", "embed"):
            assert not Reading(page(name, campaign=closed)).all("form", id="form")


class TestPages:
    def test_numbers_are_written_as_the_reader_does(self):
        assert "1,284" in page("campaign")
        assert "1\u202f284" in page("campaign", "fr")

    def test_a_signers_page_offers_what_is_possible(self):
        everything = Reading(page("signer"))
        assert len(everything.all("form")) == 5
        assert everything.all("a", href="/me/t/erase?ui=en")
        nothing = dataclasses.replace(
            SIGNER, can_correct=False, can_withdraw=False, paths={"withdraw": "/w", "correct": "/c"}
        )
        assert not Reading(page("signer", signer=nothing)).all("form")

    def test_a_signers_page_escapes_what_others_wrote(self):
        text = page("signer")
        assert "Ada &lt;i&gt;" in text
        assert "250 2.0.0 &lt;ok&gt;" in text
        assert "<ok>" not in text

    @pytest.mark.parametrize("name", ["confirm", "signer", "erase", "message", "never"])
    def test_private_pages_are_not_indexed(self, name):
        assert Reading(page(name)).all("meta", name="robots", content="noindex, nofollow")

    def test_open_graph(self):
        read = Reading(page("campaign"))
        assert read.all("meta", property="og:title", content="Keep it open")
        assert read.all("meta", property="og:url", content="https://letters.example/c/library")

    def test_the_fragment_is_the_sheet_alone(self):
        answer = SITE.html(asked("/c/library/letter"), "letter_fragment.html", letter=LETTER, sample=True)
        read = Reading(bytes(answer.body).decode())
        assert read.elements[0][0] == "article"
        assert read.all("span", **{"data-fill": "name"})

    def test_what_a_route_forgot_raises(self):
        with pytest.raises(UndefinedError):
            SITE.html(asked(), "campaign.html", campaign=CAMPAIGN)

    def test_an_error_says_what_to_do(self):
        answer = SITE.html(asked(), "error.html", 429, {"Retry-After": "60"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert b"try again in an hour" in answer.body

    def test_a_country_is_named_once(self):
        named = dataclasses.replace(OFFICES[0], organisation="Embassy of Ireland")
        assert names_country(OFFICES[0], SITE.words["fr"])
        assert not names_country(named, SITE.words["fr"])
        assert not names_country(OFFICES[1], SITE.words["en"])

    def test_paragraphs(self):
        assert paragraphs("a\r\n\r\nb\nc\n\n\n") == ["a", "b\nc"]


class TestStatic:
    def test_a_file_is_kept_for_good(self):
        _, _, digest, name = SITE.static.path("lettershop.css").split("/")
        answer = SITE.static.response(digest, name)
        assert answer is not None
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/css")

    def test_the_page_of_another_release_gets_this_ones_file_and_keeps_it_not(self):
        answer = SITE.static.response("0" * 16, "form.js")
        assert answer is not None
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("name", ["nothing.css", "../words.py", "__init__.py", ""])
    def test_nothing_else_is_served(self, name):
        assert SITE.static.response(SITE.static.digest, name) is None
        with pytest.raises(KeyError):
            SITE.static.path(name)
