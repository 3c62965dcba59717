"""Complaints about TOML name the file and the line."""

import pytest

from worker.domain.errors import BadInput
from worker.settings.toml import read_toml


def read(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_toml(path, "config/x.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\na = 2\n", "config/x.toml:2: a is given twice; keep one of the two"),
        ("a = 1\na = 2\nb = 3\n", "config/x.toml:2: a is given twice; keep one of the two"),
        ("[ledger]\nurl = 'x'\n\n[ledger]\n", "config/x.toml:4: ledger is given twice; keep one of the two"),
        ("[[r]]\nn = 1\n[r]\n", "config/x.toml:3: r is given twice; keep one of the two"),
        ("a = \n", "config/x.toml:1: this is not TOML: invalid value"),
        ('a = 1\nb = "x\n', "config/x.toml:2: this is not TOML: illegal character '\\n'"),
        ("a = [1,\n2", "config/x.toml:2: this is not TOML: unclosed array"),
    ],
)
def test_malformed_and_duplicate(tmp_path, text, said):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff\xfe", "config/x.toml is not UTF-8 (byte 0); save it as UTF-8"),
        (b"a = " + b"[" * 5000, "config/x.toml nests its values too deeply"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, said):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    assert str(caught.value) == said


def test_a_missing_file_and_a_directory(tmp_path):
    with pytest.raises(BadInput, match=r"config/x\.toml is missing; `lettershop init DIR` lays out"):
        read_toml(tmp_path / "none.toml", "config/x.toml")
    with pytest.raises(BadInput, match=r"config/x\.toml cannot be read: Is a directory"):
        read_toml(tmp_path, "config/x.toml")


def test_a_byte_order_mark_and_crlf_are_no_matter(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbfa = 1\r\nb = 2\r\n").data == {"a": 1, "b": 2}


def test_places(tmp_path):
    document = read(
        tmp_path,
        """\
mode = "rehearsal"
[ledger]
url = "x"
[[offices]]
id = "a"
[[offices.holders]]
name = "A"
[[offices.holders]]
name = "B"
[[offices]]
"id" = "b"
refusal.reason = "r"
[[offices.holders]]
name = "C"
""",
    )
    places = {
        ("mode",): 1,
        ("ledger",): 2,
        ("ledger", "url"): 3,
        ("offices", 0, "holders", 1, "name"): 9,
        ("offices", 1, "id"): 11,
        ("offices", 1, "refusal", "reason"): 12,
        ("offices", 1, "holders", 0, "name"): 14,
        ("offices", 1, "title"): 10,  # missing: the table that lacks it
    }
    assert {loc: document.place(loc) for loc in places} == {loc: f"config/x.toml:{n}" for loc, n in places.items()}
    assert document.place(("nowhere",)) == document.place(()) == "config/x.toml"
