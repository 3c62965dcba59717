"""The guard over every page of these tests sees what it is there for."""

import pytest

from tests.acceptance.web.house import FEW
from tests.fixtures.browser import Visitors

# each is over when it has happened: the next page would take what was still to come with it
INLINE = """() => new Promise((done) => {
  document.addEventListener("securitypolicyviolation", () => done());
  document.head.append(Object.assign(document.createElement("script"), {textContent: "document.title = 1"}));
})"""
THROWN = """() => new Promise((done) => {
  setTimeout(() => { throw Error("out of reach") });
  setTimeout(done);
})"""
MISSING = "() => fetch('/no/such/part').then(() => null)"


def test_it_sees_each_fault(browser, house, site):
    place = f"{house.base}/c/{FEW}"
    for act, fault in (
        (lambda page: page.evaluate("console.error('something is wrong')"), "something is wrong"),
        (lambda page: page.evaluate(INLINE), "policy: script-src-elem refused inline"),
        (lambda page: page.evaluate(THROWN), "out of reach"),
        (lambda page: page.evaluate(MISSING), "status 404"),
        (lambda page: page.goto(site.origin), "asked another host"),
    ):
        visitors = Visitors(browser)
        page = visitors.page(house.base)
        page.goto(place)
        act(page)
        page.goto(f"{place}/privacy")  # whatever was said has come by now
        visitors.leave()
        with pytest.raises(AssertionError, match=fault):
            visitors.guard.check()
        assert 10_000 < visitors.guard.weights[place] < 100_000


def test_it_misses_what_was_expected(browser):
    visitors = Visitors(browser)
    visitors.guard.expect("never said")
    with pytest.raises(AssertionError, match="never said"):
        visitors.guard.check()
