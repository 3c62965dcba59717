"""The public API: what it tells of a campaign, and what becomes of a signature. Both databases."""

import base64
import hashlib
import json
import logging

import pytest

from tests.fixtures.homes import Draft
from tests.integration.web.api_scene import CAMPAIGN, PROBLEM, SIGN, SITE, an_api
from worker.domain.errors import Failed, RefusedByState
from worker.ledger import given as given_consents
from worker.ledger import own_letters, reviews
from worker.web import api_signing
from worker.web.campaign_views import version_of
from worker.web.gate import Leave


@pytest.fixture
def api(draft: Draft, ledger):
    with an_api(draft, ledger) as opened:
        yield opened


def problem(answer, status: int) -> dict:
    """The problem document, which says nothing but what it should."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"]
    assert body["detail"]
    return body


def faults(answer) -> dict[str, str]:
    return {each["field"]: each["reason"] for each in problem(answer, 422)["errors"]}


# -- reading
def test_a_campaign_as_a_form_of_ones_own_shows_it(api):
    answer = api.get(CAMPAIGN)
    assert answer.status_code == 200
    told = answer.json()
    campaign = api.shop.campaign("town-library")
    assert (told["slug"], told["name"], told["language"]) == ("town-library", "Keep the Town Library Open", "en")
    assert told["title"] == "Keep the town library open"
    assert len(told["lead"]) == 2
    assert len(told["goals"]) == 3
    assert told["text_version"] == campaign.text.hash
    assert told["version"] == version_of(campaign, "en")
    assert told["openness"] == "open"
    assert told["form"] == {"asks_city": True, "takes_comments": True, "minimum_age": 16}
    kinds = {each["kind"]: each for each in told["consents"]}
    assert list(kinds) == ["send", *campaign.offers]
    assert kinds["send"] == {"kind": "send", "words": campaign.consent["en"], "required": True}
    assert not kinds["yearly"]["required"]
    assert told["page"] == "http://127.0.0.1:8480/c/town-library"
    assert answer.headers["cache-control"] == "public, max-age=60"


def test_offices_counters_and_the_letter(api):
    offices = api.get(f"{CAMPAIGN}/offices").json()["offices"]
    assert [each["id"] for each in offices] == ["sampleton-mayor", "sampleton-library-committee"]
    assert offices[0]["country"] == "IE"
    assert all(each["accepts"] for each in offices)
    assert api.get(f"{CAMPAIGN}/counters").json() == {"signers": 0, "letters": 0}
    letter = api.get(f"{CAMPAIGN}/preview", params={"office": "sampleton-library-committee", "language": "en"}).json()
    assert letter["office"] == "sampleton-library-committee"
    assert "Library Committee" in letter["to"]
    assert letter["subject"].startswith("[Town Library]")
    assert '<span data-fill="name">' in letter["html"]
    assert "Market Street" in letter["text"]
    assert api.get(f"{CAMPAIGN}/preview").json()["office"] == "sampleton-mayor"


@pytest.mark.parametrize("path", ["", "/counters", "/offices", "/preview"])
def test_a_campaign_that_is_not_there(api, path):
    problem(api.get(f"/api/v1/campaigns/nothing{path}"), 404)


def test_what_is_asked_for_must_exist(api):
    assert list(faults(api.get(CAMPAIGN, params={"language": "xx"}))) == ["language"]
    assert list(faults(api.get(f"{CAMPAIGN}/preview", params={"office": "nobody"}))) == ["office"]
    assert list(faults(api.get(f"{CAMPAIGN}/preview", params={"language": "xx" * 50}))) == ["language"]
    problem(api.get("/api/v1/nothing"), 404)
    assert problem(api.ask("DELETE", CAMPAIGN), 405)


def test_a_broken_template_is_no_fault_of_the_asker(draft, ledger):
    draft.edit("templates/town-library/en/letter.txt", "{{", "{{ nothing_of_this_name }} {{")
    with an_api(draft, ledger) as api:
        answer = api.get(f"{CAMPAIGN}/preview")
        problem(answer, 503)
        assert "nothing_of_this_name" not in answer.text


# -- signing
def test_whoever_signs_is_answered_the_same(api):
    new = api.post(SIGN, api.person(1))
    assert new.status_code == 202
    (row,) = api.recorded()
    assert (row["state"], row["source"], row["evidence"]) == ("unconfirmed", "api", "")
    assert api.letters() == 1, "the notice that asks to confirm"
    again = api.post(SIGN, api.person(1, name="Somebody Else"))
    api.confirm(row["id"])
    confirmed = api.post(SIGN, api.person(1))
    api.never(row["id"])
    quiet = api.post(SIGN, api.person(1))
    for answer in (again, confirmed, quiet):
        assert (answer.status_code, answer.content) == (new.status_code, new.content)
        assert {k: v for k, v in answer.headers.items() if k != "date"} == dict(new.headers)
    assert len(api.recorded()) == 1


def test_offices_left_out_and_consents_are_recorded(api):
    given = api.person(1, offices_left_out=["sampleton-mayor"], consents=["send", "yearly"], city="Sampleton")
    assert api.post(SIGN, given).status_code == 202
    (row,) = api.recorded()
    api.confirm(row["id"])
    with api.ledger.read() as connection:
        assert [each.office for each in own_letters.offices(connection, row["id"])] == ["sampleton-library-committee"]
        assert given_consents.standing(connection, row["id"]) == {"send", "yearly"}


def test_every_fault_is_told_at_once_and_nothing_recorded(api):
    given = {"name": "", "email": "two@mail", "country": "Ireland", "consents": ["yearly"], "version": "old"}
    told = faults(api.post(SIGN, given))
    assert set(told) == {"name", "email", "country", "consents", "version"}
    assert api.recorded() == []
    assert api.letters() == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": ""}, "version"),
        ({"version": "0123456789abcdef0123"}, "version"),
        ({"language": "fr"}, "language"),
        ({"consents": []}, "consents"),
        ({"consents": ["send", "everything"]}, "consents.1"),
        ({"offices_left_out": ["nobody"]}, "offices_left_out"),
        ({"offices_left_out": ["sampleton-mayor", "sampleton-library-committee"]}, "offices_left_out"),
        ({"evidence": "a list"}, "evidence"),
        ({"nmae": "x"}, "nmae"),
        ({"comment": "line\n" * 100}, "comment"),
    ],
)
def test_a_field_that_cannot_be_taken(api, changes, field):
    assert list(faults(api.post(SIGN, api.person(1, **changes)))) == [field]
    assert api.recorded() == []


def test_what_a_campaign_does_not_ask_for(draft, ledger):
    draft.edit("config/campaigns/town-library.toml", "comment = true", "comment = false\ncity = false")
    with an_api(draft, ledger) as api:
        told = faults(api.post(SIGN, api.person(1, comment="My own words.", city="Sampleton")))
        assert set(told) == {"comment", "city"}
        assert api.post(SIGN, api.person(1)).status_code == 202


def test_a_campaign_that_is_over(draft, ledger):
    draft.edit("config/campaigns/town-library.toml", "[sender]", "closes = 2025-01-01T00:00:00Z\n\n[sender]")
    with an_api(draft, ledger) as api:
        assert api.get(CAMPAIGN).json()["openness"] == "closed"
        for answer in (api.post(SIGN, api.person(1)), api.post(SIGN, api.confirmed(1), headers=api.key("sign"))):
            assert "closed at 2025-01-01" in problem(answer, 409)["detail"]
        assert api.recorded() == []


AWAY = "the service cannot record anything just now; nothing was saved: try again in a minute"
FULL = "the disk is full (/srv/letters/ledger.db): free some space"
OLD = "the ledger postgresql://ledger.internal.example/letters is of an older version: run `lettershop migrate`"


def logged(caplog) -> list[tuple[str, str]]:
    return [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "lettershop.web"]


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [(Failed(FULL), 503, AWAY), (RefusedByState(OLD), 409, "this cannot be done as things stand now")],
)
def test_strangers_are_not_told_where_the_ledger_is(api, monkeypatch, caplog, error, status, told):
    given, key = api.person(1), api.key("read")

    def away(*_, **__):
        raise error

    caplog.set_level(logging.WARNING, "lettershop.web")
    with monkeypatch.context() as patched:
        patched.setattr(type(api.shop.intake), "record", away)
        patched.setattr(type(api.ledger), "read", away)
        answers = [api.post(SIGN, given), api.get("/api/v1/signatures/1", headers=key)]
    for answer in answers:
        assert problem(answer, status)["detail"] == told
        assert answer.headers.get("retry-after") == ("60" if status == 503 else None)
    assert logged(caplog) == [("WARNING", f"{type(error).__name__}: {error}")] * 2


def test_pages_do_not_tell_it_either(api, monkeypatch, caplog):
    def away(*_, **__):
        raise Failed(FULL)

    monkeypatch.setattr(type(api.shop.own_pages), "read", away)
    answer = api.get(f"/me/{'A' * 27}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "/srv" not in answer.text
    assert ("WARNING", f"Failed: {FULL}") in logged(caplog)


# -- HEAD
def test_head_is_get_without_the_body(api):
    for path in (CAMPAIGN, f"{CAMPAIGN}/counters", f"{CAMPAIGN}/offices", f"{CAMPAIGN}/preview",
                 "/api/v1/openapi.json", "/c/town-library", "/api/v1/campaigns/nothing"):  # fmt: skip
        asked, head = api.get(path), api.ask("HEAD", path)
        assert (head.status_code, head.content) == (asked.status_code, b""), path
        assert head.headers["content-type"] == asked.headers["content-type"]
        assert int(head.headers["content-length"]) > 0
    assert api.ask("HEAD", SIGN).status_code == 405, "nothing is got there"
    assert api.ask("HEAD", "/api/v1/signatures/1").status_code == 401
    paths = api.get("/api/v1/openapi.json").json()["paths"].values()
    assert {method for each in paths for method in each} == {"get", "post"}


def test_head_is_logged_as_such(api, caplog):
    caplog.set_level(logging.INFO, "lettershop.access")
    api.ask("HEAD", CAMPAIGN)
    (line,) = [each.getMessage() for each in caplog.records if each.name == "lettershop.access"]
    assert line.startswith("HEAD /api/v1/campaigns/{slug} 200 ")
    assert line.endswith(" 0 B")


# -- the same request again
def test_a_request_that_comes_again(api):
    named = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first, again = (api.post(SIGN, api.person(1), headers=named) for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert api.letters() == 1, "the notice that asks to confirm, once"
    (row,) = api.recorded()
    api.shop.intake.withdraw(row["id"])
    assert api.post(SIGN, api.person(1), headers=named).status_code == 202
    assert len(api.recorded()) == 1, "what was withdrawn stays so"
    assert api.post(SIGN, api.person(1)).status_code == 202
    assert len(api.recorded()) == 2, "a new request is a new signing"


def test_a_name_used_for_somebody_else(api):
    named = {"Idempotency-Key": "one"}
    assert api.post(SIGN, api.person(1), headers=named).status_code == 202
    assert list(faults(api.post(SIGN, api.person(2), headers=named))) == ["Idempotency-Key"]
    assert len(api.recorded()) == 1
    assert api.post(SIGN, api.person(1), headers=named).status_code == 202, "still good for whom it was for"


@pytest.mark.parametrize("before", ["new", "confirmed", "quiet"])
def test_a_name_does_not_tell_who_has_signed(api, before):
    """Whether the first address was known must not show in how a second one is answered."""
    if before != "new":
        api.post(SIGN, api.person(1))
        (row,) = api.recorded()
        api.confirm(row["id"]) if before == "confirmed" else api.never(row["id"])
    named = {"Idempotency-Key": "probe"}
    assert api.post(SIGN, api.person(1), headers=named).status_code == 202
    assert list(faults(api.post(SIGN, api.person(2), headers=named))) == ["Idempotency-Key"]


@pytest.mark.parametrize("name", ["", "x" * 129, "two words", "caf\u00e9"])
def test_a_name_that_is_none(api, name):
    answer = api.post(SIGN, api.person(1), headers={"Idempotency-Key": name.encode("latin-1")})
    assert list(faults(answer)) == ["Idempotency-Key"]


class Hand:
    """A clock moved by hand."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


