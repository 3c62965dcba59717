"""What can be said about pacing without a server."""

import asyncio
import re
from importlib.resources import files

import pytest

from worker.domain.clock import SystemClock
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.domain.limits import UNITS_S, Limit, Rate
from worker.pacing import GRANT_LIFE_S, WINDOWS_S, Grant, NeedsRefill, Pacer, PacingAway, Settling, Want, connect

SCRIPT = files("worker.pacing").joinpath("pacing.lua").read_text(encoding="utf-8")
LIMIT = Limit("mailbox:office@un.example", Rate(30, 3600))


def test_the_script_and_the_code_speak_of_the_same_numbers():
    (windows,) = re.findall(r"^local WINDOWS = \{(.*)\}$", SCRIPT, re.MULTILINE)
    assert tuple(map(int, windows.split(", "))) == WINDOWS_S
    assert set(WINDOWS_S) == set(UNITS_S.values())
    (grace,) = re.findall(r"^local GRACE = (\S+)", SCRIPT, re.MULTILINE)
    (settle,) = re.findall(r"^local SETTLE = (\S+)", SCRIPT, re.MULTILINE)
    assert float(grace) == float(settle) == GRANT_LIFE_S * 1e6


def test_a_grant_is_dead_at_its_last_moment():
    grant = Grant(1, (LIMIT,), until=10.0, epoch="e", batch=1, index=0, at_us=1)
    assert grant.alive(9.999)
    assert not grant.alive(10.0)


def test_refusals_say_what_to_wait_for():
    assert "ask again in 4.2 s" in str(Settling(4.21))
    assert "reads it from the ledger" in str(NeedsRefill())
    assert issubclass(Settling, RefusedByState)
    assert issubclass(NeedsRefill, RefusedByState)
    assert issubclass(PacingAway, Failed)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:6379/0", "Connection"),
        ("rediss://user:secret@redis.example/0", "SSLConnection"),
        ("unix:///run/redis.sock", "UnixDomainSocketConnection"),
        ("redis+socket:///run/redis.sock", "UnixDomainSocketConnection"),
    ],
)
def test_every_form_of_address_is_taken_and_nothing_is_dialled(url, kind):
    pool = connect(url).connection_pool
    assert pool.connection_class.__name__ == kind
    assert pool.connection_kwargs["protocol"] == 2
    assert pool.connection_kwargs["socket_timeout"] == GRANT_LIFE_S
    assert pool.connection_kwargs["retry"].get_retries() == 1


@pytest.mark.parametrize("url", ["amqp://guest:secret@mq.example//", "127.0.0.1:6379", "redis://h/0?socket_timeout=x"])
def test_a_wrong_address_is_refused_without_its_password(url):
    with pytest.raises(BadInput, match=r"\[pacing\] url") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_asking_for_nothing_asks_nobody():
    async def story():
        pacer = Pacer(connect("unix:///nonexistent/redis.sock"), "L", SystemClock())
        assert await pacer.ask([]) == []
        assert await pacer.give_back([]) == 0
        assert await pacer.used([]) == []
        with pytest.raises(ValueError, match="no window of 7200 s"):
            await pacer.ask([Want(1, (Limit("relay:main", Rate(1, 7200)),))])
        await pacer.aclose()

    asyncio.run(story())


def test_a_server_that_is_not_there_is_away():
    async def story():
        pacer = Pacer(connect("unix:///nonexistent/redis.sock"), "L", SystemClock())
        for call in (
            pacer.ask([Want(1, (LIMIT,))]),
            pacer.used([LIMIT]),
            pacer.refill([]),
            pacer.highest_round("L"),
            pacer.note_round("L", 1),
            pacer.ring_once("lane", 1),
            pacer.ready(),
        ):
            with pytest.raises(PacingAway, match="cannot be asked, so nothing is sent"):
                await call
        await pacer.aclose()

    asyncio.run(story())
