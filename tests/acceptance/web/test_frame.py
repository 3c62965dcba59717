"""The form in a frame of somebody else's site: of the campaign's own site it may be, of no other."""

import pytest
from playwright.sync_api import expect

from tests.acceptance.web.house import FEW
from tests.acceptance.web.steps import Person, confirm, fill, read_confirmation, watch_all_sent

SHOWN = "shown-library"  # names the site in its config


def test_signed_in_a_frame_of_the_campaigns_own_site(visitors, house, site):
    page, person = visitors.page(site.origin, house.base), Person.new()
    page.goto(f"/?{house.base}/c/{SHOWN}/embed")
    form = page.frame_locator("iframe")
    expect(form.get_by_role("heading", level=1)).to_have_text("Keep the town library open")
    form.locator("#form button[type=submit]").click()
    expect(form.locator("#problems li")).to_have_count(4)  # errors are shown in the frame too
    expect(form.locator("#problems")).to_be_focused()
    before = house.newest_signer()
    fill(form, person)
    form.locator("#form button[type=submit]").click()
    expect(form.get_by_role("heading", level=1)).to_have_text("Check your mailbox")
    read_confirmation(page, house, house.newcomer(before))
    confirm(page)
    watch_all_sent(page, house, 2)


@pytest.mark.parametrize("path", [f"{FEW}/embed", SHOWN, f"{SHOWN}/privacy"], ids=["another", "page", "privacy"])
def test_nothing_else_may_be_framed(visitors, house, site, path):
    visitors.guard.expect(r"frame-ancestors")
    page = visitors.page(site.origin, house.base)
    with page.expect_event("console", lambda message: "frame-ancestors" in message.text):
        page.goto(f"/?{house.base}/c/{path}")
    expect(page.frame_locator("iframe").locator("#main")).to_have_count(0)