def test_names_are_remembered_for_a_day_and_not_without_end(monkeypatch):
    clock = Hand()
    known = api_signing.Requests(clock)
    assert known.same("library", "one", "ada")
    assert not known.same("library", "one", "bob")
    assert known.same("museum", "one", "bob"), "each campaign by itself"
    clock.at += 86_399
    assert not known.same("library", "one", "bob")
    clock.at += 1
    assert known.same("library", "one", "bob")
    monkeypatch.setattr(api_signing, "_MOST", 10)
    for n in range(50):
        assert known.same("library", f"name {n}", "ada")
    assert len(known._known) == 10


# -- the limits
def test_who_sends_too_many_is_asked_to_wait(draft, ledger):
    with an_api(draft, ledger, LETTERSHOP_FORM__PER_IP="8/h") as api:  # alone, a process allows a quarter
        assert api.post(SIGN, api.person(1)).status_code == 202
        problem(api.post(SIGN, api.person(2)), 428)  # from half on
        answer = api.post(SIGN, api.person(3))
        problem(answer, 429)
        assert 0 < int(answer.headers["retry-after"]) <= 3600 * 13 / 12 + 1, (
            "the hour, and the part of one that a process rounds up by"
        )
        assert len(api.recorded()) == 1


def test_an_address_that_was_used_often_is_answered_as_ever(draft, ledger, monkeypatch):
    """Else anybody could ask whose address was used here."""
    with an_api(draft, ledger, LETTERSHOP_FORM__PER_ADDRESS="4/h") as api:  # alone, a process allows one
        first = api.post(SIGN, api.person(1))
        assert first.status_code == 202
        before = api.letters()

        def never(*_, **__):
            raise AssertionError("nothing is to be recorded")

        with monkeypatch.context() as patched:
            patched.setattr(type(api.shop.intake), "record", never)
            again = api.post(SIGN, api.person(1))
        assert (again.status_code, again.content) == (202, first.content)
        assert {k: v for k, v in again.headers.items() if k != "date"} == dict(first.headers)
        assert (len(api.recorded()), api.letters()) == (1, before)
        assert api.post(SIGN, api.person(2)).status_code == 202
        assert len(api.recorded()) == 2


