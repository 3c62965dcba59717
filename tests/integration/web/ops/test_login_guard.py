"""Who may do what: roles, forms, keys, and forms whose session has ended. On both databases."""

import pytest
import sqlalchemy as sa

from tests.integration.web.ops.scene import PASSWORD, Door, hidden
from worker.ledger.schema import users as table
from worker.operations import api_keys, users
from worker.web.ops.guard import Gate, Visitor, visitor_of

NEW = {"name": "bob", "role": "viewer", "reason": "helps", "password": PASSWORD, "password-again": PASSWORD}


def names(door: Door) -> list[str]:
    return [row.name for row in door.rows(sa.select(table.c.name).order_by(table.c.name))]


def test_roles(door: Door) -> None:
    admin = door.inside()
    viewer = door.inside("vera", "viewer")
    operator = door.inside("otto", "operator")
    assert [each.get("/ops/users").status_code for each in (viewer, operator, admin)] == [403, 403, 200]
    refused = viewer.get("/ops/users")
    assert "This needs the role admin; you are viewer" in refused.text
    assert 'href="/ops/users"' not in refused.text
    assert viewer.post("/ops/users/add", {**NEW, "csrf": viewer.csrf()}).status_code == 403
    assert "bob" not in names(door)


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # nothing in it is the database's
@pytest.mark.parametrize("csrf", ["", "x", "\u00e9", None])
def test_a_form_without_its_field_does_nothing_and_is_shown_again(door: Door, csrf: str | None) -> None:
    browser = door.inside()
    asked = browser.post("/ops/users/add", NEW if csrf is None else {**NEW, "csrf": csrf})
    assert asked.status_code == 403
    assert "Nothing was done yet" in asked.text
    assert names(door) == ["maria"]
    fields = {name: hidden(asked.text, name) for name in ("csrf", "name", "role")}
    done = browser.post("/ops/users/add", {**NEW, **fields})
    assert done.status_code == 303
    assert names(door) == ["bob", "maria"]


def test_another_sites_form_never_gets_so_far(door: Door) -> None:
    browser = door.inside()
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/ops/users/add", {**NEW, "csrf": browser.csrf()}, headers=headers).status_code == 403
        assert browser.post("/ops/login", {"name": "maria", "password": PASSWORD}, headers=headers).status_code == 403
    assert names(door) == ["maria"]


def test_a_form_whose_session_ended_is_kept(door: Door) -> None:
    browser = door.inside()
    sent = {**NEW, "csrf": browser.csrf(), "note": '"><script>alert(1)</script>', "office": ["one", "two"]}
    door.clock.move(days=8)
    asked = browser.post("/ops/users/add", sent)
    assert asked.status_code == 403
    assert "Your session has ended; nothing was done." in asked.text
    kept = hidden(asked.text, "kept")
    wrong = browser.log_in(password="wrong wrong wrong", kept=kept)
    assert hidden(wrong.text, "kept") == kept, "not lost by a slip"
    again = browser.log_in(kept=kept)
    assert again.status_code == 200
    assert names(door) == ["maria"], "nothing is done before it is sent once more"
    assert '<form method="post" action="/ops/users/add"' in again.text
    assert 'value="helps"' in again.text
    assert again.text.count('type="hidden" name="office"') == 2
    assert "<script>alert" not in again.text
    assert PASSWORD not in again.text
    assert 'name="password" type="password"' in again.text
    done = browser.post("/ops/users/add", {**NEW, "csrf": hidden(again.text, "csrf")})
    assert done.status_code == 303
    assert names(door) == ["bob", "maria"]


def test_a_kept_form_is_ours_and_fresh(door: Door) -> None:
    browser = door.inside()
    door.clock.move(days=8)
    kept = hidden(browser.post("/ops/users/add", NEW).text, "kept")
    for spoiled in (kept[:-2] + "AA", "x", "." + kept, kept.replace(".", "", 1), "\u00e9.\u00e9"):
        assert browser.log_in(kept=spoiled).status_code == 303, "led onward: it is not ours"
    door.clock.move(days=1, seconds=1)
    assert browser.log_in(kept=kept).status_code == 303, "too old"
    browser.client.cookies.clear()
    assert "too long to be kept" in browser.post("/ops/users/add", {**NEW, "reason": "x" * 40_000}).text


def test_programs_are_told_in_their_own_way(door: Door) -> None:
    door.add()
    browser = door.browser()
    for path, headers in (("/ops/api/status", {}), ("/ops/audit", {"Accept": "application/json"})):
        asked = browser.get(path, headers=headers)
        assert (asked.status_code, asked.headers["content-type"]) == (401, "application/problem+json")
        assert asked.headers["www-authenticate"] == "Bearer"
    assert browser.post("/ops/api/acts", json={}).status_code == 401


def test_keys(door: Door) -> None:
    door.add()
    browser = door.browser()

    def key(*scopes: str) -> dict[str, str]:
        made = api_keys.create(
            door.ledger, f"k{'-'.join(scopes).replace(':', '')}", scopes, "", campaigns=(), who="tester"
        )
        return {"Authorization": f"Bearer {made.key}"}

    reads, acts, other = key("ops:read"), key("ops:act"), key("read")
    assert browser.get("/ops/audit", headers=reads).status_code == 200
    assert browser.get("/ops/users", headers=acts).status_code == 403, "no key is an admin"
    lacking = browser.get("/ops/audit", headers=other)
    assert (lacking.status_code, lacking.headers["content-type"]) == (403, "application/problem+json")
    assert browser.get("/ops/audit", headers={"Authorization": "Bearer lsk_" + "A" * 27}).status_code == 401
    assert browser.get("/ops/audit", headers=[("Authorization", reads["Authorization"])] * 2).status_code == 401
    assert browser.get("/ops/account", headers=reads).status_code == 403
    assert browser.post("/ops/audit/verify", headers=reads).status_code == 200, "a key needs no csrf field"
    with pytest.raises(users.BadInput, match="for all campaigns"):
        api_keys.create(door.ledger, "one", ["ops:read"], "town-library", campaigns=["town-library"], who="tester")


def test_it_says_what_is_wrong_to_those_inside_alone(door: Door) -> None:
    browser = door.inside()
    assert "There is no letter" in browser.get("/ops/letters/999").text
    assert browser.get("/ops/audit?before=x").status_code == 400
    assert browser.get("/ops/none").status_code == 404


def test_whether_a_visitor_still_may(door: Door) -> None:
    browser, gate = door.inside(), Gate(door.shop)
    session = gate.doorman.session(browser.client.cookies["lettershop-ops"])
    assert session is not None
    made = api_keys.create(door.ledger, "monitor", ["ops:read"], "", campaigns=(), who="tester")
    visitor, program = visitor_of(session), Visitor("key monitor", "viewer", "", "key", key=made.key)
    assert door.run(gate.still(visitor))
    assert door.run(gate.still(program))
    door.clock.move(hours=11, minutes=59)
    assert door.run(gate.still(visitor))
    door.clock.move(minutes=1)
    assert not door.run(gate.still(visitor)), "asking is not using"
    api_keys.revoke(door.ledger, "monitor", who="tester", reason="lost")
    assert not door.run(gate.still(program))


def test_a_look_at_a_signer_is_audited(door: Door) -> None:
    Gate(door.shop).audit_view(Visitor("vera", "viewer", "", "session"), "signature 12", "they asked")
    (entry,) = door.audit("look")
    assert (entry.who, entry.target, entry.reason) == ("vera", "signature 12", "they asked")
