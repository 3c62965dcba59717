"""A worker that runs while its config changes, and while operators drain it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.support import until
from worker.dispatch import anew
from worker.dispatch import engine as module
from worker.dispatch.engine import Engine
from worker.domain.limits import parse_rate
from worker.intake import PersonInput
from worker.ledger import gates, processes
from worker.ledger.book import Ledger
from worker.ledger.processes import Process
from worker.ledger.schema import bulk_acts, lanes, letters, samples
from worker.operations.acts import Order, Wanted, begin, preview
from worker.operations.fleet import drain, process_name, undrain
from worker.pacing import Pacer
from worker.settings import Home
from worker.wiring.home import open_intake

SETTINGS, OFFICES = "config/lettershop.toml", "config/offices.toml"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_S", 0.05)


@contextmanager
def running(home: Home, ledger: Ledger, **more: Any) -> Iterator[Engine]:
    engine = Engine(home, ledger, ("office", "signers"), lambda _: None, **more)
    engine.start()
    try:
        until(lambda: row(ledger), "it says that it is there")
        yield engine
    finally:
        engine.close()


def row(ledger: Ledger) -> Process | None:
    with ledger.read() as connection:
        return next((each for each in processes.listing(connection) if each.name == process_name()), None)


def trouble(ledger: Ledger) -> str:
    found = row(ledger)
    assert found is not None
    return found.trouble


def limits(draft: Draft, line: str) -> Callable[[], None]:
    whole = (draft.root / SETTINGS).read_text()
    return lambda: draft.write(SETTINGS, whole.replace("[limits]", f"[limits]\n{line}", 1))


def lane_of(ledger: Ledger) -> dict[str, str]:
    """The lane in which each office's letters wait."""
    query = sa.select(letters.c.addressee, lanes.c.key).join(lanes, lanes.c.id == letters.c.lane_id).distinct()
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def test_a_bad_edit_changes_nothing_and_a_good_one_is_taken(draft: Draft, home: Home, ledger: Ledger) -> None:
    good, bad = limits(draft, "mailbox_per_day = 100"), limits(draft, "mailbox_per_day = many")
    with running(home, ledger) as engine:
        before = row(ledger)
        bad()
        until(lambda: trouble(ledger), "the trouble is said")
        assert "lettershop.toml" in trouble(ledger)
        assert "stays in force" in trouble(ledger)
        assert engine.house.plan.mailbox_per_day == 240
        good()
        until(lambda: engine.house.plan.mailbox_per_day == 100, "the new plan is worked to")
        until(lambda: not trouble(ledger), "the trouble is over")
        after = row(ledger)
    assert before is not None
    assert after is not None
    assert after.config != before.config


def test_what_needs_a_restart_is_not_taken(draft: Draft, home: Home, ledger: Ledger) -> None:
    with running(home, ledger) as engine:
        house = engine.house
        draft.edit(SETTINGS, "[worker]\n", "[worker]\nconnections = 3\n")
        until(lambda: trouble(ledger), "it is said")
        assert "a change of worker.connections needs a restart" in trouble(ledger)
        assert engine.house is house