def test_such_an_address_is_asked_for_the_proof_of_work_like_all(api, monkeypatch):
    async def ask(*_):
        return Leave(allowed=False, hold="", retry_after_s=9.0, challenge=True, silent=True)

    monkeypatch.setattr(type(api.shop.limits), "ask", ask)
    told = problem(api.post(SIGN, api.person(1)), 428)
    assert api.post(SIGN, api.person(1, altcha=solved(told["challenge"]))).status_code == 202
    assert api.recorded() == []


def test_a_flood_of_one_domain_waits_for_an_operator(draft, ledger):
    with an_api(draft, ledger, LETTERSHOP_FORM__PER_DOMAIN="4/h") as api:
        first, second = (api.post(SIGN, api.person(n)) for n in (1, 2))
        assert first.content == second.content
        with api.ledger.read() as connection:
            held = [reviews.waiting(connection, row["id"]) for row in api.recorded()]
        assert held == ["", "over the limit of its domain"]


def solved(challenge: dict) -> str:
    number = next(
        n
        for n in range(challenge["maxnumber"] + 1)
        if hashlib.sha256(f"{challenge['salt']}{n}".encode()).hexdigest() == challenge["challenge"]
    )
    named = ("algorithm", "challenge", "salt", "signature")
    return base64.b64encode(json.dumps({**{n: challenge[n] for n in named}, "number": number}).encode()).decode()


