"""What visitors do, in their own terms; each step waits for what it brings about to be seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.support import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.acceptance.web.house import House
    from tests.fixtures.browser import Visitors

_numbers: Iterator[int] = count(1)


@dataclass(frozen=True)
class Person:
    """Somebody invented."""

    name: str
    email: str
    country: str = "IE"
    city: str = "Sampleton"

    @classmethod
    def new(cls) -> "Person":
        """Somebody who was not here before."""
        number = next(_numbers)
        return cls(f"Sample Signer {number:03}", f"sample.signer.{number:03}@signers.example")


def fill(page: "Page", person: Person) -> None:
    """Everything that a form must have."""
    page.locator("#name").fill(person.name)
    page.locator("#email").fill(person.email)
    page.locator("#country").select_option(person.country)
    page.locator("#city").fill(person.city)
    page.locator("#send").check()


def send(page: "Page") -> None:
    """Send the form, which must be in order."""
    page.locator("#form button[type=submit]").click()
    page.wait_for_url("**/sent*")


def read_confirmation(page: "Page", house: "House", signer: str, words: str = "confirm") -> None:
    """Find the message in the rehearsal inbox, open it there, and follow its link to the letter."""
    open_message(page, house, signer, words)
    page.locator("pre a[href*='/confirm/']").click()
    page.wait_for_url("**/confirm/*")


def open_message(page: "Page", house: "House", signer: str, words: str) -> None:
    """Open, in the rehearsal inbox, the message to `signer` whose subject holds `words`."""
    place = f"{house.base}/rehearsal?to={signer}@rehearsal.invalid"
    found = page.locator("main li.card h2 a", has_text=words)
    house.all_sent()

    def seen() -> bool:
        page.goto(place)
        return found.count() > 0

    until(seen, f"the message to {signer} in the inbox", 60)
    found.first.click()
    page.wait_for_url("**/rehearsal/*")


def confirm(page: "Page") -> None:
    """Press the button; the signer's own page comes."""
    page.locator("form[action*='/confirm/'] button").first.click()
    page.wait_for_url("**/me/*")


def sign(page: "Page", house: "House", slug: str, person: Person) -> str:
    """From the campaign's page to the letter that asks to be confirmed; how the sink calls the signer."""
    before = house.newest_signer()
    page.goto(f"/c/{slug}")
    fill(page, person)
    send(page)
    signer = house.newcomer(before)
    read_confirmation(page, house, signer)
    return signer


def signed(visitors: "Visitors", house: "House", slug: str, **options: Any) -> tuple["Page", Person, str]:
    """A new person's own page, right after they confirmed."""
    page, person = visitors.page(house.base, **options), Person.new()
    signer = sign(page, house, slug, person)
    confirm(page)
    return page, person, signer


def watch_all_sent(page: "Page", house: "House", letters: int) -> None:
    """Reload the signer's own page until all letters are there, each with a server's answer."""
    arrived = page.locator("ul.letters > li.done")
    house.all_sent()

    def all_there() -> bool:
        page.reload()
        return arrived.count() == letters

    until(all_there, f"{letters} letters to be sent", 60)
    expect(page.locator("ul.letters .reply code")).to_have_count(letters)


def open_deed(page: "Page", words: str) -> None:
    """Unfold one of the things that a signer can do."""
    page.locator(".deeds summary", has_text=words).click()
