"""Keys, seals and key files."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.errors import BadInput
from worker.ledger.keys import Keys, SealBroken, make_key_files, person_aad, token_aad

KEYS = Keys(b"d" * 32, b"l" * 32, b"s" * 32)
AAD = person_aad(7, 1)


def _files(folder: Path) -> list[Path]:
    return [folder / "keys" / f"{name}.key" for name in ("data", "lookup", "seal")]


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_is_sealed_opens_again(body: dict[str, object]) -> None:
    wrapped = KEYS.new_signer_key()
    assert KEYS.unseal(wrapped, KEYS.seal(wrapped, body, AAD), AAD) == body


def test_even_half_a_character_survives() -> None:
    wrapped = KEYS.new_signer_key()
    assert KEYS.unseal(wrapped, KEYS.seal(wrapped, {"name": "\ud800"}, AAD), AAD) == {"name": "\ud800"}


def test_the_same_person_never_looks_the_same() -> None:
    wrapped = KEYS.new_signer_key()
    assert KEYS.seal(wrapped, {"a": 1}, AAD) != KEYS.seal(wrapped, {"a": 1}, AAD)
    assert KEYS.new_signer_key() != wrapped


@pytest.mark.parametrize("position", [0, 1, 14, -1])
def test_an_altered_seal_does_not_open(position: int) -> None:
    wrapped = KEYS.new_signer_key()
    sealed = bytearray(KEYS.seal(wrapped, {"a": 1}, AAD))
    sealed[position] ^= 1
    with pytest.raises(SealBroken, match="ledger verify"):
        KEYS.unseal(wrapped, bytes(sealed), AAD)


def test_a_seal_belongs_to_its_row_its_signer_and_its_ledger() -> None:
    wrapped = KEYS.new_signer_key()
    sealed = KEYS.seal(wrapped, {"a": 1}, AAD)
    for key, aad in ((wrapped, person_aad(7, 2)), (wrapped, token_aad(7)), (KEYS.new_signer_key(), AAD), (b"", AAD)):
        with pytest.raises(SealBroken):
            KEYS.unseal(key, sealed, aad)
    with pytest.raises(SealBroken):
        Keys(b"x" * 32, b"l" * 32, b"s" * 32).unseal(wrapped, sealed, AAD)


def test_hashes_are_known_and_apart() -> None:
    """Frozen: a change would find no signer again, and call every letter faulty."""
    assert KEYS.address_key("a@b.example").hex() == _KNOWN["address"]
    assert KEYS.person_key("library", "a@b.example").hex() == _KNOWN["person"]
    assert KEYS.mac(1, "f" * 64, "mayor").hex() == _KNOWN["mac"]
    assert KEYS.token_hash("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_parts_do_not_run_together() -> None:
    assert KEYS.person_key("a", "bc") != KEYS.person_key("ab", "c")
    assert KEYS.mac(1, "2", "x") != KEYS.mac(12, "", "x")
    same = Keys(b"k" * 32, b"k" * 32, b"k" * 32)
    assert len({same.address_key("x"), same.person_key("x", ""), same.person_key("", "x"), same.mac(0, "", "x")}) == 4


def test_key_files_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    files = _files(tmp_path)
    assert make_key_files(files) == files
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    assert files[0].parent.stat().st_mode & 0o777 == 0o700
    before = [file.read_text() for file in files]
    assert make_key_files(files) == []
    assert [file.read_text() for file in files] == before
    assert sorted(files[0].parent.iterdir()) == sorted(files)
    Keys.load(*files)


def test_base64_does_as_well(tmp_path: Path) -> None:
    files = _files(tmp_path)
    make_key_files(files)
    first = Keys.load(*files)
    files[0].write_text(base64.b64encode(bytes.fromhex(files[0].read_text())).decode())
    assert Keys.load(*files).checks() == first.checks()


@pytest.mark.parametrize(
    "text", ["", "abcd", "not a key at all", "ab" * 33, "é" * 32, base64.b64encode(b"x" * 31).decode()]
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    files = _files(tmp_path)
    make_key_files(files)
    files[1].write_text(text)
    with pytest.raises(BadInput, match=r"lookup\.key must hold 32 bytes as 64 hex digits or as base64") as refusal:
        Keys.load(*files)
    assert not text or text not in str(refusal.value)


def test_a_missing_or_open_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    files = _files(tmp_path)
    with pytest.raises(BadInput, match=r"no key file .*data\.key: run `lettershop init`"):
        Keys.load(*files)
    make_key_files(files)
    files[2].chmod(0o640)
    with pytest.raises(BadInput, match=r"seal\.key is open to others \(mode 0640\): run `chmod 600"):
        Keys.load(*files)
    files[2].unlink()
    files[2].mkdir()
    with pytest.raises(BadInput, match=r"seal\.key cannot be read \(Is a directory\)"):
        Keys.load(*files)


def test_three_files_hold_three_keys(tmp_path: Path) -> None:
    files = _files(tmp_path)
    make_key_files(files)
    files[1].write_text(files[0].read_text())
    with pytest.raises(BadInput, match="hold the same key"):
        Keys.load(*files)
    with pytest.raises(BadInput, match="32 bytes"):
        Keys(b"", b"", b"")


def test_checks_tell_which_file_is_wrong(tmp_path: Path) -> None:
    files = _files(tmp_path)
    make_key_files(files)
    keys = Keys.load(*files)
    assert keys.wrong_files(keys.checks()) == []
    assert KEYS.wrong_files(keys.checks()) == ["the data key", "the lookup key", "the seal key"]
    files[1].unlink()
    make_key_files(files)
    assert Keys.load(*files).wrong_files(keys.checks()) == [str(files[1])]
    assert files[0].read_text().strip() not in repr(keys) + keys.checks()


_KNOWN = {
    "address": "f58d2af4da8dcd0964111b20ecd0bba645fe4669382a651ab9526a2d6496a91d",
    "person": "d04b125ba19e8bb9460ef87b057afe3904d10cebc3e594e9524cfc225b7f713d",
    "mac": "408ce00de8e07a868810b7b27d8d9bab93a28579a147360d4de84c238bec7471",
}
