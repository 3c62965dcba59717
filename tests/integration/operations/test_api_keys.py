"""Keys to the API as operators make, rotate and revoke them. Both databases."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from worker.domain.errors import BadInput, LettershopError, RefusedByState
from worker.ledger import api_keys, audit
from worker.ledger.book import Ledger
from worker.ledger.schema import api_keys as table
from worker.operations.api_keys import Fresh, create, listing, revoke, rotate

CAMPAIGNS = ("town-library",)
HOUR_US = 3_600_000_000


def make(ledger: Ledger, name: str = "partner", scopes=("sign", "read"), campaign: str = "") -> Fresh:
    return create(ledger, name, scopes, campaign, campaigns=CAMPAIGNS, who="tester")


def valid(ledger: Ledger, key: str, in_us: int = 0) -> bool:
    with ledger.read() as connection:
        return api_keys.find(connection, key, ledger.now_us() + in_us) is not None


def said(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    with ledger.read() as connection:
        assert audit.verify(connection) == []
        return [(each.who, each.verb, each.target, each.reason) for each in reversed(audit.latest(connection))]


def test_a_key_is_shown_once_and_kept_as_its_hash(ledger: Ledger) -> None:
    fresh = make(ledger, scopes=["read", "sign", "read"], campaign="town-library")
    assert fresh.key.startswith("lsk_")
    assert len(fresh.key) >= 4 + 27, "160 random bits"
    assert (fresh.scopes, fresh.campaign) == (("sign", "read"), "town-library")
    assert fresh.key not in repr(fresh)
    assert valid(ledger, fresh.key)
    assert not valid(ledger, fresh.key[:-1])
    with ledger.read() as connection:
        stored = str(list(connection.execute(sa.select(table)))) + str(audit.latest(connection))
    assert fresh.key.removeprefix("lsk_") not in stored
    (listed,) = listing(ledger)
    assert fresh.key not in str(listed)
    assert {name: listed[name] for name in ("name", "state", "scopes", "campaign", "expires_at", "used_at")} == {
        "name": "partner", "state": "valid", "scopes": ["sign", "read"], "campaign": "town-library",
        "expires_at": None, "used_at": None,
    }  # fmt: skip
    assert said(ledger) == [("tester", "create key", "key partner", "")]


def test_rotating_leaves_time_to_change_over(ledger: Ledger) -> None:
    old = make(ledger, campaign="town-library")
    new = rotate(ledger, "partner", who="tester", reason="every year", overlap=timedelta(hours=2))
    assert new.key != old.key
    assert (new.name, new.scopes, new.campaign) == (old.name, old.scopes, old.campaign)
    assert valid(ledger, old.key)
    assert valid(ledger, old.key, HOUR_US)
    assert not valid(ledger, old.key, 2 * HOUR_US + 1)
    assert valid(ledger, new.key, 1000 * HOUR_US)
    assert [each["state"] for each in listing(ledger)] == ["ending", "valid"]
    assert said(ledger)[-1] == ("tester", "rotate key", "key partner", "every year")


def test_rotating_without_an_overlap_ends_the_old_ones_at_once(ledger: Ledger) -> None:
    first = make(ledger)
    second = rotate(ledger, "partner", who="tester", reason="due")
    third = rotate(ledger, "partner", who="tester", reason="leaked", overlap=timedelta(0))
    assert [valid(ledger, each.key) for each in (first, second, third)] == [False, False, True]


def test_revoking_ends_all_of_a_name(ledger: Ledger) -> None:
    keys = [make(ledger).key, rotate(ledger, "partner", who="tester", reason="due").key]
    other = make(ledger, "other").key
    assert revoke(ledger, "partner", who="tester", reason="over") == 2
    assert [valid(ledger, key) for key in (*keys, other)] == [False, False, True]
    assert said(ledger)[-1] == ("tester", "revoke key", "key partner", "over")
    with pytest.raises(RefusedByState, match="was revoked"):
        revoke(ledger, "partner", who="tester", reason="again")
    with pytest.raises(RefusedByState, match="was revoked"):
        rotate(ledger, "partner", who="tester", reason="again")
    again = make(ledger)
    assert valid(ledger, again.key), "the name is free again"
    assert [valid(ledger, key) for key in keys] == [False, False], "and brings no old key back"


@pytest.mark.parametrize("name", ["", "-x", "x-", "Partner", "a b", "a\n", "a" * 41, "k\u00e9y", "a_b", "a:b"])
def test_names_that_are_none(ledger: Ledger, name: str) -> None:
    with pytest.raises(BadInput, match="a key's name"):
        make(ledger, name)


def test_what_else_is_refused(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="at least one scope of: sign, read, withdraw"):
        make(ledger, scopes=[])
    with pytest.raises(BadInput, match="no scope 'erase'"):
        make(ledger, scopes=["read", "erase"])
    with pytest.raises(BadInput, match="no campaign 'other'; there are: town-library"):
        make(ledger, campaign="other")
    make(ledger)
    with pytest.raises(RefusedByState, match="there is a key partner already"):
        make(ledger)
    with pytest.raises(BadInput, match="no key 'nobody'; there are: partner"):
        rotate(ledger, "nobody", who="tester", reason="x")
    with pytest.raises(BadInput, match="no key 'nobody'"):
        revoke(ledger, "nobody", who="tester", reason="x")
    for reason in ("", "two\nlines"):
        with pytest.raises(BadInput, match="reason"):
            revoke(ledger, "partner", who="tester", reason=reason)
        with pytest.raises(BadInput, match="reason"):
            rotate(ledger, "partner", who="tester", reason=reason)
    for overlap in (timedelta(seconds=-1), timedelta(days=91)):
        with pytest.raises(BadInput, match="overlap"):
            rotate(ledger, "partner", who="tester", reason="x", overlap=overlap)
    assert len(said(ledger)) == len(listing(ledger)) == 1


def test_two_at_once_make_one(ledger: Ledger) -> None:
    made: list[object] = []
    start = threading.Barrier(4)

    def try_it() -> None:
        start.wait()
        try:
            made.append(make(ledger))
        except LettershopError as exc:
            made.append(exc)

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in made) == ["Fresh", *["RefusedByState"] * 3]
    assert len(listing(ledger)) == len(said(ledger)) == 1
