"""Coming in, and being kept out, on both databases."""

import pytest
import sqlalchemy as sa

from tests.integration.web.ops.scene import PASSWORD, Door
from worker.domain.errors import Failed
from worker.ledger.schema import audit, login_failures, sessions
from worker.operations import passwords, users
from worker.operations.sessions import FREE, FREE_NETWORK, LONGEST_WAIT_S

PAGES = ("/ops", "/ops/login", "/ops/account", "/ops/users", "/ops/audit", "/ops/letters", "/ops/api/status")


def test_all_is_off_until_there_is_a_user(door: Door) -> None:
    browser = door.browser()
    for path in PAGES:
        assert browser.get(path).status_code == 404
    assert browser.log_in().status_code == 404
    assert browser.post("/ops/users/add", {"name": "eve"}).status_code == 404
    assert browser.get("/ops/api/status", headers={"Authorization": "Bearer lsk_x"}).status_code == 404
    door.add()
    assert browser.get("/ops/login").status_code == 200
    users.disable(door.ledger, "maria", users.By("tester", "gone"))
    assert browser.get("/ops/login").status_code == 404


def test_in_and_out(door: Door) -> None:
    door.add()
    browser = door.browser()
    asked = browser.get("/ops/audit?verb=hold&who=x")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        "/ops/login?next=%2Fops%2Faudit%3Fverb%3Dhold%26who%3Dx",
    )
    came = browser.log_in(next="/ops/audit?verb=hold&who=x")
    assert (came.status_code, came.headers["location"]) == (303, "/ops/audit?verb=hold&who=x")
    shown = browser.get("/ops/audit")
    assert (shown.status_code, "maria" in shown.text) == (200, True)
    assert browser.get("/ops/login").headers["location"] == "/ops"
    assert browser.post("/ops/logout", {"csrf": "another's"}).headers["location"] == "/ops"
    assert browser.get("/ops/audit").status_code == 200
    old = dict(browser.client.cookies)
    assert browser.post("/ops/logout", {"csrf": browser.csrf()}).headers["location"] == "/ops/login"
    browser.client.cookies.update(old)
    assert browser.get("/ops/audit").status_code == 303, "the session is over, not only forgotten"
    assert [each.who for each in door.audit("log in") + door.audit("log out")] == ["maria", "maria"]


def test_the_cookie_and_the_headers(door: Door) -> None:
    door.add()
    browser = door.browser()
    cookies = browser.log_in().headers.get_list("set-cookie")
    (cookie,) = [each for each in cookies if each.startswith("lettershop-ops=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie, "this is http on this machine"
    token = browser.client.cookies["lettershop-ops"]
    assert len(token) >= 43, "256 bits"
    (row,) = door.rows(sa.select(sessions.c.hash))
    assert token.encode() not in row.hash
    for path in ("/ops/audit", "/ops/login", "/ops/users/nobody", "/ops/none"):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"].startswith("noindex")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"


def test_a_new_login_is_a_new_session(door: Door) -> None:
    browser = door.inside()
    first = browser.client.cookies["lettershop-ops"]
    browser.log_in()
    assert browser.client.cookies["lettershop-ops"] != first
    other = door.browser()
    other.client.cookies.set("lettershop-ops", first)
    assert other.get("/ops/audit").status_code == 303
    planted = door.browser()
    planted.client.cookies.set("lettershop-ops", "chosen-by-another")
    planted.log_in()
    assert "chosen-by-another" not in planted.client.cookies.get("lettershop-ops", domain="127.0.0.1")


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # nothing in it is the database's
@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/c/town-library",
        "/ops\n/x",
        "/opsx",
        "x",
        "/ops" * 900,
    ],
)
def test_onward_never_leads_elsewhere(door: Door, onward: str) -> None:
    door.add()
    assert door.browser().log_in(next=onward).headers["location"] == "/ops"
    assert 'name="next" value="/ops"' in door.browser().get("/ops/login", params={"next": onward[:2400]}).text


# -- who is kept out
def test_every_refusal_looks_alike_and_costs_the_same(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    door.add("gone")
    users.disable(door.ledger, "gone", users.By("tester", "left"))
    hashes: list[str] = []
    fits = passwords.fits
    monkeypatch.setattr(passwords, "fits", lambda kept, given: hashes.append(kept) or fits(kept, given))
    answers = [
        door.browser(f"192.0.{n}.7").log_in(name, given)
        for n, (name, given) in enumerate(
            [
                ("maria", "wrong wrong wrong"),
                ("nobody", PASSWORD),
                ("gone", PASSWORD),
                ("maria", ""),
                ("maria", "x" * 9000),
            ]
        )
    ]
    assert {each.status_code for each in answers} == {403}
    assert all("The name or the password is not right." in each.text for each in answers)
    assert len(hashes) == len(answers), "each cost one hash"
    assert all(each.startswith("$argon2id$") for each in hashes)
    assert all("wrong wrong wrong" not in each.text for each in answers)


def test_waits_grow_and_the_right_password_works_after_them(door: Door) -> None:
    door.add()
    browser = door.browser()
    for _ in range(FREE):
        assert browser.log_in(password="wrong wrong wrong").status_code == 403
    waits = []
    for _ in range(9):
        asked = browser.log_in()
        assert asked.status_code == 429, "even with the right password"
        assert asked.headers["retry-after"] == browser.log_in().headers["retry-after"], (
            "a try within the wait is not counted"
        )
        waits.append(int(asked.headers["retry-after"]))
        door.clock.move(seconds=waits[-1])
        assert browser.log_in(password="wrong wrong wrong").status_code == 403
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900]
    door.clock.move(seconds=LONGEST_WAIT_S)
    assert browser.log_in().status_code == 303
    assert browser.log_in(password="wrong wrong wrong").status_code == 403, "its failures are forgotten"


