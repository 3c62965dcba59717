"""The proof of work: solved, forged, replayed, too late, with Redis and without."""

import asyncio
import base64
import json
import random
from datetime import timedelta

import pytest
from altcha.v1 import hmac_hex, solve_challenge, verify_solution
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.web.gate.house import KEY, Gate, gate_on, play, rates, ready
from worker.web.gate.challenge import LARGEST, LIFE
from worker.web.gate.door import REST_S
from worker.web.gate.keyed import sub_key

NOWHERE = "unix:///nowhere/at/all"


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch):
    """The number is small, so that a test needs no old phone's patience; the largest that is taken stays as it is."""
    numbers = random.Random(7)
    monkeypatch.setattr("altcha.v1.secrets.randbelow", lambda largest: numbers.randrange(min(largest, 300)))


def work(challenge: dict) -> dict:
    """What the widget sends, before it is packed."""
    found = solve_challenge(challenge["challenge"], challenge["salt"], "SHA-256", challenge["maxnumber"])
    kept = ("algorithm", "challenge", "salt", "signature")
    return {**{name: challenge[name] for name in kept}, "number": found.number}


def pack(solution: object) -> str:
    return base64.b64encode(json.dumps(solution).encode()).decode()


def test_a_challenge_is_what_the_widget_reads(redis_server):
    async def story(gate: Gate):
        challenge = gate.challenges.issue(gate.now())
        assert set(challenge) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
        assert (challenge["algorithm"], challenge["maxnumber"]) == ("SHA-256", LARGEST)
        assert len(challenge["salt"]) + len(str(LARGEST)) <= 55  # one block of SHA-256
        assert json.loads(json.dumps(challenge)) == challenge
        assert gate.challenges.issue(gate.now())["salt"] != challenge["salt"]

    play(ready(redis_server), story)


@pytest.mark.parametrize("away", [False, True])
def test_a_solution_counts_once(redis_server, away):
    async def story(gate: Gate):
        solution = work(gate.challenges.issue(gate.now()))
        assert await gate.challenges.solved(pack(solution), gate.now())
        respelled = [pack(solution), pack({**solution, "took": 3}), pack(dict(reversed(solution.items())))]
        assert not any([await gate.challenges.solved(again, gate.now()) for again in respelled])
        assert await gate.challenges.solved(pack(work(gate.challenges.issue(gate.now()))), gate.now())

    play(NOWHERE if away else ready(redis_server), story)


def test_a_solution_spent_in_one_process_is_spent_in_all(redis_server):
    url = ready(redis_server)

    async def story(gate: Gate):
        other, pacer = gate_on(url, gate.time, rates())
        packed = pack(work(gate.challenges.issue(gate.now())))
        answers = await asyncio.gather(*(side.challenges.solved(packed, gate.now()) for side in (gate, other) * 10))
        assert sum(answers) == 1
        await pacer.aclose()

    play(url, story)


def test_a_solution_stays_spent_while_redis_comes_and_goes(own_redis_server):
    async def story(gate: Gate):
        with_redis = pack(work(gate.challenges.issue(gate.now())))
        assert await gate.challenges.solved(with_redis, gate.now())
        own_redis_server.kill()
        without = pack(work(gate.challenges.issue(gate.now())))
        assert [await gate.challenges.solved(packed, gate.now()) for packed in (with_redis, without)] == [False, True]
        own_redis_server.start()
        gate.time.go(REST_S)
        assert [await gate.challenges.solved(packed, gate.now()) for packed in (with_redis, without)] == [False, False]

    play(ready(own_redis_server), story)


def test_a_solution_is_good_for_ten_minutes(redis_server):
    async def story(gate: Gate):
        packed = pack(work(gate.challenges.issue(gate.now())))
        assert not await gate.challenges.solved(packed, gate.now() + LIFE)
        assert await gate.challenges.solved(packed, gate.now() + LIFE - timedelta(seconds=2))

    play(ready(redis_server), story)


def test_altchas_own_verification_agrees(redis_server):
    async def story(gate: Gate):
        solution = work(gate.challenges.issue(gate.now()))
        key = sub_key(KEY, "challenges")
        assert verify_solution(pack(solution), key, check_expires=False) == (True, None)
        wrong = {**solution, "number": solution["number"] + 1}
        assert verify_solution(pack(wrong), key, check_expires=False) == (False, None)
        assert not await gate.challenges.solved(pack(wrong), gate.now())
        assert await gate.challenges.solved(pack(solution), gate.now())

    play(ready(redis_server), story)


def forgeries(good: dict) -> list[object]:
    salt, number = good["salt"], good["number"]
    own = base64.b16encode(b"x" * 12).decode().lower() + "?expires=9999999999&"
    from hashlib import sha256

    made = sha256(f"{own}7".encode()).hexdigest()
    return [
        {**good, "number": number + 1},
        {**good, "number": str(number)},
        {**good, "number": float(number)},
        {**good, "number": -number - 1},
        {**good, "number": True},
        {**good, "number": None},
        {**good, "number": 10**600},
        {**good, "salt": salt.replace("expires=1", "expires=2")},
        {**good, "salt": f"{salt}expires=9999999999&"},
        {**good, "salt": f"{salt}{str(number)[0]}", "number": int(str(number)[1:] or 0)},
        {**good, "salt": salt.rstrip("&")},
        {**good, "salt": None},
        {**good, "salt": [salt]},
        {**good, "algorithm": "SHA-1"},
        {**good, "algorithm": "SHA-512"},
        {**good, "algorithm": None},
        {**good, "signature": good["signature"].upper()},
        {**good, "signature": ""},
        {**good, "signature": "é" * 64},
        {**good, "challenge": good["challenge"].upper()},
        {**good, "challenge": "\ud800" * 64},
        {**good, "challenge": {}},
        {name: value for name, value in good.items() if name != "signature"},
        {"algorithm": "SHA-256", "challenge": made, "number": 7, "salt": own, "signature": "0" * 64},
        {
            "algorithm": "SHA-256",
            "challenge": made,
            "number": 7,
            "salt": own,
            "signature": hmac_hex("SHA-256", made.encode(), b"guess"),
        },
        [good],
        "good",
        7,
        None,
        {},
    ]


def test_a_forged_solution_is_worth_nothing_and_spends_nothing(redis_server):
    async def story(gate: Gate):
        good = work(gate.challenges.issue(gate.now()))
        for forged in forgeries(good):
            assert not await gate.challenges.solved(pack(forged), gate.now()), forged
        packed = pack(good)
        for garbage in (
            "",
            "é",
            "=",
            "x" * 5_000,
            packed + "!",
            " " + packed,
            pack("[") * 40,
            packed.replace("=", "") + "A",
        ):
            assert not await gate.challenges.solved(garbage, gate.now()), garbage
        nested = base64.b64encode(b"[" * 700).decode()
        assert not await gate.challenges.solved(nested, gate.now())
        assert await gate.challenges.solved(packed, gate.now())

    play(ready(redis_server), story)


def test_a_solution_under_another_key_or_of_another_use_is_worth_nothing(redis_server):
    async def story(gate: Gate):
        good = work(gate.challenges.issue(gate.now()))
        for key in (KEY, sub_key(KEY, "stamps"), b""):
            signed = {**good, "signature": hmac_hex("SHA-256", good["challenge"].encode(), key)}
            assert not await gate.challenges.solved(pack(signed), gate.now())

    play(ready(redis_server), story)


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_sent_is_answered_no(text):
    async def story(gate: Gate):
        assert not await gate.challenges.solved(text, gate.now())

    play(NOWHERE, story)
