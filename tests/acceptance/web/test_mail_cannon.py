"""The form is no mail cannon: however often an address is entered, and where, one message a day goes to it.

`make cannon` sends 10,000 forms instead of 1,000.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.acceptance.web.house import token_in
from tests.acceptance.web.posts import Poster
from tests.support import until

CAMPAIGNS = ("victim-library", "victim-archive")
SPELLINGS = ("victim@mail.example", "Victim@mail.example", "VICTIM@MAIL.EXAMPLE", " victim@mail.example ")
POSTS, AT_ONCE = int(os.environ.get("POSTS", "1000")), 4
DAY_US = timedelta(days=1) // timedelta(microseconds=1)
PACE_US = timedelta(minutes=1) // timedelta(microseconds=1)
"""The first message may have had to wait so long for its pace, after the second was made due a day later."""
NOTICES = """
    SELECT letters.state, letters.due_at, letters.addressee FROM letters
    JOIN campaigns ON campaigns.id = letters.campaign_id WHERE slug IN (?, ?) ORDER BY due_at
"""


@pytest.fixture
def posters(house):
    found = [Poster(house.base, slug) for slug in CAMPAIGNS]
    yield found
    for poster in found:
        poster.client.close()


@pytest.mark.timeout(900)
def test_one_victim_gets_one_message_a_day(house, posters):
    """The limits per address and per client are open here, so that the ledger alone holds the promise."""

    def post(number):
        typed = {"name": f"Sample Signer {number}", "email": SPELLINGS[number % len(SPELLINGS)]}
        return posters[number % len(posters)].post(**typed).status_code

    before = house.newest_signer()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(post, range(POSTS)))
    assert set(answers) == {303}, "all are answered alike"
    signer = house.newcomer(before)
    assert house.newest_signer() == before + 1, "one person, however the address is spelt"

    notices = house.ask(NOTICES, *CAMPAIGNS)
    assert [addressee for _, _, addressee in notices] == ["signer"] * len(notices)
    assert len(notices) <= 2 * len(CAMPAIGNS), "two in all for each signature"
    dues = [due for _, due, _ in notices]
    assert all(later - earlier >= DAY_US - PACE_US for earlier, later in pairwise(dues))
    (message,) = until(lambda: house.mail_to(signer), "the one message")

    # who confirms is welcomed at once; the forms that go on coming bring nothing more
    assert posters[0].confirm(f"/confirm/{token_in(message)}").status_code == 303
    until(lambda: len(house.mail_to(signer)) == 2, "the link of their page")
    assert {post(number) for number in range(20)} == {303}
    assert house.newest_signer() == before + 1
    until(lambda: all(house.letters_in(slug, "claimed") == 0 for slug in CAMPAIGNS), "nothing to be under way")
    assert len(house.mail_to(signer)) == 2
