"""A change of the register is taken whole or not at all, and letters that are not sent follow it."""

import contextlib
from datetime import date
from typing import Any

import dns.resolver
import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.integration.operations.test_check_live import NameServer
from worker.domain.clock import SystemClock
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.domain.states import State
from worker.intake import Intake, PersonInput, sync_register
from worker.ledger import audit, counts, holds, suppression
from worker.ledger.book import Ledger
from worker.ledger.schema import lanes, letters
from worker.operations.register import (
    By,
    HolderChange,
    Proposal,
    listed,
    look,
    propose,
    read_register,
    retire,
    set_holder,
    set_mailbox,
    shown,
    take,
    unretire,
)

MAYOR, COMMITTEE = "sampleton-mayor", "sampleton-library-committee"
OFFICES = "config/offices.toml"
NOW = SystemClock().now()
TODAY = NOW.date()


class Desk:
    """A home and a ledger with letters to both offices of the town library."""

    def __init__(self, draft: Draft, ledger: Ledger) -> None:
        self.draft, self.ledger = draft, ledger
        draft.edit(OFFICES, "verified = 2026-11-01\n", f"verified = {TODAY}\n")
        self.home = draft.load()
        self.intake = Intake(ledger, ledger.keys, self.home.campaigns, self.home.offices, SystemClock())

    def sign(self, first: int, people: int) -> None:
        for n in range(first, first + people):
            person = PersonInput(f"Sample Signer {n:02}", f"signer{n}@mail.example", "GB")
            self.intake.submit("town-library", person, evidence="a test")

    def proposal(self, verb: Any, office: str, *words: Any) -> Proposal:
        register = read_register(self.draft.root)
        return propose(self.draft.load(), [verb(register.entries[office], *words)], NOW, register)

    def retired(self) -> Proposal:
        return self.proposal(retire, MAYOR, "asked by mail", "mail of 2 November", date(2026, 11, 2))

    def put(self, state: State, *numbers: int) -> None:
        """Move letters as rounds would, with their counts."""
        with self.ledger.write() as connection:
            for row in connection.execute(sa.select(letters).where(letters.c.id.in_(numbers))).all():
                cell = (row.campaign_id, row.sendout_id, row.addressee)
                counts.add(connection, {(*cell, row.state): -1, (*cell, state.value): 1})
                connection.execute(sa.update(letters).where(letters.c.id == row.id).values(state=state.value, claim=7))

    def numbers(self, office: str) -> list[int]:
        with self.ledger.read() as connection:
            wanted = sa.select(letters.c.id).where(letters.c.addressee == office).order_by(letters.c.id)
            return list(connection.execute(wanted).scalars())

    def states(self, office: str) -> dict[str, int]:
        """By a full count, which the running counts must equal."""
        with self.ledger.read() as connection:
            assert counts.verify(connection) == []
            query = sa.select(letters.c.state, sa.func.count()).where(letters.c.addressee == office)
            return dict(map(tuple, connection.execute(query.group_by(letters.c.state))))

    def lane_keys(self, office: str) -> set[str]:
        with self.ledger.read() as connection:
            query = sa.select(lanes.c.key).join(letters, letters.c.lane_id == lanes.c.id)
            return set(connection.execute(query.where(letters.c.addressee == office)).scalars())

    def audited(self) -> list[tuple[str, str, str]]:
        with self.ledger.read() as connection:
            assert audit.verify(connection) == []
            return [(each.verb, each.target, each.reason) for each in reversed(audit.latest(connection))]

    def held(self) -> list[str]:
        with self.ledger.read() as connection:
            return [hold.reason for hold in holds.standing(connection, self.ledger.now_us(), "office")]

    def text(self) -> str:
        return (self.draft.root / OFFICES).read_text()


@pytest.fixture
def desk(draft: Draft, ledger: Ledger) -> Desk:
    return Desk(draft, ledger)


def test_a_new_holder_is_shown_in_a_letter_and_then_named(desk: Desk) -> None:
    change = HolderChange("Robin Sample", form="Ms.", since=TODAY, verified=TODAY)
    proposal = desk.proposal(set_holder, MAYOR, change)
    assert desk.text() != proposal.text
    (sample,) = proposal.changes[0].samples
    assert (sample.campaign, sample.language) == ("town-library", "en")
    diff = sample.diff()
    assert [line for line in diff if line[:1] in "+-"] == [
        "-Alex Sample", "+Ms. Robin Sample", "-Dear Mayor Sample,", "+Madam Mayor,"]  # fmt: skip
    assert " To: mayor@sampleton.example" in diff
    assert take(proposal, desk.ledger, By("op", "set-holder")).suppressed == 0
    assert desk.text() == proposal.text
    assert desk.draft.load().offices == proposal.offices
    assert desk.audited() == [("set-holder", f"office {MAYOR}", "")]
    with desk.ledger.read() as connection:
        (entry,) = audit.latest(connection)
    assert "Robin" not in str(entry)
    assert entry.details["keys"] == ["holders"]


