"""Which passwords are taken, and how they are kept."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from worker.domain.errors import BadInput
from worker.operations import passwords


@pytest.mark.parametrize(
    "password",
    [
        "vier lose worte hier",
        "korrekt pferd klammer",
        "xK3#vQ9!mZ2p",
        "\u043a\u043e\u043b\u043e\u043a\u043e\u043b \u043d\u043e\u0447\u044c \u0441\u043d\u0435\u0433",
        "\N{LOVE LETTER}\N{SNOWMAN}\N{EVERGREEN TREE}\N{CLOUD}\N{UMBRELLA} am Abend",
    ],
)
def test_good_ones(password: str) -> None:
    assert passwords.checked(password, "maria") == password


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "too short"),
        ("elf letters", "too short"),
        ("x" * 501, "too long"),
        ("vier lose\0worte hier", "control character"),
        ("aaaaaaaaaaaaaaaa", "tried first"),
        ("abcabcabcabcabc", "tried first"),
        ("hallohallohallo", "tried first"),
        ("123456789012", "tried first"),
        ("987654321098", "tried first"),
        ("password1234", "tried first"),
        ("P@ssw0rd!2026", "tried first"),
        ("Lettershop2026!", "tried first"),
        ("qwertyuiopas", "tried first"),
        ("correct horse battery staple", "tried first"),
        ("maria-maria-2026", "tried first"),
        ("MariaGarcia2026", "tried first"),
    ],
)
def test_those_that_are_tried_first(password: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        passwords.checked(password, "maria.garcia")
    assert not password or password not in str(caught.value)


def test_how_they_are_kept() -> None:
    kept = passwords.hashed("vier lose worte hier")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "RFC 9106, section 4, second choice"
    assert extract_parameters(kept) == RFC_9106_LOW_MEMORY
    assert passwords.fits(kept, "vier lose worte hier")
    assert not passwords.fits(kept, "vier lose worte hie")
    assert not passwords.is_old(kept)
    assert passwords.is_old(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


@pytest.mark.usefixtures("quick")
def test_two_keyboards_write_it_alike() -> None:
    kept = passwords.hashed("fu\u0308nf andere worte")
    assert passwords.fits(kept, "f\u00fcnf andere worte")


@pytest.mark.usefixtures("quick")
def test_what_is_no_hash_fits_nothing() -> None:
    assert not passwords.fits("", "x")
    assert not passwords.fits("$argon2id$nonsense", "x")
    assert not passwords.fits(passwords.nobodys(), "")
