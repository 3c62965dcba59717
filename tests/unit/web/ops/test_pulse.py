"""One reading for all who look, and none for nobody."""

import asyncio
import threading

import pytest

from worker.domain.errors import Failed
from worker.web.ops.pulse import Pulse

SOON = 0.01


class Source:
    """Counts how often it is read, and whether two ever read at once."""

    def __init__(self, trouble=()):
        self.read, self.at_once, self.most = 0, 0, 0
        self.trouble = list(trouble)
        self._lock = threading.Lock()

    def __call__(self):
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.read += 1
        try:
            if self.trouble:
                raise self.trouble.pop(0)
            return {"n": self.read}
        finally:
            with self._lock:
                self.at_once -= 1


def run(coroutine):
    async def within():
        async with asyncio.timeout(20):
            return await coroutine

    return asyncio.run(within())


def test_twenty_watchers_share_each_reading():
    source = Source()

    async def scene():
        pulse = Pulse(source, every_s=SOON)

        async def watcher():
            seen = []
            async with pulse.watched():
                while len(seen) < 5:
                    frame = await pulse.newer(seen[-1] if seen else 0, 5)
                    seen.append(frame.number)
            return seen

        return await asyncio.gather(*(watcher() for _ in range(20)))

    all_seen = run(scene())
    assert all(seen == sorted(set(seen)) for seen in all_seen)
    assert source.most == 1
    assert source.read < 20 * 5 / 2


def test_nobody_there_nothing_read():
    source = Source()

    async def scene():
        pulse = Pulse(source, every_s=SOON)
        async with pulse.watched():
            await pulse.newer(0, 5)
        assert pulse.watchers == 0
        before = source.read
        assert await pulse.newer((await pulse.now()).number, 10 * SOON) is None
        return source.read - before

    assert run(scene()) <= 1


def test_it_begins_again_for_the_next_watcher():
    async def scene():
        pulse = Pulse(Source(), every_s=SOON)
        async with pulse.watched():
            first = await pulse.newer(0, 5)
        async with pulse.watched():
            return first, await pulse.newer(first.number, 5)

    first, second = run(scene())
    assert second.number > first.number


def test_who_is_slow_misses_frames_and_keeps_nobody_waiting():
    async def scene():
        pulse = Pulse(Source(), every_s=SOON)
        async with pulse.watched():
            slow = await pulse.newer(0, 5)
            number = slow.number
            for _ in range(4):
                number = (await pulse.newer(number, 5)).number
            late = await pulse.newer(slow.number, 5)
            return slow, late

    slow, late = run(scene())
    assert late.number >= slow.number + 4


@pytest.mark.parametrize("trouble", [Failed("the ledger is away"), ValueError("a fault of ours")])
def test_a_reading_that_fails_is_tried_again(trouble):
    source = Source([trouble])

    async def scene():
        pulse = Pulse(source, every_s=SOON)
        async with pulse.watched():
            return await pulse.newer(0, 5)

    assert run(scene()).reading == {"n": 2}


def test_whoever_asks_without_watching_hears_of_the_trouble():
    async def scene():
        await Pulse(Source([Failed("the ledger is away")])).now()

    with pytest.raises(Failed, match="away"):
        run(scene())


def test_a_young_frame_is_given_again():
    source = Source()

    async def scene():
        pulse = Pulse(source, every_s=60)
        return [await pulse.now() for _ in range(3)]

    assert len({frame.number for frame in run(scene())}) == 1
    assert source.read == 1


def test_what_is_made_of_a_frame_is_made_once():
    made = []

    async def scene():
        frame = await Pulse(Source()).now()

        def make(reading):
            made.append(reading)
            return {"part": "html"}

        return [await asyncio.to_thread(frame.made, "all", make) for _ in range(3)]

    assert run(scene()) == [{"part": "html"}] * 3
    assert len(made) == 1
