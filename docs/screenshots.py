"""Make the pictures in `docs/screenshots/` from the running product: `make screenshots`.

It starts a stack of its own, signs as sample signers do, and photographs what they see. The people and addresses are
invented; the day in the letters is the day of the run. Needs Chromium on PATH, and the packages of `make setup`.
"""

import base64
import csv
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.command import Home, a_home
from tests.acceptance.web.night import PASSWORD, a_night
from tests.fixtures.browser import a_browser, program
from tests.support import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).resolve().parent / "screenshots"
CAMPAIGN = "justice-for-khojaly"
OFFICES, BEFORE, WAITING = 11, 24, ("nato-secretary-general", "un-representative-france")
HEAVIEST = 120_000
"""Bytes of a picture in the repository."""

PHONE, DESK = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
QUALITY = 82  # of WebP; text stays sharp


def main() -> int:
    """Make them all; the exit status."""
    if not program():
        print("there is no browser: apt-get install chromium", file=sys.stderr)
        return 1
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lettershop-") as folder, a_home(Path(folder) / "home") as home:
        settings = home.root / "config" / "lettershop.toml"
        settings.write_text(f"{settings.read_text()}\n[form]\nleast_seconds = 0  # we are quick\n")
        home.up()
        supporters(home)
        with a_browser() as browser:
            campaign(browser, home)
            own_pages(browser, home)
            with a_night(Path(folder) / "night", people=60) as (night, base):
                dashboard(browser, night, base)
    return 0


def dashboard(browser: "Browser", night: Home, base: str) -> None:
    """What operators see of a bad night."""
    for size, suffix in ((DESK, ""), (PHONE, "-phone")):
        with visitor(browser, night, size, base=base) as page:
            page.goto("/ops/login")
            page.locator("#name").fill("olga")
            page.locator("#password").fill(PASSWORD)
            page.locator("main form button").click()
            page.wait_for_url("**/ops")
            page.goto("/ops?span=day")
            shoot(page, f"ops{suffix}")
            if suffix:
                continue
            page.goto("/ops/letters?office=un-secretary-general&state=queued")
            page.locator("tbody th a").first.click()
            page.wait_for_url("**/ops/letters/*")
            shoot(page, "ops-letter")
            page.goto("/ops/act/letters-cancel?office=nato-secretary-general")
            page.locator("input[name=expected]").evaluate("field => { field.value = '12' }")
            page.locator("#reason").fill("the office has asked us to stop")
            page.locator("button[value=do]").click()
            shoot(page, "ops-act")


def supporters(home: Home) -> None:
    """Some who have signed before, so that there is a count."""
    people = home.root / "signers.csv"
    with people.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "email", "country"])
        for number in range(1, BEFORE + 1):
            writer.writerow([f"Sample Signer {number:02}", f"signer.{number:02}@signers.example", "IE"])
    home.run("import", CAMPAIGN, people, "--evidence", "invented for the pictures", "--no-wait")
    until(lambda: len(home.at_sink()) == BEFORE * (OFFICES + 1), "their letters to arrive", 120)


def campaign(browser: "Browser", home: Home) -> None:
    """The campaign's page."""
    for name, size, scheme in (
        ("campaign-phone", PHONE, "light"),
        ("campaign", DESK, "light"),
        ("campaign-dark", DESK, "dark"),
    ):
        with visitor(browser, home, size, scheme) as page:
            page.goto(f"/c/{CAMPAIGN}")
            shoot(page, name)


def own_pages(browser: "Browser", home: Home) -> None:
    """What a signer sees after the form."""
    with visitor(browser, home, DESK) as page:
        page.goto(f"/c/{CAMPAIGN}")
        page.locator("#name").fill("Sample Signer 25")
        page.locator("#email").fill("signer.25@signers.example")
        page.locator("#country").select_option("IE")
        page.locator("#city").fill("Sampleton")
        page.locator("#send").check()
        page.locator("#form button[type=submit]").click()
        page.wait_for_url("**/sent")
        message = page.locator("main li.card h2 a", has_text="confirm")
        until(lambda: page.goto("/rehearsal") and message.count() > 0, "the message in the inbox", 60)
        for office in WAITING:
            home.run("hold", "office", office, "--reason", "for the picture: their letters wait", "--yes")
        message.first.click()
        page.locator("pre a[href*='/confirm/']").click()
        page.wait_for_url("**/confirm/*")
        shoot(page, "confirmation")
        page.locator("form[action*='/confirm/'] button").first.click()
        page.wait_for_url("**/me/*")
        sent = page.locator("ul.letters > li.done")
        until(lambda: page.reload() and sent.count() == OFFICES - len(WAITING), "the letters to be sent", 60)
        shoot(page, "own-page")
        page.goto("/rehearsal")
        shoot(page, "rehearsal-inbox")


@contextmanager
def visitor(
    browser: "Browser", home: Home, size: dict[str, int], scheme: str = "light", base: str = ""
) -> Iterator["Page"]:
    """An empty page of somebody's."""
    base = base or f"http://127.0.0.1:{home.port}"
    context = browser.new_context(base_url=base, viewport=size, color_scheme=scheme, locale="en-GB")
    yield context.new_page()
    context.close()


def shoot(page: "Page", name: str) -> None:
    """What is seen without scrolling, as `name`.webp."""
    page.wait_for_load_state("load" if "/ops" in page.url else "networkidle")  # a live page is never idle
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    picture = base64.b64decode(taken["data"])
    assert len(picture) < HEAVIEST, f"{name} has {len(picture)} bytes"
    (HERE / f"{name}.webp").write_bytes(picture)
    print(f"{HERE.name}/{name}.webp  {len(picture):,} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
