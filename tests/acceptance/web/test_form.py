"""The form itself: by keyboard alone, with slips of the fingers, in haste, and under a flood."""

import json

from playwright.sync_api import expect

from tests.acceptance.web.house import FEW
from tests.acceptance.web.steps import Person, confirm, fill, read_confirmation, send, watch_all_sent
from tests.support import until

BUSY, FLOODED = "busy-library", "flooded-library"
FOCUSED = "document.activeElement?.id || document.activeElement?.tagName"
RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1;
}"""


def tab_to(page, wanted, most=60):
    """Press Tab until the element with this id has the focus, which must be seen at each stop."""
    for _ in range(most):
        page.keyboard.press("Tab")
        assert page.evaluate(RING), f"no visible focus at {page.evaluate(FOCUSED)}"
        if page.evaluate(FOCUSED) == wanted:
            return
    raise AssertionError(f"{wanted} is not reached with Tab")


def follow(page, target):
    """Follow, by keyboard, the link to `#target` in the summary of errors."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == f"#{target}":
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"the summary leads nowhere to #{target}")


def test_by_keyboard_alone(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    page.goto(f"/c/{FEW}")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "name")
    page.keyboard.press("Enter")  # sends it as it is

    expect(page.locator("#problems")).to_be_focused()
    for field in ("name", "email", "country", "send"):
        expect(page.locator("#problems")).to_be_visible()
        page.locator("#problems").focus()
        follow(page, field)
        expect(page.locator(f"#{field}")).to_be_focused()
        expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
    page.locator("#problems").focus()
    tab_to(page, "name")
    page.keyboard.type(person.name)
    tab_to(page, "email")
    page.keyboard.type(person.email)
    tab_to(page, "country")
    page.keyboard.type("Irel")
    expect(page.locator("#country")).to_have_value("IE")
    tab_to(page, "send")
    page.keyboard.press("Space")
    expect(page.locator("#send")).to_be_checked()
    before = house.newest_signer()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sent")
    read_confirmation(page, house, house.newcomer(before))
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == "BUTTON":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/me/*")


def test_what_was_written_is_kept_and_a_typo_is_asked_about(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    page.goto(f"/c/{FEW}")
    fill(page, person)
    page.locator("#email").fill("sample.signer@gmial.com")
    page.locator("#comment").fill("Two lines,\nand an end.")
    page.locator("#yearly").check()
    page.locator("#office-sampleton-mayor").uncheck()
    page.locator("#form button[type=submit]").click()
    expect(page.locator("#problems li")).to_have_count(1)
    assert page.title().startswith("Error:")
    for field, value in (
        ("name", person.name),
        ("email", "sample.signer@gmial.com"),
        ("country", person.country),
        ("city", person.city),
        ("comment", "Two lines,\nand an end."),
    ):
        expect(page.locator(f"#{field}")).to_have_value(value)
    expect(page.locator("#yearly")).to_be_checked()
    expect(page.locator("#send")).to_be_checked()
    expect(page.locator("#office-sampleton-mayor")).not_to_be_checked()
    expect(page.locator("#office-sampleton-library-committee")).to_be_checked()
    page.get_by_label("I meant sample.signer@gmail.com").check()
    before = house.newest_signer()
    send(page)
    read_confirmation(page, house, house.newcomer(before))
    expect(page.locator("ul.offices").first.locator("li")).to_have_count(1)
    expect(page.locator("#sheet")).to_contain_text("and an end.")
    confirm(page)
    with page.expect_download() as coming:
        page.locator("summary", has_text="Download my data").click()
        page.get_by_role("button", name="Download my data").click()
    data = json.loads(coming.value.path().read_text())
    assert data["person"]["email"] == "sample.signer@gmail.com"
    assert [each["kind"] for each in data["consents"]] == ["send", "yearly"]


def test_a_form_that_comes_back_too_soon_is_shown_again(visitors, slow, house):
    page, person = visitors.page(slow), Person.new()
    page.goto(f"/c/{FEW}")
    before = house.newest_signer()
    fill(page, person)
    page.locator("#form button[type=submit]").click()
    expect(page.locator("#problems")).to_contain_text("That was very quick.")
    expect(page.locator("#name")).to_have_value(person.name)
    assert house.newest_signer() == before


def test_the_honeypot_is_out_of_sight_and_fills_no_ledger(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    page.goto(f"/c/{FEW}")
    before = house.newest_signer()
    fill(page, person)
    trap = page.locator("#website")
    box = trap.bounding_box()
    assert box is None or box["x"] + box["width"] <= 0 or box["y"] + box["height"] <= 0 or box["width"] <= 1
    trap.evaluate("field => field.value = 'https://spam.example'")
    send(page)  # answered like any other
    assert house.newest_signer() == before


def test_under_a_flood_a_proof_of_work_is_asked(visitors, house, busy):
    forerunner, page, person = visitors.page(busy), visitors.page(busy, house.base), Person.new()
    forerunner.goto(f"/c/{BUSY}")
    expect(forerunner.locator("[data-challenge]")).to_have_count(0)
    fill(forerunner, Person.new())
    send(forerunner)

    before = house.newest_signer()
    page.goto(f"/c/{BUSY}")
    fill(page, person)
    expect(page.locator("[data-challenge] [role=status]")).to_have_text("Checked. You can send the form.")
    send(page)
    read_confirmation(page, house, house.newcomer(before))
    confirm(page)
    watch_all_sent(page, house, 2)

    early, hasty = visitors.page(busy), Person.new()
    early.goto(f"/c/{BUSY}")
    before = house.newest_signer()
    fill(early, hasty)
    early.locator("#form button[type=submit]").click()  # perhaps before the work is done: it goes by itself then
    early.wait_for_url("**/sent")
    assert house.newcomer(before)
    assert not held(house, before)


def test_under_a_flood_a_signature_without_javascript_waits_for_a_look(visitors, house, busy):
    page, person = visitors.page(busy, java_script_enabled=False), Person.new()
    page.goto(f"/c/{FLOODED}")
    if page.locator("[data-challenge]").count() == 0:  # the first form of this minute
        fill(page, Person.new())
        send(page)
        page.goto(f"/c/{FLOODED}")
    before = house.newest_signer()
    fill(page, person)
    send(page)
    (waiting,) = until(lambda: held(house, before), "the signature to wait for a look")
    assert (waiting["campaign"], waiting["why"]) == (FLOODED, "no proof of work")
    assert not house.mail_to(f"signer-{before + 1}")
    house.home.run("signatures", "approve", waiting["signature"], "--reason", "a person, by their words")
    until(lambda: house.mail_to(f"signer-{before + 1}", "/confirm/"), "the notice, once approved", 60)


def held(house, since):
    """Who came after the signer `since` and waits for a look, as an operator sees it."""
    listed = json.loads(house.home.run("signatures", "held", "--limit", "1000", "--json"))["signatures"]
    late = {row[0] for row in house.ask("SELECT id FROM signatures WHERE signer_id > ?", since)}
    return [each for each in listed if each["signature"] in late]
