"""Server-sent events: what a page that stays open is sent, who shares what, and when it ends.

The overview's own queries have their tests in `test_pages.py`, on both databases; how they are sent is tested on SQLite.
"""

import asyncio
import json

import pytest

from tests.fixtures.backlog import REFUSES
from worker.web.ops import live
from worker.web.ops.live import Streams, differing, event, stream
from worker.web.ops.pulse import Pulse

SOON = 0.01
drawing = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


class Source:
    """A reading whose parts change as it is told."""

    def __init__(self):
        self.reads, self.parts = 0, {"needs": "none", "tiles": "1"}

    def __call__(self):
        self.reads += 1
        return dict(self.parts)


async def yes():
    return True


async def no():
    return False


def run(coroutine):
    async def within():
        async with asyncio.timeout(20):
            return await coroutine

    return asyncio.run(within())


def told(text):
    """(event, data) of one event."""
    fields = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in text.strip().splitlines())
    return fields.get("event", ""), fields.get("data", "")


def parts(frame):
    return frame.reading


async def events(source, n, good=yes, **options):
    found = []
    pulse = Pulse(source, every_s=SOON)
    async for text in stream(pulse, parts, good, **options):
        found.append(told(text))
        if len(found) == 2:
            source.parts["tiles"] = "2"
        if len(found) == n:
            break
    return found


def test_everything_comes_first_then_only_what_changed():
    found = run(events(Source(), 40))
    sent = [json.loads(data) for name, data in found if name == "parts"]
    assert sent == [{"needs": "none", "tiles": "1"}, {"tiles": "2"}]
    assert {name for name, _ in found[1:]} == {"parts", "still"}


def test_it_ends_with_the_session(monkeypatch):
    monkeypatch.setattr(live, "CHECKED_S", 0.0)
    assert run(events(Source(), 40, good=no))[-1] == ("over", "")


def test_it_ends_with_its_subject():
    found = run(events(Source(), 40, over=lambda parts: parts["tiles"] == "2"))
    assert found[-1] == ("done", "")


def test_a_reading_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(live, "HEARTBEAT_S", SOON)

    def away():
        raise live.LettershopError("the ledger is away")

    pulse = Pulse(away, every_s=SOON)

    async def scene():
        found = []
        async for text in stream(pulse, parts, yes):
            found.append(told(text)[0])
            if len(found) == 3:
                return found
        return found

    assert run(scene()) == ["", "stale", "stale"]


def test_it_comes_to_an_end_and_the_browser_comes_again(monkeypatch):
    monkeypatch.setattr(live, "LONGEST_S", 0.05)
    found = run(events(Source(), 10_000))
    assert len(found) < 1_000


def test_a_user_may_open_so_many():
    streams = Streams(most=2)
    with streams.one("ana"), streams.one("ana"):
        assert not streams.free("ana")
        assert streams.free("bo")
    assert streams.free("ana")


def test_an_event_is_one_event():
    assert event("parts", '{"a": "b"}', 7) == 'id: 7\nevent: parts\ndata: {"a": "b"}\n\n'
    assert differing({"a": "1", "b": "2"}, {"a": "1"}) == {"b": "2"}


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(live, "LONGEST_S", 0.3)


@drawing
def test_the_overview_is_sent_live(short, night):
    answer = night.site.get("/ops/live?span=day", headers=night.look | {"Last-Event-ID": "12345"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    name, data = told(answer.text.split("\n\n")[1])
    assert name == "parts"
    sent = json.loads(data)
    assert REFUSES in sent["needs"]
    assert "/ops/act/" not in "".join(sent.values())
    assert "/ops/act/" in night.site.get("/ops/live", headers=night.act).text


@drawing
def test_strangers_are_sent_nothing(night):
    answer = night.site.get("/ops/live", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 401
