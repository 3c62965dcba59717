"""What signers do on their own page: withdraw, correct, choose, take their data away, and be erased."""

import json
import re
import sqlite3
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.acceptance.web.house import FEW, plain
from tests.acceptance.web.steps import (
    Person,
    confirm,
    fill,
    open_deed,
    open_message,
    send,
    sign,
    signed,
    watch_all_sent,
)

HELD = "held-library"
OFFICES = 2


@contextmanager
def held(house):
    """Meanwhile no letter of the campaign leaves."""
    house.home.run("hold", "campaign", HELD, "--reason", "a test", "--yes")
    yield
    house.home.run("resume", "campaign", HELD, "--reason", "a test", "--yes")


def notices_sent(page, words):
    expect(page.locator(".note.good[role=status]")).to_contain_text(words)


def test_withdrawn_before_it_is_sent_it_is_never_sent(visitors, house):
    page, person, control = visitors.page(house.base), Person.new(), Person.new()
    sign(page, house, HELD, person)
    other = visitors.page(house.base)
    sign(other, house, HELD, control)
    with held(house):
        confirm(page)
        confirm(other)
        expect(page.locator("ul.letters > li")).to_have_count(OFFICES)
        open_deed(page, "Withdraw")
        page.get_by_role("button", name="Withdraw my signature").click()
        notices_sent(page, "Withdrawn")
        expect(page.locator("ul.letters .state")).to_have_text(["Taken back"] * OFFICES)
        expect(page.locator("details", has_text="Withdraw")).to_have_count(0)
    watch_all_sent(other, house, OFFICES)
    assert len(house.letters_of(control.name)) == OFFICES
    assert not house.letters_of(person.name)


def test_a_name_corrected_before_dispatch_stands_in_the_letters(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    sign(page, house, HELD, person)
    with held(house):
        confirm(page)
        open_deed(page, "Correct what is not sent yet")
        page.locator("#name").fill("")
        page.get_by_role("button", name="Correct my letters").click()
        expect(page.locator("#name-error")).to_have_text("Please write your name.")
        corrected = f"{person.name} the Elder"
        page.locator("#name").fill(corrected)
        page.get_by_role("button", name="Correct my letters").click()
        notices_sent(page, "Corrected")
        expect(page.locator(".lede")).to_contain_text(corrected)
    watch_all_sent(page, house, OFFICES)
    assert len(house.letters_of(corrected)) == OFFICES
    assert not house.letters_of(person.name)
    expect(page.locator("summary", has_text="Correct what is not sent yet")).to_have_count(0)


def test_consents_are_switched_and_stay_so(visitors, house):
    page, _, _ = signed(visitors, house, FEW)
    for wish, now in (("yearly", True), ("answer", True), ("yearly", False)):
        open_deed(page, "Change what you agreed to")
        box = page.locator(f"#{wish}")
        assert box.is_checked() is not now, "nothing is ticked beforehand"
        box.set_checked(now)
        page.get_by_role("button", name="Save my choices").click()
        notices_sent(page, "saved")
    page.reload()
    open_deed(page, "Change what you agreed to")
    ticked = page.locator("input[name=consent]:checked")
    assert [each.get_attribute("value") for each in ticked.all()] == ["answer"]


def test_the_link_comes_again_and_the_data_are_taken_away(visitors, house):
    page, person, signer = signed(visitors, house, FEW)
    watch_all_sent(page, house, OFFICES)
    open_message(page, house, signer, "Your letters, and your own page")
    page.locator("pre a[href*='/me/']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your letters")
    open_deed(page, "Get this link again")
    page.get_by_role("button", name="Send the link to my mailbox").click()
    notices_sent(page, "on its way")
    open_deed(page, "Download my data")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download my data").click()
    assert coming.value.suggested_filename == "my-letters.json"
    data = json.loads(coming.value.path().read_text())
    assert (data["person"]["name"], data["person"]["email"]) == (person.name, person.email)
    assert [consent["kind"] for consent in data["consents"]] == ["send"]
    assert [letter["state"] for letter in data["letters"]] == ["sent"] * OFFICES


def test_erased_nothing_of_the_signer_is_left(visitors, house):
    page, person = visitors.page(house.base), Person("Erasmine Quindlewick", "erasmine.quindlewick@signers.example")
    sign(page, house, FEW, person)
    confirm(page)
    watch_all_sent(page, house, OFFICES)
    link = page.url
    open_deed(page, "Erase me")
    page.get_by_role("link", name="Go on to erasing").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Erase everything about you?")
    page.locator("form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Erase me").click()  # without the tick
    expect(page.locator("#erase-error")).to_be_visible()
    page.locator("#erase").check()
    page.get_by_role("button", name="Erase me").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You were erased")
    answer = page.goto(link)
    assert answer is not None
    assert answer.status == 410
    expect(page.get_by_role("heading", level=1)).to_have_text("You were erased")
    nothing_left(house, person)


def nothing_left(house, person):
    """No file under var/ holds the name or the address, except where sent letters lie."""
    with sqlite3.connect(house.var / "ledger.db", timeout=30) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    words = re.compile("|".join(map(re.escape, (person.name, person.email, "quindlewick"))).encode(), re.IGNORECASE)
    files = [path for path in house.var.rglob("*") if path.is_file()]
    found = {path.relative_to(house.var).parts[0] for path in files if words.search(path.read_bytes())}
    assert {"ledger.db", "web.log", "worker.log"} <= {path.name for path in files}
    assert found == {"sink"}


def test_never_again(visitors, house):
    page, person, stranger = visitors.page(house.base), Person.new(), Person.new()
    signer = sign(page, house, FEW, person)
    open_message(page, house, signer, "confirm")
    page.locator("pre a[href*='/never/']").click()
    page.get_by_role("button", name="Never write to me again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We will not write to you again")
    before = len(house.mail_to(signer))

    sign_again = visitors.page(house.base)
    sign_again.goto(f"/c/{HELD}")
    fill(sign_again, person)
    send(sign_again)  # answered like any other
    sign(visitors.page(house.base), house, HELD, stranger)  # whose message came, so that theirs would have come too
    assert len(house.mail_to(signer)) == before
    old = visitors.page(house.base)
    open_message(old, house, signer, "confirm")
    assert "/confirm/" in plain(house.mail_to(signer)[0])
    old.locator("pre a[href*='/confirm/']").click()
    expect(old.get_by_role("heading", level=1)).to_have_text("Your letters were withdrawn")
