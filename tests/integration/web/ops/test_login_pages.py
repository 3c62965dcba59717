"""The pages of users: one's own account, who may log in, the audit; and their own address. On both databases."""

import html

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.integration.web.ops.scene import PASSWORD, Clock, Door, a_door
from worker.ledger.book import Ledger
from worker.ledger.schema import audit
from worker.operations import users

OTHER = "funf andere worte da"


def changed(browser, old=PASSWORD, new=OTHER, again=OTHER):
    form = {"old-password": old, "new-password": new, "new-password-again": again, "csrf": browser.csrf()}
    return browser.post("/ops/account/password", form)


def test_a_new_password_ends_every_other_session(door: Door) -> None:
    browser, other = door.inside(), door.browser()
    other.log_in()
    before = browser.client.cookies["lettershop-ops"]
    answer = changed(browser)
    assert answer.status_code == 303
    assert "Your password was changed" in browser.get(answer.headers["location"]).text
    assert browser.client.cookies["lettershop-ops"] != before
    assert other.get("/ops/account").status_code == 303
    assert door.browser().log_in().status_code == 403
    assert door.browser().log_in(password=OTHER).status_code == 303


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # nothing in it is the database's
@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"again": "not the same at all"}, 400, "not the same"),
        ({"new": "short", "again": "short"}, 400, "too short"),
        ({"new": "maria-maria-maria", "again": "maria-maria-maria"}, 400, "tried first"),
        ({"old": "wrong wrong wrong"}, 403, "not your password"),
    ],
)
def test_a_password_that_is_not_changed(door: Door, given, status, words) -> None:
    browser = door.inside()
    answer = changed(browser, **given)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert OTHER not in answer.text
    assert browser.get("/ops/account").status_code == 200
    assert door.browser().log_in().status_code == 303


def test_an_open_page_is_no_way_to_guess(door: Door) -> None:
    browser = door.inside()
    for _ in range(5):
        assert changed(browser, old="wrong wrong wrong").status_code == 403
    answer = changed(browser)
    assert "Too many tries" in answer.text
    assert door.browser().log_in().status_code == 303, "logging in is counted apart"


def test_sessions_can_be_ended(door: Door) -> None:
    browser, second, third = door.inside(), door.browser(), door.browser()
    second.log_in()
    third.log_in()
    page = browser.get("/ops/account").text
    numbers = [part.split('"')[0] for part in page.split('name="number" value="')[1:]]
    assert len(numbers) == 3, "two others, and all others"
    browser.post("/ops/account/end", {"csrf": browser.csrf(), "number": numbers[0]})
    assert sorted(each.get("/ops/account").status_code for each in (second, third)) == [200, 303]
    browser.post("/ops/account/end", {"csrf": browser.csrf(), "number": "others"})
    assert [each.get("/ops/account").status_code for each in (second, third)] == [303, 303]
    stranger = door.inside("bob", "viewer")
    stranger.post("/ops/account/end", {"csrf": stranger.csrf(), "number": numbers[0]})
    assert browser.get("/ops/account").status_code == 200, "nobody ends another's"


def test_an_admin_makes_and_changes_users(door: Door) -> None:
    browser = door.inside()
    csrf = browser.csrf()
    form = {"name": "bob", "role": "viewer", "reason": "helps", "password": PASSWORD, "password-again": PASSWORD}
    made = browser.post("/ops/users/add", {**form, "csrf": csrf})
    assert "User bob may log in, as viewer." in browser.get(made.headers["location"]).text
    bob = door.browser()
    assert bob.log_in("bob").status_code == 303
    why = {"reason": "for a test", "csrf": csrf}
    assert browser.post("/ops/users/bob/role", {**why, "role": "operator"}).status_code == 303
    assert bob.get("/ops/audit").status_code == 303, "logged out"
    assert browser.post("/ops/users/bob/disable", why).status_code == 303
    assert bob.log_in("bob").status_code == 403
    assert browser.post("/ops/users/bob/enable", why).status_code == 303
    new = {**why, "password": OTHER, "password-again": OTHER}
    assert browser.post("/ops/users/bob/password", new).status_code == 303
    assert bob.log_in("bob", OTHER).status_code == 303
    verbs = [
        row.verb for row in door.rows(sa.select(audit.c.verb).where(audit.c.target == "user bob").order_by(audit.c.id))
    ]
    assert [each for each in verbs if "log in" not in each] == [
        "add user", "set role", "disable user", "enable user", "set password",
    ]  # fmt: skip