def test_letters_follow_to_a_new_mailbox_and_its_lane(desk: Desk) -> None:
    desk.sign(1, 3)
    proposal = desk.proposal(set_mailbox, MAYOR, "town@sampleton.example", "their page", TODAY)
    assert proposal.unsent(desk.ledger) == {MAYOR: 3}
    take(proposal, desk.ledger, By("op", "set-mailbox"))
    assert sync_register(desk.ledger, proposal.offices, who="op") == 3
    assert desk.lane_keys(MAYOR) == {"mailbox:town@sampleton.example"}
    assert desk.lane_keys(COMMITTEE) == {"mailbox:library-committee@sampleton.example"}


def test_two_offices_with_one_mailbox_are_one_lane_with_one_limit(desk: Desk) -> None:
    desk.sign(1, 2)
    proposal = desk.proposal(set_mailbox, MAYOR, "Library-Committee@sampleton.example", "their page", TODAY)
    take(proposal, desk.ledger, By("op", "set-mailbox"))
    sync_register(desk.ledger, proposal.offices)
    assert desk.lane_keys(MAYOR) == desk.lane_keys(COMMITTEE) == {"mailbox:library-committee@sampleton.example"}
    home = desk.draft.load()
    rows = {row["id"]: row for row in listed(home, {MAYOR: 2}, NOW)}
    assert rows[MAYOR]["lane"] == rows[COMMITTEE]["lane"]
    assert (rows[MAYOR]["unsent"], rows[COMMITTEE]["unsent"]) == (2, 0)
    found = shown(home, home.offices[MAYOR], {}, NOW)
    assert found["shares_with"] == [COMMITTEE]
    assert found["limits"] == f"30/h, 240 in 24 hours, 1 connection; shared with {COMMITTEE}"


def test_what_waits_for_a_retired_office_is_suppressed_and_what_went_stays(desk: Desk) -> None:
    desk.sign(1, 6)
    queued, claimed, held, sending, sent, doubt = desk.numbers(MAYOR)
    for number, state in ((claimed, State.CLAIMED), (held, State.HELD), (sending, State.SENDING), (sent, State.SENT),
                          (doubt, State.IN_DOUBT)):  # fmt: skip
        desk.put(state, number)
    proposal = desk.retired()
    assert proposal.unsent(desk.ledger) == {MAYOR: 3}
    assert take(proposal, desk.ledger, By("op", "retire", "asked by mail")).suppressed == 3
    assert desk.states(MAYOR) == {"suppressed": 3, "sending": 1, "sent": 1, "in_doubt": 1}
    assert desk.states(COMMITTEE) == {"queued": 6}
    with desk.ledger.read() as connection:
        rows = connection.execute(sa.select(letters).where(letters.c.id.in_([queued, claimed, held]))).all()
    assert {(row.claim, row.reason) for row in rows} == {
        (None, "its office asked not to be written to: asked by mail"),
        (None, "it was held, and its office asked not to be written to: asked by mail")}  # fmt: skip
    assert all(row.ended_at for row in rows)
    assert desk.held() == ["asked not to be written to: asked by mail"]
    assert [verb for verb, *_ in desk.audited()] == ["retire", "suppress"]


def test_reports_say_who_declined_with_reason_date_and_evidence(desk: Desk) -> None:
    take(desk.retired(), desk.ledger, By("op", "retire", "asked by mail"))
    home = desk.draft.load()
    told = "2026-11-02: asked by mail (mail of 2 November)"
    assert {row["id"]: row["refusal"] for row in listed(home, {}, NOW, "sampleton-council")} == {
        MAYOR: told, COMMITTEE: ""}  # fmt: skip
    assert shown(home, home.offices[MAYOR], {}, NOW)["refusal"] == told
    assert any(f"asked not to be written to ({told})" in str(found) for found in look(home, [MAYOR], NOW))


def test_an_interrupted_retirement_is_finished_at_the_next_start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sign(1, 5)
    pages = suppression.suppress(desk.ledger, MAYOR, "x", who="op", page=2)

    def die_after_one_page(*_: Any, **__: Any) -> Any:
        yield next(pages)
        raise KeyboardInterrupt

    proposal = desk.retired()
    with monkeypatch.context() as patched:
        patched.setattr(suppression, "suppress", die_after_one_page)
        with pytest.raises(KeyboardInterrupt):
            take(proposal, desk.ledger, By("op", "retire", "asked"))
    assert desk.states(MAYOR) == {"suppressed": 2, "queued": 3}
    assert desk.held(), "no worker may start the others"
    sync_register(desk.ledger, desk.draft.load().offices)
    assert desk.states(MAYOR) == {"suppressed": 5}
    assert desk.states(COMMITTEE) == {"queued": 5}
    sync_register(desk.ledger, desk.draft.load().offices)
    assert [verb for verb, *_ in desk.audited()].count("suppress") == 2


