"""The dashboard in a real browser: every page by axe-core, live parts, acting from a need to its end, a phone, no script."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.web.night import PASSWORD, a_night
from tests.acceptance.web.test_accessibility import SHAPES, Audit
from tests.fixtures.backlog import REFUSES, TARPITS

PAGES = (
    "/ops?span=day", "/ops/letters?state=queued", "/ops/letters/40", "/ops/offices", f"/ops/offices/{REFUSES}",
    "/ops/offices/sampleton-mayor", "/ops/sendouts", "/ops/sendouts/1", "/ops/acts", "/ops/search?q=nato", "/ops/reviews",
    f"/ops/act/letters-cancel?office={REFUSES}", "/ops/act/hold", "/ops/act/limit", f"/ops/act/redirect?office={REFUSES}",
)  # fmt: skip
WHOLLY = {"/ops?span=day", "/ops/letters?state=queued", "/ops/act/limit"}
"""An overview, a list and a form: these in all shapes. The others are made of the same parts and colours: in the first."""


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    with a_night(tmp_path_factory.mktemp("ops") / "home", people=12) as (_, base):
        yield base


@pytest.fixture(scope="module")
def sessions(browser, night):
    """Two operators who have logged in: what their browsers keep."""
    kept = {}
    for name in ("olga", "vera"):
        context = browser.new_context(base_url=night)
        log_in(context.new_page(), name)
        kept[name] = context.storage_state()
        context.close()
    return kept


def log_in(page, name="olga"):
    page.goto("/ops/login")
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.wait_for_url("**/ops")
    return page


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_accessible(visitors, night, sessions, path):
    audited = Audit(
        visitors.page(night, bypass_csp=True, storage_state=sessions["olga"]), SHAPES if path in WHOLLY else SHAPES[:1]
    )
    audited.page.goto(path)
    for each in audited.page.locator("summary").all():
        each.click()
    audited.look(path)
    assert not audited.found, "\n".join(audited.found)


def test_the_overview_is_live(visitors, night, sessions):
    page, other = (visitors.page(night, storage_state=sessions["olga"]) for _ in range(2))
    page.goto("/ops")
    expect(page.locator("#live-state")).to_have_text("live")
    page.locator("summary", has_text="As a table").first.click()
    other.goto(f"/ops/act/hold?scope=office&target={TARPITS}")
    other.locator("#reason").fill("for the live page")
    other.locator("button[value=do]").click()
    other.wait_for_url(re.compile(r"/ops\?said="))
    expect(page.locator("#part-relays")).to_contain_text("for the live page")
    expect(page.locator("details[open] summary", has_text="As a table").first).to_be_visible()


def test_from_a_need_to_its_end_and_back(visitors, night, sessions):
    page = visitors.page(night, bypass_csp=True, storage_state=sessions["olga"])
    audited = Audit(page, SHAPES[:1])
    page.goto("/ops")
    page.locator("#part-needs a", has_text="Resolve").click()
    page.wait_for_url("**/ops/act/letters-resolve-sent**")
    page.goto(f"/ops/letters?office={REFUSES}&state=queued")
    page.get_by_role("link", name="Hold").click()
    page.locator("#reason").fill("until the address is found")
    page.locator("button[value=do]").click()
    page.wait_for_url("**/ops/acts/*")
    expect(page.locator("#part-act")).to_contain_text("Done")
    page.reload()
    audited.look("an act that is done")
    page.get_by_role("link", name="Take it back").click()
    audited.look("an act to be taken back")
    assert not audited.found, "\n".join(audited.found)
    page.locator("#reason").fill("it is found")
    page.locator("button[value=do]").click()
    page.wait_for_url("**/ops/acts/*")
    expect(page.locator("#part-act")).to_contain_text("Done")


def test_a_viewer_has_no_buttons(visitors, night, sessions):
    page = visitors.page(night, storage_state=sessions["vera"])
    for path in PAGES[:11]:
        page.goto(path)
        assert "/ops/login" not in page.url
        assert page.locator("a[href^='/ops/act/']").count() == 0
        assert page.locator("main form[method=post]").count() == 0


def test_it_works_without_javascript_on_a_phone(visitors, night):
    page = log_in(visitors.page(night, java_script_enabled=False, viewport={"width": 360, "height": 780}))
    page.goto("/ops?span=day")
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    assert page.locator(".plot .line").count() >= 2
    page.goto(f"/ops/act/hold?scope=office&target={REFUSES}")
    page.locator("#reason").fill("by hand")
    page.locator("button[value=do]").click()
    page.wait_for_url(re.compile(r"/ops\?said="))