def test_a_name_that_nobody_has_waits_too(door: Door) -> None:
    door.add()
    statuses = [door.browser().log_in("nobody").status_code for _ in range(FREE + 1)]
    assert statuses == [403] * FREE + [429]


def test_a_network_waits_whatever_names_it_tries(door: Door) -> None:
    door.add()
    browser = door.browser("198.51.100.9")
    for n in range(FREE_NETWORK):
        assert browser.log_in(f"name{n}").status_code == 403
    assert door.browser("198.51.100.77").log_in().status_code == 429, "the same /24"
    assert door.browser("203.0.113.9").log_in().status_code == 303


def test_a_browser_that_is_known_is_not_locked_out_by_strangers(door: Door) -> None:
    known = door.inside()
    known.post("/ops/logout", {"csrf": known.csrf()})
    stranger = door.browser("198.51.100.9")
    for _ in range(FREE):
        stranger.log_in(password="wrong wrong wrong")
    assert stranger.log_in().status_code == 429
    assert known.log_in().status_code == 303
    known.client.cookies.delete("lettershop-ops")
    for _ in range(FREE):
        assert known.log_in(password="wrong wrong wrong").status_code == 403
    assert known.log_in().status_code == 429, "it has a limit of its own"
    assert known.log_in("bob").status_code == 403, "and is known for one name"


def test_tries_at_the_same_instant_do_not_pass_together(door: Door) -> None:
    door.add()
    statuses = door.browser().many("maria", "wrong wrong wrong", 12)
    assert sorted(statuses) == [403] * FREE + [429] * (12 - FREE)


def test_a_flood_waits_for_no_hash(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    monkeypatch.setattr("worker.web.ops.login.MOST_WAITING", 0)
    asked = door.browser().log_in()
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "60")
    assert door.rows(sa.select(login_failures)) == []


def test_what_the_ledger_remembers_of_failures(door: Door) -> None:
    door.add()
    browser = door.browser()
    for _ in range(FREE):
        browser.log_in("my secret as a name", "wrong wrong wrong")
    for n in range(FREE * 2):
        browser = door.browser(f"198.51.{n}.9")
        browser.log_in(password="wrong wrong wrong")
        door.clock.move(seconds=LONGEST_WAIT_S)
    refused = door.audit("refuse log in")
    assert [(each.target, each.details["failures"]) for each in reversed(refused)] == [
        ("user maria", 5),
        ("user maria", 10),
    ]
    everything = repr(door.rows(sa.select(audit)) + door.rows(sa.select(login_failures)))
    assert "my secret" not in everything
    assert "198.51" not in everything
    door.clock.move(days=2)
    door.browser().log_in()
    assert door.rows(sa.select(login_failures)) == [], "forgotten after a day"


def test_the_ledger_is_away(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    browser = door.browser()

    def away(*_: object) -> None:
        raise Failed("the ledger at host.example is away")

    monkeypatch.setattr("worker.operations.sessions.transact", away)
    asked = browser.log_in()
    assert asked.status_code == 503
    assert "host.example" not in asked.text


# -- how long it lasts
def test_idle_and_longest(door: Door) -> None:
    browser = door.inside()
    for _ in range(13):
        door.clock.move(hours=11)
        assert browser.get("/ops/audit").status_code == 200
    door.clock.move(hours=12)
    assert browser.get("/ops/audit").status_code == 303, "not used for so long"
    browser.log_in()
    for _ in range(16):
        door.clock.move(hours=10, minutes=30)
        last = browser.get("/ops/audit").status_code
    assert last == 303, "seven days are over"


def test_an_open_page_is_not_used(door: Door) -> None:
    browser = door.inside()
    door.clock.move(hours=11)
    with_events = {"accept": "text/event-stream"}
    assert browser.get("/ops/audit", headers=with_events).status_code == 200
    door.clock.move(hours=2)
    ended = browser.get("/ops/audit", headers=with_events)
    assert (ended.status_code, ended.headers["content-type"]) == (401, "application/problem+json")


@pytest.mark.parametrize("deed", ["disable", "role", "password"])
def test_it_ends_with_what_is_done_to_the_user(door: Door, deed: str) -> None:
    browser, by = door.inside(), users.By("tester", "for a test")
    door.add("other")
    door.clock.move(seconds=1)
    if deed == "disable":
        assert users.disable(door.ledger, "maria", by) == 1
    elif deed == "role":
        users.set_role(door.ledger, "maria", "viewer", by)
    else:
        assert users.set_password(door.ledger, "maria", "funf andere worte da", by) == 1
    assert browser.get("/ops/audit").status_code == 303
    assert door.browser().log_in().status_code == (303 if deed == "role" else 403)


def test_old_hashes_are_made_anew(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    door.add()
    fresh = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: fresh)
    browser = door.browser()
    assert browser.log_in().status_code == 303
    assert browser.get("/ops/audit").status_code == 200, "that ends no session"
    with door.ledger.read() as connection:
        from worker.ledger import users as rows

        user = rows.find(connection, "maria")
    assert user is not None
    assert "m=16,t=2" in user.password
    assert browser.log_in().status_code == 303
