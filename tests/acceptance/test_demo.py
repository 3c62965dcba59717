"""`lettershop demo`, run for real: 275 letters, each once, counted at the sink."""

import json
from collections import Counter

import pytest

from tests.acceptance.command import lettershop
from worker.embedded.maildir import Maildir, message_id


@pytest.mark.timeout(240)
def test_every_sample_letter_reaches_its_office_once(tmp_path):
    done = lettershop(
        "demo", "--into", tmp_path / "demo", LETTERSHOP_LEDGER__URL="sqlite:////nowhere/else.db", within_s=200
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert list(last) == ["signatures", "offices", "letters", "sent", "deferred_once", "lost", "duplicates", "seconds"]
    wanted = {"signatures": 25, "offices": 11, "letters": 275, "sent": 275, "lost": 0, "duplicates": 0}
    assert {name: last[name] for name in wanted} == wanted
    assert 5 <= last["deferred_once"] <= 60, "one in ten, by a hash of what is random"

    stored = list(Maildir(tmp_path / "demo" / "var" / "sink").messages())
    assert len({message_id(each.content()) for each in stored}) == len(stored) == 275
    assert set(Counter(each.recipients for each in stored).values()) == {25}
    assert all(recipient.endswith("@rehearsal.invalid") for each in stored for recipient in each.recipients)

    said = done.stdout
    for setting in ('office_hours = "ignore"', "defer = 0.1", 'minimum = "1 s"'):
        assert setting in said
    assert "Dear" in said or "Excellency" in said
    assert "letters show 1" in said
    assert not done.stderr


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = lettershop("demo", "--into", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"lettershop: {tmp_path} is not empty: the demo wants a directory of its own\n"
