"""Operators in a real browser: in and out, a session that ends in mid-form, and axe-core on each page of theirs."""

import sqlite3
from contextlib import closing
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.web.house import House
from tests.acceptance.web.test_accessibility import audit
from tests.fixtures.browser import Visitors

PASSWORD = "vier lose worte hier"
_numbers = count(1)


@pytest.fixture
def admin(house: House) -> str:
    """The name of an admin of this test's own."""
    name = f"admin{next(_numbers)}"
    word = house.home.root / "word"
    word.write_text(PASSWORD)
    house.home.run("users", "add", name, "--role", "admin", "--reason", "for a test", "--password-file", word)
    return name


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def fill_new(page: Page, name: str) -> None:
    """The form for a new user."""
    form = page.locator("form[action='/ops/users/add']")
    form.locator("[name=name]").fill(name)
    form.locator("[name=role]").select_option("operator")
    form.locator("[name=password]").fill("funf andere worte da")
    form.locator("[name=password-again]").fill("funf andere worte da")
    form.locator("[name=reason]").fill('helps at "night" <3')
    form.get_by_role("button", name="Add the user").click()


def test_in_and_out(visitors: Visitors, house: House, admin: str) -> None:
    page = visitors.page(house.base)
    page.goto("/ops/audit?who=nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    log_in(page, admin, "wrong wrong wrong")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is not right.")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    assert page.url == f"{house.base}/ops/audit?who=nobody"
    (cookie,) = [each for each in page.context.cookies() if each["name"] == "lettershop-ops"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto("/ops/audit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_session_that_ends_in_mid_form(visitors: Visitors, house: House, admin: str) -> None:
    page, new = visitors.page(house.base), f"new{next(_numbers)}"
    page.goto("/ops/users")
    log_in(page, admin)
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    house.home.run("users", "password", admin, "-r", "ends its sessions", "--password-file", house.home.root / "word")
    fill_new(page, new)
    expect(page.get_by_role("status")).to_contain_text("Your session has ended; nothing was done.")
    assert new not in {name for (name,) in house.ask("SELECT name FROM users")}
    log_in(page, admin, "wrong wrong wrong")
    log_in(page, admin)
    expect(page.get_by_role("heading", level=1)).to_have_text("Send it again?")
    assert new not in {name for (name,) in house.ask("SELECT name FROM users")}
    expect(page.get_by_label("Reason")).to_have_value('helps at "night" <3')
    page.get_by_label("Password", exact=True).fill("funf andere worte da")
    page.get_by_label("Password again").fill("funf andere worte da")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_have_text(f"User {new} may log in, as operator.")
    assert (new, "operator") in house.ask("SELECT name, role FROM users")


def test_without_script(visitors: Visitors, house: House, admin: str) -> None:
    page = visitors.page(house.base, java_script_enabled=False)
    page.goto("/ops/account")
    log_in(page, admin)
    page.get_by_label("The one you have").fill(PASSWORD)
    page.get_by_label("The new one", exact=True).fill("funf andere worte da")
    page.get_by_label("The new one again").fill("funf andere worte da")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password was changed.")


def test_every_page_of_users_is_accessible(visitors: Visitors, house: House, admin: str) -> None:
    with audit(visitors, house) as audited:
        page = audited.page
        audited.visit("/ops/login")
        log_in(page, admin, "wrong wrong wrong")
        audited.look("login, refused")
        page.goto("/ops/users")
        log_in(page, admin)
        for summary in page.locator("summary").all():
            summary.click()
        audited.look("users, everything unfolded")
        fill_new(page, "Not A Name")
        expect(page.get_by_role("alert")).to_be_visible()
        audited.look("users, refused")
        page.goto("/ops/account")
        page.get_by_label("The one you have").fill(PASSWORD)
        page.get_by_label("The new one", exact=True).fill("passwordpassword")
        page.get_by_label("The new one again").fill("passwordpassword")
        page.get_by_role("button", name="Change the password").click()
        expect(page.locator("#new-error")).to_be_visible()
        audited.look("account, refused")
        audited.visit("/ops/account")
        audited.visit("/ops/audit")
        page.get_by_role("button", name="Verify the chain").click()
        expect(page.get_by_role("status")).to_contain_text("The chain is sound")
        audited.look("audit, verified")
        audited.visit("/ops/letters/999999")
        page.goto("/ops/users")
        page.context.clear_cookies()
        fill_new(page, "new")
        audited.look("login, a form kept")
        log_in(page, admin)
        audited.look("send it again")


def test_a_broken_chain_is_said(visitors: Visitors, house: House, admin: str) -> None:
    page = visitors.page(house.base)
    page.goto("/ops/audit")
    log_in(page, admin)
    where = f"WHERE target = 'user {admin}' AND verb = 'add user'"
    with closing(sqlite3.connect(f"{house.var}/ledger.db", timeout=30)) as ledger:
        with ledger:
            ledger.execute(f"UPDATE audit SET reason = 'another' {where}")
        page.get_by_role("button", name="Verify the chain").click()
        expect(page.get_by_role("alert")).to_contain_text("was altered")
        with ledger:
            ledger.execute(f"UPDATE audit SET reason = 'for a test' {where}")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status")).to_contain_text("The chain is sound")