def test_a_proof_of_work(draft, ledger):
    with an_api(draft, ledger, LETTERSHOP_FORM__CHALLENGE_ABOVE="4/min") as api:
        assert api.post(SIGN, api.person(1)).status_code == 202
        answer = api.post(SIGN, api.person(2))
        told = problem(answer, 428)
        assert told["challenge_url"] == "http://127.0.0.1:8480/altcha"
        assert set(told["challenge"]) == set(api.get("/altcha").json())
        assert len(api.recorded()) == 1, "no proof, no signature"
        problem(api.post(SIGN, api.person(2, altcha="bm90IGEgc29sdXRpb24=")), 428)
        proof = solved(told["challenge"])
        assert api.post(SIGN, api.person(2, altcha=proof)).status_code == 202
        problem(api.post(SIGN, api.person(3, altcha=proof)), 428)
        assert len(api.recorded()) == 2
        assert api.post(SIGN, api.confirmed(4), headers=api.key("sign")).status_code == 201, "a key is not asked"


# -- other sites
def test_the_campaigns_own_site_may_read_and_sign(api):
    origin = {"Origin": SITE}
    for path in ("", "/counters", "/offices", "/preview"):
        answer = api.get(f"{CAMPAIGN}{path}", headers=origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    answer = api.post(SIGN, api.person(1), headers=origin)
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] == SITE
    refused = api.post(SIGN, api.person(1, country="?"), headers=origin)
    assert refused.headers["access-control-allow-origin"] == SITE, "its page must be able to read what is wrong"
    assert list(faults(refused)) == ["country"]


def test_leave_is_asked_for_beforehand(api):
    asks = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = api.ask("OPTIONS", SIGN, headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "content-type" in allowed
    assert "authorization" not in allowed, "a key has no place in a page"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{SITE}.evil.example", "http://own.town-library.example"]
)
def test_other_sites_get_no_leave(api, origin):
    for method, path in (("GET", CAMPAIGN), ("OPTIONS", SIGN)):
        answer = api.ask(method, path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["vary"] == "Origin", "a cache must not give this to the campaign's own site"
    problem(api.post(SIGN, api.person(1), headers={"Origin": origin}), 403)
    assert api.recorded() == []


def test_a_campaigns_site_has_no_leave_for_another_campaign(api):
    answer = api.get("/api/v1/campaigns/justice-for-khojaly", headers={"Origin": SITE})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    problem(api.ask("OPTIONS", "/api/v1/campaigns/nothing/signatures", headers={"Origin": SITE}), 404)
