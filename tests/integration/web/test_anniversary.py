"""Anniversaries on the pages and in the API: what is shown beside the consent is what is agreed to."""

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.integration.web.site import CAMPAIGN, OFFICES, Site, home_for, open_site
from worker.domain.campaign import TextVersion, Wording
from worker.domain.clock import to_us
from worker.domain.occurrence import Life, Step
from worker.embedded.server import RedisServer
from worker.ledger import letters_write, occurrences, pins
from worker.ledger.book import Ledger
from worker.ledger.occurrences import Occurrence
from worker.ledger.schema import agreements, consents, letters
from worker.ledger.schema import pins as pin_table

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # SQL is tested where it is written

YEAR = 2190  # whenever the test is run, the next one
SUBJECT = "On the birthday of the library in Market Street"
NEW = TextVersion(CAMPAIGN, {"en": Wording("Another text", "Anew.", "<p>Anew, {{ signer.name }}.</p>", ())})
YEARLY = ["send", "yearly"]


@pytest.fixture
def site(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> Iterator[Site]:
    draft.edit(f"config/campaigns/{CAMPAIGN}.toml", "first_year = 2027", f"first_year = {YEAR}")
    with open_site(home_for(draft), ledger, redis_server) as opened:
        yield opened


def plan(site: Site, ahead: timedelta | None = None) -> None:
    """Plan the occurrence; `ahead`: so long before its start is now."""
    occasion = site.shop.home.campaigns[CAMPAIGN].occasions["anniversary"]
    starts = occasion.starts_at(YEAR) if ahead is None else site.shop.clock.now() + ahead
    with site.shop.ledger.write() as connection:
        campaign_id = letters_write.ensure_campaign(connection, CAMPAIGN)
        occurrences.ensure(connection, campaign_id, "anniversary", YEAR, to_us(starts), 0)


def row_of(site: Site) -> Occurrence:
    with site.shop.ledger.read() as connection:
        found = occurrences.of_period(connection, CAMPAIGN, "anniversary", YEAR)
    assert found is not None
    return found


def take(site: Site, step: Step, **values: object) -> None:
    with site.shop.ledger.write() as connection:
        assert occurrences.take(connection, row_of(site), step, **values)  # type: ignore[arg-type]  # columns


def announce(site: Site, text: TextVersion) -> None:
    with site.shop.ledger.write() as connection:
        number = pins.pin(connection, "text", text.body())
    take(site, Step.ANNOUNCE, text_id=number, edition=1, told_to=0)


def expand(site: Site, number: int) -> None:
    ledger, row = site.shop.ledger, row_of(site)
    with ledger.write() as connection:
        mine = sa.select(letters).where(letters.c.signature_id == number, letters.c.addressee.in_(OFFICES))
        lanes = {each.addressee: each.lane_id for each in connection.execute(mine)}
        sendout = letters_write.ensure_sendout(connection, row.campaign_id, row.name, 4, 0, consent="yearly")
        letters_write.make(connection, ledger.keys, sendout, [letters_write.Making(number, NEW.hash, lanes)], 0)
        occurrences.take(connection, row, Step.BEGIN, sendout_id=sendout.id)


def section(page: str) -> str:
    """The part on anniversaries, as it is read."""
    found = re.search(r'<section class="anniversary" id="anniversary".*?</section>', page, re.DOTALL)
    return html.unescape(found[0]) if found else ""


def fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that posts to `action`."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form, action
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[1]))


# -- the form
@pytest.mark.parametrize("path", [f"/c/{CAMPAIGN}", f"/c/{CAMPAIGN}/embed"])
def test_the_text_stands_beside_the_consent(site: Site, path: str) -> None:
    page = site.get(path).text
    asked = page[page.index('id="yearly"') : page.index('id="yearly_joint"')]
    assert '<details class="written">' in asked
    assert "What will be written on 15 May?" in asked
    assert f"15 May {YEAR}" in asked
    assert SUBJECT in asked
    assert '<span data-fill="name">Your name</span>' in asked
    assert SUBJECT not in page.replace(asked, "")
    assert "Que sera-t-il écrit le 15 mai\u00a0?" in site.get(f"{path}?ui=fr").text


