"""From the campaign's page to the letters at the offices: with JavaScript, without it, and in French."""

import re

from playwright.sync_api import expect

from tests.acceptance.web.house import FEW, FRENCH, MANY, plain
from tests.acceptance.web.steps import Person, confirm, fill, read_confirmation, send, sign, watch_all_sent
from tests.support import until

OFFICES = 11
OTHER_OFFICE = "nato-secretary-general"
OTHER_WORDS = "North Atlantic Treaty Organization"


def test_sign_confirm_and_watch_the_letters_arrive(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    page.goto("/")
    page.get_by_role("link", name="An open letter on Khojaly").click()
    sheet = page.locator("#sheet")
    expect(sheet.locator("[data-fill=name]").first).to_have_text("Your name")
    fill(page, person)
    expect(sheet.locator("[data-fill=name]").first).to_have_text(person.name)

    loads = []
    page.on("request", lambda request: loads.append(request.resource_type))
    page.locator("#to-office").select_option(OTHER_OFFICE)
    expect(sheet).to_have_attribute("data-office", OTHER_OFFICE)
    expect(sheet.locator(".envelope")).to_contain_text(OTHER_WORDS)
    expect(sheet.locator("[data-fill=name]").first).to_have_text(person.name)  # filled in here too
    assert loads == ["fetch"], "another office is shown without another page"

    before = house.newest_signer()
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mailbox")
    signer = house.newcomer(before)
    read_confirmation(page, house, signer)
    expect(page.locator("ul.offices").first.locator("li")).to_have_count(OFFICES)
    expect(page.locator("#sheet")).to_contain_text(person.name)
    assert not house.letters_of(person.name), "following the link sends nothing"
    confirm(page)

    watch_all_sent(page, house, OFFICES)
    expect(page.locator("ul.letters .reply code").first).to_contain_text("250")
    letters = house.letters_of(person.name)
    assert len(letters) == OFFICES
    assert len({letter["To"] for letter in letters}) == OFFICES
    assert all(f"\n{person.city}, " in plain(letter) for letter in letters)
    figures = page.locator(".figures", has_text="letters accepted")  # counted anew every few seconds
    until(lambda: page.goto(f"/c/{MANY}") and figures.count(), "the progress to be told")


def test_the_same_without_javascript(visitors, house):
    page, person = visitors.page(house.base, java_script_enabled=False), Person.new()
    page.goto(f"/c/{MANY}")
    page.locator("#to-office").select_option(OTHER_OFFICE)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(f"**office={OTHER_OFFICE}*")
    expect(page.locator("#sheet .envelope")).to_contain_text(OTHER_WORDS)

    before = house.newest_signer()
    fill(page, person)
    page.locator("#offices summary").click()  # unfolds by itself
    page.locator(f"#office-{OTHER_OFFICE}").uncheck()
    send(page)
    read_confirmation(page, house, house.newcomer(before))
    expect(page.locator("ul.offices").first.locator("li")).to_have_count(OFFICES - 1)
    confirm(page)
    watch_all_sent(page, house, OFFICES - 1)
    letters = house.letters_of(person.name)
    assert len(letters) == OFFICES - 1
    assert not any(OTHER_WORDS in plain(letter).partition("\n\n")[0] for letter in letters)


def test_in_french(visitors, house):
    page, person = visitors.page(house.base, locale="fr-FR"), Person.new()
    page.goto(f"/c/{FRENCH}")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.get_by_role("heading", level=1)).to_have_text("Gardons la bibliothèque ouverte")
    expect(page.locator("body")).to_contain_text("1er mars 2199")
    expect(page.locator("#country option[value=DE]")).to_have_text("Allemagne")
    assert "2\u202f000" in (page.locator(".count").text_content() or "")
    sheet, letter_ends = page.locator("#sheet"), "Veuillez agréer mes salutations distinguées"
    expect(sheet).to_contain_text("Yours sincerely")  # as this office gets it
    page.locator("#to-office").select_option("villexemple-maire")
    page.locator("#in-language").select_option("fr")
    expect(sheet).to_contain_text(letter_ends)
    expect(sheet.locator("[data-fill=name]").first).to_have_text("Votre nom")

    page.locator("#form button[type=submit]").click()
    expect(page.locator("#problems li")).to_have_count(4)
    expect(page.locator("#problems")).to_contain_text("Veuillez")
    fill(page, person)
    before = house.newest_signer()
    send(page)
    read_confirmation(page, house, house.newcomer(before), "confirmer")
    confirm(page)
    months = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    expect(page.locator(".lede")).to_contain_text(re.compile(rf"\b(?:1er|\d{{1,2}}) (?:{months}) 20\d\d\b"))
    watch_all_sent(page, house, 2)
    letters = {letter["To"]: plain(letter) for letter in house.letters_of(person.name)}
    assert sorted(letter_ends in text for text in letters.values()) == [False, True]

    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your letters")


def test_a_second_signing_is_answered_alike_and_sends_nothing_more(visitors, house):
    page, person = visitors.page(house.base), Person.new()
    signer = sign(page, house, FEW, person)
    confirm(page)
    house.all_sent()
    page.goto(f"/c/{FEW}")
    fill(page, person)
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mailbox")
    control = Person.new()
    sign(page, house, FEW, control)
    confirm(page)
    watch_all_sent(page, house, 2)  # by now whatever the second signing had made would be there too
    assert len(house.letters_of(person.name)) == 2
    assert len(house.mail_to(signer, "/confirm/")) == 1
