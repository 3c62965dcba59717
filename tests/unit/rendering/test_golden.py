"""Bytes that must never change under their renderer's number: letters already sent are rebuilt with them."""

import subprocess
import sys

import pytest

from tests.unit.rendering.reading import assert_on_the_wire, read
from tests.unit.rendering.samples import GOLDEN, SAMPLES
from worker.rendering import Renderer


@pytest.mark.parametrize("name", SAMPLES)
def test_bytes_are_as_recorded(name):
    recorded = (GOLDEN / f"{name}.eml").read_bytes()
    assert Renderer().render(SAMPLES[name]) == recorded, "a changed byte needs a new NUMBER; see samples.py"


@pytest.mark.parametrize("name", SAMPLES)
def test_recorded_messages_are_sound(name):
    data = (GOLDEN / f"{name}.eml").read_bytes()
    assert_on_the_wire(data)
    read(data)


def test_every_recorded_message_is_tried():
    assert {path.stem for path in GOLDEN.glob("*.eml")} == set(SAMPLES)


def test_bytes_do_not_depend_on_the_hash_seed_the_locale_or_the_time_zone():
    code = (
        "import hashlib, tests.unit.rendering.samples as s; from worker.rendering import Renderer;"
        "print(hashlib.sha256(b''.join(map(Renderer().render, s.SAMPLES.values()))).hexdigest())"
    )
    seen = {
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
        for env in (
            {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Baku"},
            {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
    }
    assert len(seen) == 1