def test_what_an_admin_is_refused(door: Door) -> None:
    browser = door.inside()
    door.add("bob", "viewer")
    csrf = browser.csrf()
    form = {
        "name": "eve",
        "role": "viewer",
        "reason": "x",
        "password": PASSWORD,
        "password-again": PASSWORD,
        "csrf": csrf,
    }
    for path, given, status, words in (
        ("add", {"name": "bob"}, 409, "there is a user bob already"),
        ("add", {"name": "<b>"}, 400, "a user&#39;s name has"),
        ("add", {"role": "king"}, 400, "no role &#39;king&#39;"),
        ("add", {"reason": ""}, 400, "a reason is needed"),
        ("add", {"password": "password1234", "password-again": "password1234"}, 400, "tried first"),
        ("add", {"password-again": "x"}, 400, "not the same"),
        ("maria/disable", {}, 409, "nobody does this to themselves"),
        ("maria/role", {"role": "viewer"}, 409, "nobody does this to themselves"),
        ("bob/enable", {}, 409, "is not disabled"),
        ("bob/role", {"role": "viewer"}, 409, "is viewer already"),
        ("nobody/disable", {}, 400, "there is no user"),
        ("bob/eat", {}, 404, ""),
    ):
        answer = browser.post(f"/ops/users/{path}", {**form, **given})
        assert (answer.status_code, words.casefold() in answer.text.casefold()) == (status, True), (path, given)
    assert [each["name"] for each in users.listing(door.ledger)] == ["bob", "maria"]


def test_who_is_an_admin_no_more_changes_nobody(door: Door) -> None:
    door.add()
    by = users.By("maria", "for a test", admin_only=True)
    door.add("other")
    users.set_role(door.ledger, "maria", "viewer", users.By("tester", "x"))
    with pytest.raises(users.RefusedByState, match="not an admin any more"):
        users.disable(door.ledger, "other", by)
    with pytest.raises(users.RefusedByState, match="last admin"):
        users.disable(door.ledger, "other", users.By("other", "x", admin_only=True))


def test_the_audit_page(door: Door) -> None:
    browser = door.inside()
    hostile = '<img src=x onerror=alert(1)> \u202e"'
    for n in range(60):
        users.set_role(
            door.ledger,
            "maria",
            ("viewer", "admin")[n % 2],
            users.By("o'brien & co", hostile.replace("\u202e", "") + str(n)),
        )
    browser.log_in()
    first = browser.get("/ops/audit").text
    assert first.count('<th scope="row">') == 50
    assert "<img" not in first
    assert html.escape("o'brien & co", quote=False).replace("'", "&#39;") in first
    older = html.unescape(first.split('rel="next" href="')[1].split('"')[0])
    assert browser.get(older).text.count('<th scope="row">') == 13
    assert browser.get("/ops/audit?verb=add+user").text.count('<th scope="row">') == 1
    assert browser.get("/ops/audit?target=user+mar&who=tester").text.count('<th scope="row">') == 1
    assert "No row fits" in browser.get("/ops/audit?target=%25").text
    assert browser.get("/ops/audit?who=%00&target=%F0%9F%92%8C").status_code == 200
    assert "The chain is sound:" in browser.post("/ops/audit/verify", {"csrf": browser.csrf()}).text
    with door.ledger.write() as connection:
        connection.execute(sa.update(audit).where(audit.c.id == 3).values(reason="another"))
    broken = browser.post("/ops/audit/verify", {"csrf": browser.csrf()}).text
    assert "audit row 3 was altered" in broken


# -- at an address of their own
@pytest.fixture
def apart(quick, draft: Draft, ledger: Ledger):
    home = draft.load(LETTERSHOP_OPS__HOST="127.0.0.1", LETTERSHOP_OPS__PORT="8481")
    clock = Clock()
    with a_door(home, ledger, clock) as pages, a_door(home, ledger, clock, "ops") as ops:
        yield pages, ops


def test_at_an_address_of_their_own(apart) -> None:
    pages, ops = apart
    ops.add()
    for path in ("/ops", "/ops/login", "/ops/audit"):
        assert pages.browser().get(path).status_code == 404
    assert pages.browser().log_in().status_code == 404
    base = "http://127.0.0.1:8481"
    browser = ops.browser(base=base)
    assert browser.get("/").headers["location"] == "/ops"
    assert browser.get("/c/town-library").status_code == 404
    assert browser.get("/api/v1/campaigns/town-library").status_code == 404
    assert browser.log_in().status_code == 303
    page = browser.get("/ops/audit")
    assert page.status_code == 200
    sheet = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    assert browser.get(sheet).status_code == 200
    assert ops.browser(base="http://evil.example").get("/ops/login").status_code == 400


def test_over_https(quick, draft: Draft, ledger: Ledger) -> None:
    url = "https://ops.town-library.example"
    home = draft.load(LETTERSHOP_OPS__HOST="127.0.0.1", LETTERSHOP_OPS__PORT="8481", LETTERSHOP_OPS__URL=url)
    with a_door(home, ledger, Clock(), "ops") as door:
        door.add()
        browser = door.browser(base=url)
        cookies = browser.log_in().headers.get_list("set-cookie")
        assert all(each.startswith("__Host-") and "Secure" in each for each in cookies)
        answer = browser.get("/ops/audit")
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
        tunnel = door.browser(base="http://127.0.0.1:9999")
        assert tunnel.log_in().status_code == 303
        assert tunnel.get("/ops/audit").status_code == 200