def test_letters_follow_an_office_to_its_new_mailbox(
    draft: Draft, home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that another process made by the old register, and those that an old round gives back."""
    monkeypatch.setattr(anew, "OTHERS_S", 0.0)
    by_old = open_intake(home, ledger)
    by_old.submit("town-library", PersonInput("Sample Signer 1", "signer1@mail.example", "GB"), evidence="a test")
    office = next(home.offices[each] for each in home.campaigns["town-library"].offices)
    assert office.lane in in_lanes(ledger), "what this process makes goes to the old one"
    with running(home, ledger) as engine:
        engine.house.leases.opened(4711, engine.house.clock.monotonic())  # a round under way
        draft.edit(OFFICES, office.mailbox, "moved-to@council.example")
        until(lambda: lane_of(ledger)[office.id] == "mailbox:moved-to@council.example", "they follow")
        assert engine.house.plan.offices[office.id].mailbox == "moved-to@council.example"
        by_old.submit("town-library", PersonInput("Sample Signer 2", "signer2@mail.example", "GB"), evidence="a test")
        engine.house.leases.closed(4711)
        until(lambda: office.lane not in in_lanes(ledger), "the late ones follow too")
        until(lambda: not engine._old, "the old connections are closed")


def in_lanes(ledger: Ledger) -> set[str]:
    query = sa.select(lanes.c.key).join(letters, letters.c.lane_id == lanes.c.id).distinct()
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def test_rounds_under_way_keep_the_old_house(draft: Draft, home: Home, ledger: Ledger) -> None:
    change = limits(draft, "mailbox_per_day = 100")
    with running(home, ledger) as engine:
        old = engine.house
        change()
        until(lambda: engine.house is not old, "it is taken")
        assert old.plan.mailbox_per_day == 240
        assert engine.house.relays is not old.relays
        assert engine.house.committer is old.committer
        assert engine.house.pacer is old.pacer
        assert engine.house.leases is old.leases


def test_gates_that_the_old_limits_shut_are_opened(draft: Draft, home: Home, ledger: Ledger) -> None:
    change = limits(draft, "mailbox_per_day = 500")
    with ledger.write() as connection:
        far = ledger.now_us() * 2
        gates.strike(connection, 1, "lane-pace", "mailbox:a@b.example", opens_at_us=far, reason="used up")
        gates.strike(connection, 1, "lane", "mailbox:a@b.example", opens_at_us=far, reason="trouble")
    with running(home, ledger):
        change()
        until(lambda: shut(ledger) == {"lane"}, "limits open, trouble stays")


def shut(ledger: Ledger) -> set[str]:
    with ledger.read() as connection:
        return {gate.kind for gate in gates.shut(connection, ledger.now_us())}


def test_a_limit_on_what_had_none_is_counted_from_the_ledger(
    draft: Draft, home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    usual = Pacer.forget

    async def forget(self: Pacer) -> None:
        order.append("forgotten")
        await usual(self)

    monkeypatch.setattr(Pacer, "forget", forget)
    with_domain, wider = limits(draft, 'domain = "100/h"'), limits(draft, 'domain = "200/h"')
    with running(home, ledger) as engine:
        with_domain()
        until(lambda: engine.house.plan.domain == parse_rate("100/h"), "it is taken")
        assert order == ["forgotten"]
        wider()
        until(lambda: engine.house.plan.domain == parse_rate("200/h"), "it is taken")
        assert order == ["forgotten"]


def test_it_is_counted_anew_when_the_rounds_are_over_that_did_not_count_it(
    draft: Draft, home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round of the old house may have refilled the windows by its own plan, and has sent since."""
    monkeypatch.setattr(anew, "OTHERS_S", 0.0)
    forgotten: list[bool] = []
    usual = Pacer.forget

    async def forget(self: Pacer) -> None:
        forgotten.append(bool(engine.house.leases.under_way()))
        await usual(self)

    monkeypatch.setattr(Pacer, "forget", forget)
    with_domain = limits(draft, 'domain = "100/h"')
    with running(home, ledger) as engine:
        engine.house.leases.opened(4711, engine.house.clock.monotonic())  # a round under way
        with_domain()
        until(lambda: engine.house.plan.domain == parse_rate("100/h"), "it is taken")
        assert forgotten == [True]
        engine.house.leases.closed(4711)
        until(lambda: not engine._old, "the old round to be over")
        assert forgotten == [True, False]


def test_a_worker_is_drained_and_goes_on(home: Home, ledger: Ledger) -> None:
    heard: list[bool] = []
    with running(home, ledger, listen=heard.append) as engine:
        assert not engine.house.draining()
        drain(ledger, process_name(), "anna", "the machine is moved")
        until(engine.house.draining, "it drains")
        until(lambda: "drained" in trouble(ledger), "it says why it does nothing")
        assert heard == [False]
        engine.round(express=False)  # begins none: nothing fails, nobody listens at the sink
        undrain(ledger, process_name(), "anna", "it stays")
        until(lambda: not engine.house.draining(), "it goes on")
        until(lambda: not trouble(ledger), "nothing is in its way")
        assert heard == [False, True]


def test_it_says_when_it_ends(home: Home, ledger: Ledger) -> None:
    with running(home, ledger):
        found = row(ledger)
        assert found is not None
        assert (found.kind, found.stopped_at) == ("worker", None)
        assert found.disk_size > 0
    found = row(ledger)
    assert found is not None
    assert found.stopped_at is not None


def test_what_is_due_each_minute_is_done(home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample is taken, and an act whose process has gone is carried on."""
    monkeypatch.setattr(module, "FOLD_EVERY", 1)
    open_intake(home, ledger).submit(
        "town-library", PersonInput("Sample Signer 1", "signer1@mail.example", "GB"), evidence="a test"
    )
    act = begin(ledger, *cancelling(ledger, home), Order("anna", "a test"))
    with ledger.write() as connection:
        connection.execute(sa.update(bulk_acts).values(renewed_at=1))
    with running(home, ledger):
        until(lambda: count_of(ledger, sa.select(sa.func.count()).select_from(samples)), "a sample")
        cancelled = sa.select(sa.func.count()).where(letters.c.state == "cancelled")
        until(lambda: count_of(ledger, cancelled) == 2, f"act {act} is carried on")


def cancelling(ledger: Ledger, home: Home) -> tuple[Wanted, int]:
    seen = preview(ledger, home, Wanted("cancel", campaign="town-library"))
    return seen.wanted, seen.count


def count_of(ledger: Ledger, query: sa.Select[tuple[int]]) -> int:
    with ledger.read() as connection:
        return connection.execute(query).scalar_one()


def test_a_slow_chore_holds_up_no_tick_and_runs_once(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), []

    def slow(self: Engine) -> None:
        begun.append(1)
        go.wait(30)

    monkeypatch.setattr(Engine, "plan", slow)
    with running(home, ledger):
        until(lambda: begun, "it is begun")
        first = row(ledger)
        until(lambda: (now := row(ledger)) and first and now.seen_at > first.seen_at, "the heart beats on")
        assert begun == [1]
        go.set()
        until(lambda: len(begun) > 1, "it is begun again")
