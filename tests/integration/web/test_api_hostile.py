"""What nobody should send to the API: it is refused in words, never a fault of ours, and nothing of it is recorded."""

import json
import shutil

import pytest

from tests.fixtures.homes import Draft
from tests.integration.web.api_scene import PROBLEM, SIGN, an_api
from worker.ledger.book import Ledger
from worker.ledger.migrate import migrate

MIB = 1024 * 1024
NASTY = {
    "nul": "Sample\0Signer",
    "lone surrogate": "Sample \ud800 Signer",
    "lone low surrogate": "Sample \udfff",
    "right-to-left override": "Sample \u202eSigner",
    "isolate": "Sample \u2066Signer",
    "line separator": "Sample\u2028Signer",
    "header injection": "Sample\r\nBcc: victim@mail.example",
    "noncharacter": "Sample \ufffe",
    "filler": "\u3164",
    "link": "Visit www.evil.example",
    "address": "mail me@mail.example",
    "long": "x" * 19_999,
    "zalgo": "Z" + "\u0300" * 5_000,
}
BODIES = {
    "nothing": b"",
    "no json": b"name=Sample+Signer",
    "half": b'{"name": "Sample',
    "not utf-8": b'{"name": "\xff\xfe"}',
    "utf-16": json.dumps({"name": "Sample"}).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "nan": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "huge float": b'{"name": 1e999}',
    "huge int": b'{"name": ' + b"9" * 5_000 + b"}",
    "large int": b'{"name": ' + b"9" * 4_000 + b"}",
    "deep list": b"[" * 30_000 + b"]" * 30_000,
    "deep object": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a name twice": b'{"name": "One", "name": "Two"}',
    "many names": json.dumps({f"n{n}": n for n in range(4_000)}).encode(),
    "list": b"[]",
    "text": b'"Sample"',
    "null": b"null",
    "number": b"7",
    "surrogate as a name": b'{"\\ud800": 1}',
    "nul as a name": b'{"\\u0000": 1}',
    "long name": b'{"' + b"x" * 60_000 + b'": 1}',
    "control character": b'{"name": "a\x01b"}',
}
WRONG = [None, 7, 7.5, True, [], {}, ["x"], {"x": 1}, [["send"]], 10**30]


@pytest.fixture
def api(draft: Draft, ledger):
    with an_api(draft, ledger) as opened:
        yield opened


@pytest.fixture
def fast(draft: Draft, ledger_keys, tmp_path, migrated_file):
    """On SQLite alone: nothing here reaches the ledger."""
    file = tmp_path / "alone.db"
    shutil.copyfile(migrated_file, file)
    migrate(f"sqlite:///{file}", "rehearsal", ledger_keys)
    with Ledger.open(f"sqlite:///{file}", ledger_keys, "rehearsal") as ledger, an_api(draft, ledger) as opened:
        yield opened


def refused(api, answer, *statuses: int) -> dict:
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == PROBLEM
    assert api.recorded() == []
    assert api.letters() == 0
    assert len(answer.content) < 64 * 1024
    return answer.json()


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("field", ["name", "email", "country", "city", "language", "version"])
def test_a_text_that_must_not_be_written(fast, field, nasty):
    answer = fast.post(SIGN, fast.person(1, **{field: nasty}))
    told = refused(fast, answer, 422)
    assert [each["field"] for each in told["errors"]] == [field]
    assert nasty not in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "nasty", ["nul", "lone surrogate", "right-to-left override", "isolate", "noncharacter", "long"]
)
@pytest.mark.parametrize("field", ["comment", "evidence", "consents", "offices_left_out"])
def test_a_text_that_must_not_be_kept(fast, field, nasty):
    text = NASTY[nasty]
    changes = {field: [text] if field in {"consents", "offices_left_out"} else text}
    told = refused(fast, fast.post(SIGN, fast.person(1, **changes)), 422)
    assert {each["field"].partition(".")[0] for each in told["errors"]} == {field}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("key", [False, True])
def test_a_body_that_is_none(fast, body, key):
    headers = {"Content-Type": "application/json", **(fast.key("sign") if key else {})}
    refused(fast, fast.post(SIGN, content=body, headers=headers), 400, 413, 422)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_value_of_another_kind(fast, wrong):
    fields = ["name", "email", "country", "city", "comment", "language", "version", "altcha", "evidence", "confirmed",
              "consents", "offices_left_out"]  # fmt: skip
    for field in fields:
        if (field == "confirmed" and wrong is True) or (field == "offices_left_out" and wrong == []):
            continue
        told = refused(fast, fast.post(SIGN, fast.person(1, **{field: wrong})), 422)
        assert any(each["field"].startswith(field) for each in told["errors"]), (field, told)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonx", ";;;"]
)
def test_another_kind_of_body(fast, kind):
    body = json.dumps(fast.person(1)).encode()
    answer = fast.post(SIGN, content=body, headers={} if kind is None else {"Content-Type": kind})
    refused(fast, answer, 415)
    assert answer.headers["accept"] == "application/json"


def test_a_body_that_is_far_too_long(fast):
    body = json.dumps(fast.person(1, comment="x" * MIB)).encode()
    refused(fast, fast.post(SIGN, content=body, headers={"Content-Type": "application/json"}), 413)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/campaigns/%00", "/api/v1/campaigns/%ED%A0%80", "/api/v1/campaigns/..%2f..%2fetc", "/api/v1/campaigns/%FF",
     "/api/v1/campaigns/" + "x" * 3_000, "/api/v1//campaigns/town-library", "/api/v1/signatures/1/withdraw/2"],
)  # fmt: skip
def test_paths_that_lead_nowhere(fast, path):
    answer = fast.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("text", ["\0", "\u202e", "x" * 200, "%ED%A0%80", "' OR 1=1 --"])
def test_queries_that_ask_for_nothing(fast, text):
    for name in ("office", "language"):
        told = refused(fast, fast.get("/api/v1/campaigns/town-library/preview", params={name: text}), 422)
        assert [each["field"] for each in told["errors"]] == [name]


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
def test_a_solution_that_nobody_asked_for(fast, nasty):
    """It is looked at only where a challenge was given out, and kept nowhere."""
    answer = fast.post(SIGN, fast.person(1, altcha=nasty))
    assert answer.status_code == (422 if "\ud800" <= max(nasty) <= "\udfff" else 202)


def test_markup_stays_text_in_the_ledger_and_the_answer(api):
    """Characters that mean something elsewhere are a name's own business, and are kept as they are."""
    name = "Zo\u00eb <script>alert(1)</script> {{ 7*7 }} O'Neil &"
    answer = api.post(SIGN, api.person(1, name=name))
    assert answer.status_code == 202
    assert "script" not in answer.text
    (row,) = api.recorded()
    assert api.shop.own_pages.read(api.token(row["id"]), "confirm").person.name == name