def test_an_office_that_is_written_to_again_is_let_go_and_other_holds_stay(desk: Desk) -> None:
    take(desk.retired(), desk.ledger, By("op", "retire", "asked"))
    with desk.ledger.write() as connection:
        holds.place(connection, desk.ledger.now_us(), "office", MAYOR, reason="on strike", who="op")
    done = take(desk.proposal(unretire, MAYOR), desk.ledger, By("op", "unretire", "they changed their mind"))
    assert done.let == (MAYOR,)
    assert desk.held() == ["on strike"]
    assert desk.draft.load().offices[MAYOR].accepts_letters
    desk.sign(1, 1)
    assert desk.states(MAYOR) == {"queued": 1}


def test_a_register_changed_by_another_is_refused_whole(desk: Desk) -> None:
    desk.sign(1, 2)
    proposal = desk.retired()
    desk.draft.edit(OFFICES, 'title = "Mayor"', 'title = "Lord Mayor"')
    mine = desk.text()
    with pytest.raises(RefusedByState, match="changed meanwhile"):
        take(proposal, desk.ledger, By("op", "retire", "asked"))
    assert desk.text() == mine
    assert (desk.audited(), desk.held(), desk.states(MAYOR)) == ([], [], {"queued": 2})


def test_a_ledger_that_fails_leaves_the_register_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is in its place just before the commit: should that fail, the old one is put back."""
    before, proposal = desk.text(), desk.retired()
    write = Ledger.write

    @contextlib.contextmanager
    def failing(self: Ledger) -> Any:
        with write(self) as connection:
            yield connection
            assert desk.text() == proposal.text
            raise Failed("the disk is full")

    monkeypatch.setattr(Ledger, "write", failing)
    with pytest.raises(Failed, match="the disk is full"):
        take(proposal, desk.ledger, By("op", "retire", "asked"))
    monkeypatch.undo()
    assert desk.text() == before
    assert (desk.audited(), desk.held()) == ([], [])


def test_a_register_that_a_campaign_cannot_use_is_refused_before_it_is_written(desk: Desk) -> None:
    """What `up` would refuse at its next start is refused now."""
    before = desk.text()
    with pytest.raises(BadInput, match=r"ADDRESS: mailbox: not a usable e-mail address"):
        desk.proposal(set_mailbox, MAYOR, "nobody", "x", TODAY)
    with pytest.raises(BadInput, match=r"--until: holders\[0\]: until is before from"):
        desk.proposal(set_holder, MAYOR, HolderChange("Alex Sample", until=date(2000, 1, 1)))
    assert desk.text() == before


def test_what_check_says_of_vacant_and_stale_offices_that_wait(desk: Desk) -> None:
    desk.draft.edit(OFFICES, f"verified = {TODAY}\n", "verified = 2020-01-02\n")
    desk.draft.edit(OFFICES, 'hours = "Mo-Fr 09:00-17:00"\n', 'hours = "always"\nstale = "hold"\nvacancy = "hold"\n')
    home = desk.draft.load()
    assert any(
        "its holder was not verified since 2020-01-02, so its letters wait" in str(f) for f in look(home, [MAYOR], NOW)
    )
    assert listed(home, {}, NOW)[0]["waits"] == "its holder was last verified on 2020-01-02"
    desk.draft.edit(OFFICES, "verified = 2020-01-02\n", "until = 2026-01-02\n")
    home = desk.draft.load()
    assert any("its office is vacant, so its letters wait" in str(f) for f in look(home, [MAYOR], NOW))
    desk.draft.edit(OFFICES, 'vacancy = "hold"\n', "")
    home = desk.draft.load()
    assert any("nobody is in office today, so letters use the title" in str(f) for f in look(home, [MAYOR], NOW))
    assert listed(home, {}, NOW)[0]["holder"] == "vacant"


def test_mail_servers_are_asked_for_also_where_no_campaign_writes(desk: Desk) -> None:
    entry = {"id": "clerk", "title": "Clerk", "organisation": "S", "time_zone": "UTC", "language": "en"}
    text = "\n".join(f'{key} = "{value}"' for key, value in {**entry, "mailbox": "clerk@gone.example"}.items())
    desk.draft.write(OFFICES, f"{desk.text()}\n[[offices]]\n{text}\n")
    server = NameServer()
    try:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], server.port, 5.0
        said = [str(f) for f in look(desk.draft.load(), ["clerk"], NOW, ask_dns=True, resolver=resolver)]
    finally:
        server.close()
    assert any("clerk@gone.example: The domain name gone.example does not exist." in line for line in said)
    assert any("office clerk: no campaign writes to it" in line for line in said)
    assert not any("town-library.example" in line for line in said)
