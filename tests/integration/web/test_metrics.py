"""/metrics on the web app: who is let in, in which form it is answered, and what the pages count. Both databases."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.homes import Draft
from tests.integration.web.site import CAMPAIGN, Site, home_for, open_site
from tests.support import until
from worker.domain.errors import Failed
from worker.domain.tallying import ASKED, CONFIRMED, FORMS, LEASES_EXPIRED
from worker.ledger import api_keys, tallies
from worker.operations import api_keys as keys
from worker.operations.metrics import Counters
from worker.web.counting import MAIL_CLASSES, flushing, mail_class


@pytest.fixture
def site(draft: Draft, ledger, redis_server):
    with open_site(home_for(draft), ledger, redis_server) as opened:
        yield opened


def key(site: Site, *scopes: str, campaign: str = "") -> dict[str, str]:
    ledger = site.shop.ledger
    with ledger.write() as connection:
        made = api_keys.make(connection, f"key-{'-'.join(scopes)}", scopes, campaign, ledger.now_us())
    return {"Authorization": f"Bearer {made}"}


def counters(site: Site) -> Counters:
    return site.client._transport.app.state.counters  # type: ignore[attr-defined]


def counted(site: Site) -> dict[tuple[str, ...], float]:
    """What the pages have counted, as a scrape tells it: {(name, label's value, ...): n}."""
    counters(site).flush()
    answer = site.get("/metrics", headers=key(site, "metrics"))
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


# -- who is let in
def test_without_a_key_or_with_another_scope(site):
    answer = site.get("/metrics")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="lettershop"'
    assert "lettershop_letters" not in answer.text
    assert site.get("/metrics", headers={"Authorization": "Bearer lsk_AAAAAAAAAAAAAAAAAAAAAAAAAAA"}).status_code == 401
    refused = site.get("/metrics", headers=key(site, "sign", "read", "withdraw"))
    assert refused.status_code == 403
    assert "lacks the scope metrics" in refused.json()["detail"]


def test_a_key_of_one_campaign_sees_not_all_of_them(site):
    refused = site.get("/metrics", headers=key(site, "metrics", campaign=CAMPAIGN))
    assert refused.status_code == 403
    assert "--campaign" in refused.json()["detail"]


def test_keys_are_made_with_the_scope(site):
    made = keys.create(site.shop.ledger, "prometheus", ["metrics"], "", campaigns=(), who="tester")
    answer = site.get("/metrics", headers={"Authorization": f"Bearer {made.key}"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


def test_the_ledger_is_away(site, monkeypatch):
    held = key(site, "metrics")
    monkeypatch.setattr("worker.web.routes.metrics.collect", _away)
    assert site.get("/metrics", headers=held).status_code == 503


def _away(*_):
    raise Failed("the ledger is away")


# -- in which form
def test_as_text_and_as_openmetrics(site):
    held = key(site, "metrics")
    plain = site.get("/metrics", headers=held)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {family.name for family in text_string_to_metric_families(plain.text)}
    assert {"lettershop_letters_in_doubt", "lettershop_part_up", "lettershop_leases_expired"} <= names
    counters(site).took("lettershop_stage_seconds", ("queue", "office"), [5])
    counters(site).flush()
    modern = site.get("/metrics", headers={**held, "Accept": "application/openmetrics-text; version=1.0.0"})
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")
    assert {family.name for family in read_openmetrics(modern.text)} >= names - {"lettershop_stage_seconds"}


def test_relays_and_their_quotas(draft, ledger, redis_server):
    draft.edit(
        "config/lettershop.toml",
        "[rehearsal]",
        '[[relays]]\nname = "main"\nhost = "smtp.town-library.example"\nrate = "300/min"\nper_day = 10000\n\n[rehearsal]',
    )
    with open_site(home_for(draft), ledger, redis_server) as site:
        text = site.get("/metrics", headers=key(site, "metrics")).text
        assert 'lettershop_relay_state{relay="rehearsal",state="open"} 1.0' in text
        assert 'relay="main"' not in text  # in rehearsal nothing goes there
        assert 'lettershop_part_up{part="pacing"} 0.0' in text  # this home's own Redis is not started


# -- what the pages count
def test_forms_and_confirmations(site):
    site.confirmed(email="one@mail.example")
    site.signed(email="two@gmail.com")
    assert site.post(f"/c/{CAMPAIGN}", site.form(name="")).status_code == 422
    assert site.post(f"/c/{CAMPAIGN}", site.form(website="http://spam.example")).status_code == 303
    found = counted(site)
    assert found[FORMS, CAMPAIGN, "taken"] == 2
    assert found[FORMS, CAMPAIGN, "returned"] == 1
    assert found[FORMS, CAMPAIGN, "trapped"] == 1
    assert found[ASKED, "test"] == 1
    assert found[ASKED, "freemail"] == 1
    assert found[CONFIRMED, CAMPAIGN, "test"] == 1
    assert (CONFIRMED, CAMPAIGN, "freemail") not in found


def test_a_link_followed_twice_is_one_confirmation(site):
    number = site.signed()
    link = f"/confirm/{site.token(number)}"
    assert [site.confirm(link).status_code for _ in range(2)] == [303, 303]
    assert counted(site)[CONFIRMED, CAMPAIGN, "test"] == 1


def test_no_address_name_or_word_of_a_signer_is_told(site):
    site.confirmed(name="Very Unusual Name", email="unusual-address@unusual-domain.example", city="Unusualton")
    counters(site).flush()
    text = site.get("/metrics", headers=key(site, "metrics")).text
    assert "nusual" not in text
    assert "@" not in text


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("a@gmail.com", "freemail"),
        ("a@WEB.DE", "freemail"),
        ("a@cs.some-university.edu", "education"),
        ("a@college.ac.uk", "education"),
        ("a@school.edu.au", "education"),
        ("a@office.gov", "government"),
        ("a@office.gov.uk", "government"),
        ("a@office.gouv.fr", "government"),
        ("a@ec.europa.eu", "government"),
        ("a@mail.example", "test"),
        ("a@lists.example.org", "test"),
        ("a@box.test", "test"),
        ("a@town-library.org", "other"),
        ("a@gov.shop", "other"),
        ("a@ac", "other"),
        ("a@edu.uk", "other"),
        ("", "other"),
        ("@", "other"),
        ("a@..", "other"),
        ("a@gmail.com.evil.net", "other"),
    ],
)
def test_classes_of_mail_domains(address, known):
    assert mail_class(address) == known
    assert known in MAIL_CLASSES


# -- flushing
def test_it_flushes_every_few_seconds_and_at_the_end(ledger):
    counters = Counters(ledger)

    def there() -> int:
        with ledger.read() as connection:
            return sum(n for name, _, n in tallies.read(connection) if name == LEASES_EXPIRED)

    async def work() -> None:
        async with flushing(counters, every_s=0.01):
            counters.add(LEASES_EXPIRED)
            await asyncio.to_thread(until, lambda: there() == 1, "the first flush")
        counters.add(LEASES_EXPIRED)
        async with flushing(counters, every_s=3600):
            pass

    asyncio.run(work())
    assert there() == 2


def test_a_flush_that_fails_is_made_good_by_the_next(ledger, monkeypatch, caplog):
    counters, failed = Counters(ledger), []
    add = tallies.add

    def sometimes(*given):
        if len(failed) < 2:
            failed.append(given)
            raise Failed("the ledger is away") if len(failed) == 1 else ValueError("a fault of ours")
        add(*given)

    monkeypatch.setattr(tallies, "add", sometimes)

    async def work() -> None:
        async with flushing(counters, every_s=0.01):
            counters.add(LEASES_EXPIRED)
            await asyncio.to_thread(until, lambda: len(failed) == 2, "both to fail")

    asyncio.run(work())
    with ledger.read() as connection:
        assert tallies.read(connection) == [(LEASES_EXPIRED, "{}", 1)]
    assert "waits in memory" in caplog.text


def test_a_scrape_while_pacing_and_broker_are_away_is_whole(site):
    answer = site.get("/metrics", headers=key(site, "metrics"))
    assert answer.status_code == 200
    assert 'lettershop_part_up{part="broker"} 0.0' in answer.text
