"""Keyed hashes that do not run into each other, and a payload nested as deep as it can be."""

import base64

import pytest

from worker.web.gate.challenge import _json
from worker.web.gate.keyed import mac, sub_key

KEY = b"k" * 32


def test_where_a_part_ends_is_part_of_the_hash():
    told = [mac(KEY, "ab", "c"), mac(KEY, "a", "bc"), mac(KEY, "abc"), mac(KEY, "abc", ""), mac(KEY, "", "abc")]
    assert len(set(told)) == len(told)
    assert mac(KEY, "é", "c") == mac(KEY, "é".encode(), b"c")


def test_each_use_has_a_key_of_its_own():
    assert len({sub_key(KEY, "stamps"), sub_key(KEY, "limits"), KEY}) == 3
    assert sub_key(KEY, "stamps") != sub_key(b"K" * 32, "stamps")
    with pytest.raises(ValueError, match="at least 16 bytes"):
        sub_key(b"k" * 15, "stamps")


def test_a_hash_is_cut_to_size():
    assert len(mac(KEY, "a")) == 43
    assert len(mac(KEY, "a", size=12)) == 16
    assert mac(KEY, "a").startswith(mac(KEY, "a", size=12))


def test_a_payload_nested_deeper_than_the_stack_is_none():
    nested = base64.b64encode(b"[" * 700).decode()

    def under(frames: int) -> object:
        return _json(nested) if frames == 0 else under(frames - 1)

    assert under(0) is None
    assert under(500) is None
