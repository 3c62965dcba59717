"""The API by key: who may do what, and what a holder is told."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.integration.web.api_scene import CAMPAIGN, SIGN, an_api
from tests.integration.web.test_api import faults, problem
from worker.domain.errors import Failed
from worker.intake import PersonInput
from worker.ledger import api_keys, audit
from worker.ledger.schema import api_keys as keys_table
from worker.ledger.schema import attempts, letters
from worker.operations import api_keys as keys

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # SQL is tested where it is written

OTHER = "/api/v1/campaigns/justice-for-khojaly/signatures"


@pytest.fixture
def api(draft: Draft, ledger):
    with an_api(draft, ledger) as opened:
        yield opened


def entered(api, name: str, n: int = 1, campaign: str = "town-library") -> int:
    """The number of a confirmed signature that came with the key of this name."""
    person = PersonInput(f"Sample Signer {n:02}", f"signer{n}@mail.example", "IE")
    return api.shop.intake.submit(campaign, person, evidence="a list", source=f"api:{name}", notify=True).signature


# -- who it is
def test_who_has_no_key(api):
    for method, path in (("GET", "/api/v1/signatures/1"), ("POST", "/api/v1/signatures/1/withdraw")):
        answer = api.ask(method, path)
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="lettershop"'
    answer = api.post(SIGN, api.confirmed(1))
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert api.recorded() == []


@pytest.mark.parametrize(
    "header",
    [
        "Bearer lsk_AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer",
        "Bearer lsk_",
        "Basic dXNlcjpwYXNzd29yZA==",
        "lsk_AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer lsk_" + "A" * 5000,
        "Bearer lsk_\u00e9\u00e9\u00e9AAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer lsk_AAAAAAAAAAAAAAAAAAAAAAAAAAA' OR 1=1",
    ],
)
def test_a_key_that_is_none(api, header):
    sent = {"Authorization": header.encode("latin-1")}
    for answer in (api.get("/api/v1/signatures/1", headers=sent), api.post(SIGN, api.person(1), headers=sent)):
        problem(answer, 401)
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "AAAA" not in answer.text
    assert api.recorded() == []


def test_two_keys_at_once(api):
    key = api.key("read")["Authorization"]
    answer = api.get("/api/v1/signatures/1", headers=[("Authorization", key), ("Authorization", key)])
    problem(answer, 401)


def test_each_scope_by_itself(api):
    own = {"only-read": entered(api, "only-read"), "only-withdraw": entered(api, "only-withdraw", 2)}
    doors = {
        "sign": lambda key: api.post(SIGN, api.confirmed(3), headers=key),
        "read": lambda key: api.get(f"/api/v1/signatures/{own['only-read']}", headers=key),
        "withdraw": lambda key: api.post(f"/api/v1/signatures/{own['only-withdraw']}/withdraw", headers=key),
    }
    for held, door in doors.items():
        key = api.key(*(scope for scope in doors if scope != held), name=f"all-but-{held}")
        answer = door(key)
        assert f"lacks the scope {held}" in problem(answer, 403)["detail"]
        assert f'error="insufficient_scope", scope="{held}"' in answer.headers["www-authenticate"]
    for scope, door in doors.items():
        assert door(api.key(scope, name=f"only-{scope}")).status_code in {200, 201}


def test_rotated_and_revoked(api):
    made = keys.create(api.ledger, "partner", ["read"], "", campaigns=(), who="tester")
    old = {"Authorization": f"Bearer {made.key}"}
    fresh = keys.rotate(api.ledger, "partner", who="tester", reason="due", overlap=timedelta(hours=1))
    new = {"Authorization": f"bearer {fresh.key}"}  # the scheme's case does not matter (RFC 9110, 11.1)
    assert [api.get("/api/v1/signatures/1", headers=key).status_code for key in (old, new)] == [404, 404]
    keys.revoke(api.ledger, "partner", who="tester", reason="lost")
    assert [api.get("/api/v1/signatures/1", headers=key).status_code for key in (old, new)] == [401, 401]


def test_its_use_is_noted_to_the_hour_and_once(api, monkeypatch):
    key, noted = api.key("read"), []
    note = api_keys.note_use
    monkeypatch.setattr(api_keys, "note_use", lambda *given: noted.append(given) or note(*given))
    for _ in range(3):
        api.get("/api/v1/signatures/1", headers=key)
    assert len(noted) == 1
    (row,) = api.rows(sa.select(keys_table.c.used_at))
    hour_us = 3_600_000_000
    assert row["used_at"] % hour_us == 0
    assert 0 <= api.ledger.now_us() - row["used_at"] < 2 * hour_us


def test_a_note_that_cannot_be_made_stops_nobody(api, monkeypatch):
    def busy(*_):
        raise Failed("busy")

    key = api.key("read")
    monkeypatch.setattr(api_keys, "note_use", busy)
    problem(api.get("/api/v1/signatures/1", headers=key), 404)


# -- signing
def test_a_signature_confirmed_elsewhere(api):
    given = api.confirmed(1, offices_left_out=["sampleton-mayor"], consents=["send", "yearly"])
    answer = api.post(SIGN, given, headers=api.key("sign"))
    assert answer.status_code == 201
    made = answer.json()
    assert made == {"id": made["id"], "state": "confirmed", "letters": 1, "repeated": False}
    assert answer.headers["location"] == f"/api/v1/signatures/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    (row,) = api.recorded()
    assert (row["source"], row["evidence"], row["state"]) == ("api:partner", "a list of the partner's", "confirmed")
    assert api.letters() == 2, "one to an office, one that brings its signer the link of their page"


def test_their_own_words_wait_for_an_operator(api):
    key = api.key("sign", "read")
    number = api.post(SIGN, api.confirmed(1, comment="I learnt to read there."), headers=key).json()["id"]
    told = api.get(f"/api/v1/signatures/{number}", headers=key).json()
    assert told["held"]
    assert {each["state"] for each in told["letters"]} == {"held"}


@pytest.mark.parametrize("evidence", [None, "", "  ", "two\nlines", "x" * 501])
def test_evidence_is_needed(api, evidence):
    given = api.confirmed(1) | {"evidence": evidence}
    if evidence is None:
        del given["evidence"]
    answer = api.post(SIGN, {**given, "name": ""}, headers=api.key("sign"))
    assert set(faults(answer)) == {"name", "evidence"}
    assert api.recorded() == []


def test_the_same_again_is_told_and_changes_nothing(api):
    key = api.key("sign")
    first = api.post(SIGN, api.confirmed(1), headers=key)
    again = api.post(SIGN, api.confirmed(1), headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "letters": 0, "repeated": True}
    assert api.letters() == 3


@pytest.mark.parametrize("before", ["web", "import:1", "api:other"])
def test_of_who_signed_elsewhere_no_more_is_told(api, before):
    person = PersonInput("Sample Signer 01", "signer1@mail.example", "IE")
    number = api.shop.intake.submit("town-library", person, evidence="a list", source=before).signature
    key, letters_before = api.key("sign"), api.letters()
    for named in ({}, {"Idempotency-Key": "7"}, {"Idempotency-Key": "7"}):
        answer = api.post(SIGN, api.confirmed(1), headers={**key, **named})
        told = {"id": None, "state": None, "letters": 0, "repeated": True}
        assert (answer.status_code, answer.json()) == (200, told)
        assert "location" not in answer.headers
    assert [row["id"] for row in api.recorded()] == [number]
    assert api.letters() == letters_before


def test_a_holders_names_for_requests_are_its_own(api):
    one, two = api.key("sign", name="one"), api.key("sign", name="two")
    named = {"Idempotency-Key": "7"}
    assert api.post(SIGN, api.confirmed(1), headers={**one, **named}).status_code == 201
    assert api.post(SIGN, api.confirmed(1), headers={**one, **named}).status_code == 200
    assert list(faults(api.post(SIGN, api.confirmed(2), headers={**one, **named}))) == ["Idempotency-Key"]
    assert api.post(SIGN, api.confirmed(2), headers={**two, **named}).status_code == 201
    assert api.post(SIGN, api.person(3), headers=named).status_code == 202
    assert len(api.recorded()) == 3


def test_a_holders_request_is_no_second_signing_after_withdrawal(api):
    key, named = api.key("sign"), {"Idempotency-Key": "7"}
    number = api.post(SIGN, api.confirmed(1), headers={**key, **named}).json()["id"]
    api.shop.intake.withdraw(number)
    again = api.post(SIGN, api.confirmed(1), headers={**key, **named})
    assert (again.status_code, again.json()["state"], again.json()["id"]) == (200, "withdrawn", number)
    assert api.post(SIGN, api.confirmed(1), headers=key).status_code == 201


def test_a_holder_may_have_people_asked_past_the_limits(draft, ledger):
    with an_api(draft, ledger, LETTERSHOP_FORM__PER_IP="4/h") as api:
        key = api.key("sign")
        for n in range(5):
            assert api.post(SIGN, api.person(n), headers=key).status_code == 202
        given = api.person(9)
        del given["version"]
        assert api.post(SIGN, given, headers=key).status_code == 202, "a holder has forms of their own"
        assert list(faults(api.post(SIGN, {**given, "name": ""}, headers=key))) == ["name"]
        assert {row["source"] for row in api.recorded()} == {"api:partner"}
        assert {row["state"] for row in api.recorded()} == {"unconfirmed"}


# -- reading and withdrawing
def test_what_a_holder_sees_has_nothing_of_the_signer(api):
    given = api.confirmed(1, city="Sampleton", language="en")
    key = api.key("sign", "read")
    number = api.post(SIGN, given, headers=key).json()["id"]
    with api.ledger.write() as connection:
        letter = connection.execute(
            sa.select(letters.c.id).where(letters.c.addressee == "sampleton-mayor")
        ).scalar_one()
        row = {"letter_id": letter, "number": 1, "round_id": 1, "relay": "main", "lane_id": 1, "code": 250,
               "enhanced": "2.0.0", "text": "Ok: queued as 4X"}  # fmt: skip
        connection.execute(sa.insert(attempts), row)
        connection.execute(sa.update(letters).where(letters.c.id == letter).values(attempts=1))
    answer = api.get(f"/api/v1/signatures/{number}", headers=key)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["id"], told["campaign"], told["state"], told["held"]) == (number, "town-library", "confirmed", "")
    assert told["signed_at"] == told["confirmed_at"]
    assert told["ended_at"] is None
    assert [(each["office"], each["sendout"], each["state"], each["reply"]) for each in told["letters"]] == [
        ("sampleton-mayor", "signing", "queued", "250 2.0.0 Ok: queued as 4X"),
        ("sampleton-library-committee", "signing", "queued", ""),
    ]
    for personal in ("Sample Signer", "signer1", "mail.example", given["evidence"], "Town of", '"IE"'):
        assert personal not in answer.text


def test_withdrawing_is_done_once(api):
    key = api.key("sign", "withdraw", name="ends")
    number = api.post(SIGN, api.confirmed(1), headers=key).json()["id"]
    first = api.post(f"/api/v1/signatures/{number}/withdraw", headers=key)
    again = api.post(f"/api/v1/signatures/{number}/withdraw", headers=key)
    assert (first.status_code, first.json()) == (200, {"id": number, "state": "withdrawn", "cancelled": 3})
    assert (again.status_code, again.json()) == (200, {"id": number, "state": "withdrawn", "cancelled": 0})
    with api.ledger.read() as connection:
        said = [(each.who, each.verb, each.target) for each in audit.latest(connection)]
    assert said == [("api:ends", "withdraw", f"signature {number}")]


def test_an_erased_signature_is_told_as_such(api):
    key = api.key("sign", "read", "withdraw")
    number = api.post(SIGN, api.confirmed(1), headers=key).json()["id"]
    api.shop.intake.erase(number)
    assert api.get(f"/api/v1/signatures/{number}", headers=key).json()["state"] == "erased"
    assert api.post(f"/api/v1/signatures/{number}/withdraw", headers=key).json()["state"] == "erased"


def test_a_key_sees_and_ends_what_came_through_it_alone(api):
    key = api.key("read", "withdraw")
    api.post(SIGN, api.person(1))  # by anybody
    public = api.recorded()[0]["id"]
    listed = api.shop.intake.submit(
        "town-library", PersonInput("Sample Signer 02", "signer2@mail.example", "IE"), evidence="x", source="import:1"
    ).signature
    foreign = [public, listed, entered(api, "partner-2", 3), entered(api, "partne", 4)]
    api.confirm(public)
    nowhere = api.get("/api/v1/signatures/4711", headers=key)
    for number in foreign:
        there = f"/api/v1/signatures/{number}"
        for answer in (api.get(there, headers=key), api.post(f"{there}/withdraw", headers=key)):
            assert problem(answer, 404) == nowhere.json()
    assert {row["state"] for row in api.recorded()} == {"confirmed"}
    own = entered(api, "partner", 5)
    assert api.get(f"/api/v1/signatures/{own}", headers=key).status_code == 200


def test_a_rotated_key_sees_what_came_through_the_old_one(api):
    key = api.key("sign", "read")
    number = api.post(SIGN, api.confirmed(1), headers=key).json()["id"]
    fresh = keys.rotate(api.ledger, "partner", who="tester", reason="due", overlap=timedelta(0))
    new = {"Authorization": f"Bearer {fresh.key}"}
    assert [api.get(f"/api/v1/signatures/{number}", headers=each).status_code for each in (key, new)] == [401, 200]


def test_whoever_was_asked_by_mail_for_a_key_is_its_holders_to_follow(api):
    key = api.key("sign", "read")
    assert api.post(SIGN, api.person(1), headers=key).status_code == 202
    (row,) = api.recorded()
    seen = [api.get(f"/api/v1/signatures/{row['id']}", headers=key).json()["state"]]
    api.confirm(row["id"])
    seen.append(api.get(f"/api/v1/signatures/{row['id']}", headers=key).json()["state"])
    assert seen == ["unconfirmed", "confirmed"]


def test_a_key_for_one_campaign_knows_no_other(api):
    bound = api.key("sign", "read", "withdraw", name="bound", campaign="justice-for-khojaly")
    number = entered(api, "bound")  # by an earlier key of this name, for all campaigns
    letters_before = api.letters()
    there, nowhere = f"/api/v1/signatures/{number}", "/api/v1/signatures/4711"
    assert api.get(there, headers=bound).json() == api.get(nowhere, headers=bound).json()
    problem(api.get(there, headers=bound), 404)
    problem(api.post(f"{there}/withdraw", headers=bound), 404)
    problem(api.post(SIGN, api.confirmed(2), headers=bound), 404)
    problem(api.post(SIGN, api.person(2), headers=bound), 404)
    assert (len(api.recorded()), api.letters()) == (1, letters_before)
    made = api.post(OTHER, api.confirmed(3), headers=bound)
    assert made.status_code == 201
    assert api.get(f"/api/v1/signatures/{made.json()['id']}", headers=bound).status_code == 200
    assert api.get(CAMPAIGN, headers=bound).status_code == 200, "what is public stays so"


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 18, "9" * 30, "1.5", "%00", "1e3", "\u0661"])
def test_a_number_that_is_none(api, number):
    key = api.key("read", "withdraw")
    for answer in (api.get(f"/api/v1/signatures/{number}", headers=key),
                   api.post(f"/api/v1/signatures/{number}/withdraw", headers=key)):  # fmt: skip
        assert answer.status_code in {404, 422}
