"""Anniversaries in a browser: read before signing, agreed to and ended on the own page, with and without scripts."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from tests.acceptance.web.steps import Person, confirm, fill, read_confirmation, send
from tests.acceptance.web.test_accessibility import audit
from worker.domain.clock import to_us
from worker.ledger import letters_write, occurrences
from worker.ledger.schema import consents
from worker.settings import load_home
from worker.wiring.home import open_ledger

YEARLY, YEAR = "yearly-library", 2190
ASKED = "What will be written on 15 May?"
SUBJECT = "On the birthday of the library in Market Street"


@pytest.fixture
def ledger(house):
    home = load_home(house.home.root, {})
    with open_ledger(home) as opened:
        starts = home.campaigns[YEARLY].occasions["anniversary"].starts_at(YEAR)
        with opened.write() as connection:
            campaign_id = letters_write.ensure_campaign(connection, YEARLY)
            occurrences.ensure(connection, campaign_id, "anniversary", YEAR, to_us(starts), 0)
        yield opened


def sign_yearly(page, house, person, shown=lambda: None):
    before = house.newest_signer()
    page.goto(f"/c/{YEARLY}")
    fill(page, person)
    page.locator("#yearly").check()
    shown()
    send(page)
    read_confirmation(page, house, house.newcomer(before))


def before_the_text(ledger):
    """The newest consent to anniversaries was given before there was this text."""
    with ledger.write() as connection:
        stand = sa.select(sa.func.max(consents.c.id)).where(consents.c.kind == "yearly").scalar_subquery()
        older = sa.select(consents.c.wording_hash).where(consents.c.kind == "send").limit(1).scalar_subquery()
        connection.execute(sa.update(consents).where(consents.c.id == stand).values(wording_hash=older))


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("path", [f"/c/{YEARLY}", f"/c/{YEARLY}/embed"])
def test_the_text_is_read_beside_the_consent(visitors, house, path, scripts):
    page = visitors.page(house.base, java_script_enabled=scripts)
    page.goto(path)
    written = page.locator("details.written")
    expect(written.locator(".sheet")).to_be_hidden()
    page.locator("summary", has_text=ASKED).click()
    expect(written.locator(".sheet")).to_contain_text(SUBJECT)
    if scripts:
        page.locator("#name").fill("Sample Signer the Elder")
        expect(written.locator(".sheet strong", has_text="Sample Signer the Elder")).to_be_visible()


def test_a_new_text_is_agreed_to_and_all_of_it_ended(visitors, house, ledger):
    page, person = visitors.page(house.base), Person.new()
    sign_yearly(page, house, person)
    expect(page.locator("summary", has_text=ASKED)).to_be_visible()
    confirm(page)
    part = page.locator("#anniversary")
    expect(part).to_contain_text(f"15 May {YEAR}")
    expect(part).to_contain_text("You need do nothing.")
    before_the_text(ledger)
    page.reload()
    expect(part).to_contain_text("silence is not enough")
    expect(part.locator(".sheet")).to_contain_text(person.name)
    part.get_by_role("button", name="I agree to this text").click()
    expect(page.locator(".note.good[role=status]")).to_contain_text("You have agreed to the text.")
    expect(part).to_contain_text("You need do nothing.")
    expect(part.get_by_role("button")).to_have_count(1)
    part.get_by_role("button", name="End it").click()
    expect(page.locator(".note.good[role=status]")).to_contain_text("Nothing more is written in your name")
    expect(part).to_contain_text("You have not agreed")
    expect(part.get_by_role("button")).to_have_count(0)


def test_the_pages_of_an_anniversary_are_accessible(visitors, house, ledger):
    with audit(visitors, house) as audited:
        page = audited.page

        def unfolded():
            for summary in page.locator("summary", has_text=ASKED).all():
                summary.click()
            audited.look("the form, with the text unfolded")
            page.set_viewport_size({"width": 1280, "height": 900})

        sign_yearly(page, house, Person.new(), unfolded)
        confirm(page)
        before_the_text(ledger)
        page.reload()
        for summary in page.locator(".deeds > details > summary").all():
            summary.click()
        audited.look("own page, asked to agree")