def test_what_was_shown_is_what_is_agreed_to(
    site: Site, draft: Draft, ledger: Ledger, redis_server: RedisServer
) -> None:
    shown = site.form(consent=YEARLY)
    draft.edit(f"templates/{CAMPAIGN}/anniversary/en/letter.txt", "birthday", "feast")
    with open_site(home_for(draft), ledger, redis_server) as edited:
        again = edited.post(f"/c/{CAMPAIGN}", shown)
        assert again.status_code == 422
        assert edited.post(f"/c/{CAMPAIGN}", edited.form(consent=YEARLY)).status_code == 303
        text = edited.shop.home.campaigns[CAMPAIGN].occasions["anniversary"].text
    assert text is not None
    query = sa.select(pin_table.c.body).join(consents, consents.c.wording_hash == pin_table.c.hash)
    (body,) = site.rows(query.where(consents.c.kind == "yearly"))
    assert json.loads(body[0])["texts"] == [text.hash]


def test_a_form_that_does_not_ask_for_it_shows_no_text(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    draft.edit(f"config/campaigns/{CAMPAIGN}.toml", "[form]\n", '[form]\noffers = ["copy"]\n')
    with open_site(home_for(draft), ledger, redis_server) as quiet:
        assert SUBJECT not in quiet.get(f"/c/{CAMPAIGN}").text


def test_before_confirming_it_is_shown_to_who_agreed_to_it(site: Site) -> None:
    for n, kinds in enumerate((YEARLY, ["send"]), 1):
        number = site.signed(email=f"signer{n}@mail.example", consent=kinds)
        assert (SUBJECT in site.get(f"/confirm/{site.token(number)}").text) is ("yearly" in kinds)


# -- the signer's own page
def test_the_next_day_is_told_and_the_text_shown_in_their_name(site: Site) -> None:
    _, own = site.confirmed(consent=YEARLY)
    told = section(site.get(own).text)
    assert f"15 May {YEAR}" in told
    assert "Letters are written for you again, to 2 offices." in told
    assert "Before that day you are told by e-mail" in told
    assert SUBJECT in told
    assert "Sample Signer 01" in told
    assert f"{own}/agree" not in told
    assert f"15 mai {YEAR}" in section(site.get(f"{own}?ui=fr").text)


def test_who_has_not_agreed_may_do_so_below(site: Site) -> None:
    _, own = site.confirmed()
    page = site.get(own).text
    assert "You have not agreed to be written for on this day." in section(page)
    assert f"{own}/end" not in page
    version = fields(page, f"{own}/consents")["version"]
    assert SUBJECT in page, "beside the consent"
    stale = site.post(f"{own}/consents", {"consent": ["yearly"], "version": "0" * 20})
    assert stale.headers["location"] == f"{own}?done=another-text"
    assert "nothing was recorded" in site.get(stale.headers["location"]).text
    assert site.rows(sa.select(consents.c.id).where(consents.c.kind == "yearly")) == []
    saved = site.post(f"{own}/consents", {"consent": ["yearly"], "version": version})
    assert saved.headers["location"] == f"{own}?done=consents"
    assert "Before that day you are told" in section(site.get(own).text)


def test_a_new_text_is_agreed_to_by_post_alone(site: Site) -> None:
    number, own = site.confirmed(consent=YEARLY)
    plan(site)
    announce(site, NEW)
    page = site.get(own).text
    told = section(page)
    assert "silence is not enough" in told
    assert "Anew, Sample Signer 01." in told
    assert page.index('id="anniversary"') < page.index('id="howfar"')
    asked = fields(page, f"{own}/agree")
    assert asked == {"occasion": "anniversary", "text": NEW.hash}
    for followed in (f"{own}/agree", f"{own}/end"):
        assert site.get(followed).status_code == 405
    assert site.rows(sa.select(agreements)) == []
    other = site.post(f"{own}/agree", {**asked, "text": "0" * 64})
    assert other.headers["location"] == f"{own}?done=another-text"
    assert site.post(f"{own}/agree").headers["location"] == f"{own}?done=not-now"
    for _ in range(2):
        agreed = site.post(f"{own}/agree?ui=fr", asked)
        assert (agreed.status_code, agreed.headers["location"]) == (303, f"{own}?done=agreed&ui=fr")
    assert [row.signature_id for row in site.rows(sa.select(agreements.c.signature_id))] == [number]
    after = site.get(f"{own}?done=agreed").text
    assert "You have agreed to the text." in after
    assert f"{own}/agree" not in after


def test_ended_nothing_more_is_written(site: Site) -> None:
    number, own = site.confirmed(consent=[*YEARLY, "answer"])
    plan(site)
    announce(site, NEW)
    take(site, Step.APPROVE)
    expand(site, number)
    asked = fields(site.get(own).text, f"{own}/end")
    assert asked == {"consent": "yearly"}
    for _ in range(2):
        ended = site.post(f"{own}/end", asked)
        assert ended.headers["location"] == f"{own}?done=ended"
    found = site.letters_of(number)
    assert {found[f"anniversary-{YEAR}", office] for office in OFFICES} == {"cancelled"}
    assert {found["signing", office] for office in OFFICES} == {"queued"}
    page = site.get(f"{own}?done=ended").text
    assert "Nothing more is written in your name on anniversaries." in page
    assert f"{own}/end" not in page
    stand = sa.select(consents.c.kind).where(consents.c.withdrawn_at.is_(None))
    assert {row.kind for row in site.rows(stand)} == {"send", "answer"}


def test_letters_of_an_anniversary_stand_under_its_day(site: Site) -> None:
    number, own = site.confirmed(consent=YEARLY)
    plan(site)
    announce(site, NEW)
    take(site, Step.APPROVE)
    expand(site, number)
    page = html.unescape(site.get(own).text)
    assert f"The letters of 15 May {YEAR} are being made and sent at present." in section(page)
    assert f"<h2>Anniversary of 15 May {YEAR}</h2>" in page
    assert "These letters are being sent, spread over several days." in page
    assert page.index(f"Anniversary of 15 May {YEAR}") < page.index("<h2>When you signed</h2>")
    assert page.count('<ul class="letters">') == 2
    take(site, Step.EXPANDED, to=Life.SENDING)
    take(site, Step.FINISH)
    done = html.unescape(site.get(own).text)
    assert f"Anniversary of 15 May {YEAR}" in done
    assert "being sent, spread" not in done
    assert f"15 May {YEAR + 1}" in section(done)


def test_who_could_not_be_told_in_time_is_told_that(site: Site) -> None:
    _, own = site.confirmed(consent=YEARLY)
    plan(site, ahead=timedelta(days=1))
    announce(site, NEW)
    told = section(site.get(own).text)
    assert "You could not be told of it in good time" in told
    assert f"{own}/agree" not in told
    assert f"{own}/end" in told


def test_another_sites_page_may_not_end_or_agree(site: Site) -> None:
    _, own = site.confirmed(consent=YEARLY)
    plan(site)
    for deed, form in (("end", {"consent": "yearly"}), ("agree", {"occasion": "anniversary", "text": NEW.hash})):
        refused = site.post(f"{own}/{deed}", form, headers={"Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert site.post(f"/me/{'A' * 27}/{deed}", form).status_code == 404
    assert "Letters are written for you again" in section(site.get(own).text)


# -- the API
def test_the_api_tells_of_the_occasions_and_shows_their_texts(site: Site) -> None:
    told = site.get(f"/api/v1/campaigns/{CAMPAIGN}").json()
    text = site.shop.home.campaigns[CAMPAIGN].occasions["anniversary"].text
    assert text is not None
    day = f"{YEAR}-05-15"
    assert told["occasions"] == [{"name": "anniversary", "kind": "yearly", "day": day, "text_version": text.hash}]
    shown = site.get(f"/api/v1/campaigns/{CAMPAIGN}/preview?occasion=anniversary").json()
    assert SUBJECT in shown["subject"]
    assert f"15 May {YEAR}" in shown["text"]
    refused = site.get(f"/api/v1/campaigns/{CAMPAIGN}/preview?occasion=party")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "occasion"
