"""axe-core, WCAG 2.2 AA and its best practices: every page, in every state, light and dark, on a phone and on a desk.

What a program can find is about a third of what WCAG asks; the keyboard has tests of its own in `test_form.py`.
"""

import json
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.acceptance.web.house import FEW, FRENCH, MANY
from tests.acceptance.web.steps import (
    Person,
    confirm,
    fill,
    open_message,
    read_confirmation,
    send,
    watch_all_sent,
)

EVERYTHING = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
SHAPES = (
    # every rule in both themes and at both widths; those that hang on both, colours, in all four
    (1280, "light", EVERYTHING),
    (1280, "dark", COLOURS),
    (360, "light", COLOURS),
    (360, "dark", EVERYTHING),
)
NARROWEST = 320  # 1.4.10 Reflow
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Audit:
    """Looks at pages in all their shapes, or in those that are given, and keeps what it finds."""

    def __init__(self, page, shapes=SHAPES):
        self.page, self.shapes, self.found, self.looked = page, shapes, [], 0

    def look(self, name):
        """The page as it is now."""
        self.page.evaluate(Axe().axe_script)
        for width, theme, rules in self.shapes:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            self.page.evaluate(SETTLED)
            options = {"runOnly": rules, "resultTypes": ["violations"], "iframes": False}
            found = self.page.evaluate(f"axe.run({json.dumps(options)})")
            self._note(name, f"{theme}, {width} px", found["violations"])
        self.page.set_viewport_size({"width": NARROWEST, "height": 900})
        self.page.evaluate(SETTLED)
        if (over := self.page.evaluate(WIDE)) > 0:
            self.found.append(f"{name}: {over} px too wide for {NARROWEST} px")

    def visit(self, path):
        self.page.goto(path)
        self.look(path)

    def _note(self, name, shape, violations):
        self.looked += 1
        for each in violations:
            places = [f"{node['html'][:160]}\n      {node['failureSummary']}" for node in each["nodes"][:3]]
            self.found.append(f"{name} ({shape}): {each['id']}: {each['help']}\n    " + "\n    ".join(places))


@contextmanager
def audit(visitors, house, also=(), **options):
    """An audit of one visitor's pages; axe is a script of ours, so that their policy must let it in."""
    auditor = Audit(visitors.page(house.base, *also, bypass_csp=True, **options))
    yield auditor
    assert not auditor.found, "\n".join(auditor.found)
    assert auditor.looked >= len(SHAPES)


def test_it_finds_what_is_wrong(visitors, house):
    page = visitors.page(house.base, bypass_csp=True)
    page.goto(f"/c/{FEW}/link")
    page.evaluate("document.querySelector('label[for=email]').remove()")
    page.evaluate("document.querySelector('h1').style.minWidth = '900px'")
    auditor = Audit(page)
    auditor.look("spoiled")
    assert any("label" in each for each in auditor.found)
    assert any("too wide" in each for each in auditor.found)


def test_pages_that_anybody_sees(visitors, house):
    with audit(visitors, house) as audited:
        for path in ("/", f"/c/{MANY}", f"/c/{FEW}", f"/c/{FEW}/embed", f"/c/{FEW}/privacy"):
            audited.visit(path)
        audited.visit("/c/closed-library")
        for path in (f"/c/{FEW}/link", f"/c/{FEW}/sent", "/no-such-page", "/confirm/nothing", "/rehearsal"):
            audited.visit(path)


def test_pages_in_french_in_a_campaigns_own_colours(visitors, house):
    with audit(visitors, house, locale="fr-FR") as audited:
        audited.visit(f"/c/{FRENCH}")
        audited.visit(f"/c/{FRENCH}/privacy")


def test_forms_with_errors(visitors, house):
    with audit(visitors, house) as audited:
        page = audited.page
        for path in (f"/c/{FEW}", f"/c/{FEW}/embed"):
            page.goto(path)
            page.locator("#email").fill("sample.signer@gmial.com")
            page.locator("#comment").fill("In my own words.")
            for box in page.locator("input[name=office]").all():
                box.uncheck()
            page.locator("#form button[type=submit]").click()
            expect(page.locator("#problems li")).not_to_have_count(0)
            audited.look(f"{path} with errors")
        page.goto(f"/c/{FEW}/link")
        page.locator("#email").fill("nobody")
        page.get_by_role("button", name="Send me the link").click()
        expect(page.locator("#email-error")).to_be_visible()
        audited.look("lost link, with an error")


def test_a_form_that_asks_for_a_proof_of_work(visitors, house, busy):
    with audit(visitors, house, also=(busy,)) as audited:
        page, place = audited.page, f"{busy}/c/flooded-library"
        page.goto(place)
        if page.locator("[data-challenge]").count() == 0:  # the first form of this minute
            fill(page, Person.new())
            send(page)
            page.goto(place)
        page.locator("#name").fill("Sample")
        expect(page.locator("[data-challenge] [role=status]")).to_have_text("Checked. You can send the form.")
        audited.look("a proof of work")


def test_pages_of_a_signer(visitors, house):
    with audit(visitors, house) as audited:
        page, person = audited.page, Person.new()
        before = house.newest_signer()
        page.goto(f"/c/{FEW}")
        fill(page, person)
        send(page)
        signer = house.newcomer(before)
        open_message(page, house, signer, "confirm")
        page.locator("summary", has_text="Headers").click()
        audited.look("a message in the inbox")
        link = page.locator("pre a[href*='/never/']").get_attribute("href")
        audited.visit(link)
        audited.visit("/rehearsal")
        read_confirmation(page, house, signer)
        audited.look("confirmation")
        confirm(page)
        watch_all_sent(page, house, 2)
        for deed in page.locator(".deeds summary").all():
            deed.click()
        audited.look("own page, everything unfolded")
        own = page.url
        audited.visit(f"{own}/erase")
        page.goto(own)
        page.locator("summary", has_text="Withdraw").click()
        page.get_by_role("button", name="Withdraw my signature").click()
        expect(page.locator(".note.good[role=status]")).to_be_visible()
        audited.look("own page, withdrawn")
        page.goto(f"{own}/erase")
        page.locator("#erase").check()
        page.get_by_role("button", name="Erase me").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You were erased")
        audited.look("erased")
