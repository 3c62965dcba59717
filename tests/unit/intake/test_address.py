"""Which addresses are taken, and their canonical form."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from worker.intake.address import LIVE, LIVE_TRIAL, REHEARSAL, NotAnAddress, read_address


@pytest.mark.parametrize(
    ("text", "envelope", "canonical"),
    [
        ("ada@mail.example", "ada@mail.example", "ada@mail.example"),
        ("Ada.Lovelace@Mail.EXAMPLE", "Ada.Lovelace@mail.example", "ada.lovelace@mail.example"),
        ("ada+tag@mail.test", "ada+tag@mail.test", "ada+tag@mail.test"),
        ("a.d.a@mail.invalid", "a.d.a@mail.invalid", "a.d.a@mail.invalid"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@\uff4d\uff41\uff49\uff4c.example", "ada@mail.example", "ada@mail.example"),
        ("İrem@mail.example", "İrem@mail.example", "i̇rem@mail.example"),
        ("Zoe\u0308@mail.example", "Zoë@mail.example", "zoë@mail.example"),
        ("o'neill@mail.example", "o'neill@mail.example", "o'neill@mail.example"),
    ],
)
def test_addresses_taken_in_rehearsal(text: str, envelope: str, canonical: str) -> None:
    found = read_address(text, REHEARSAL)
    assert (found.envelope, found.canonical) == (envelope, canonical)


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@", "ada@", "@mail.example", "ada@mail", "ada@@mail.example", "a b@mail.example",
        '"a b"@mail.example', "ada@[192.0.2.1]", "ada@192.0.2.1", "Ada <ada@mail.example>", "ada@mail.example\n",
        "ada\r\nbcc:x@mail.example", "ada\0@mail.example", "ada@mail..example", ".ada@mail.example", "ada.@mail.example",
        "a..b@mail.example", "ada@-mail.example", "ada@mail_box.example", "ada@localhost", "ada@x.local", "ada@x.onion",
        "ada@1.in-addr.arpa", "x" * 65 + "@mail.example", "é" * 33 + "@mail.example", "ada@" + "x" * 64 + ".example",
        "ada@" + "x." * 130 + "example", "ada,b@mail.example", "ada(comment)@mail.example", "\ud800@mail.example",
        "ada@\ud800.example", "ada@invalid", "ada@.invalid", "ada@mail.example.",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(NotAnAddress) as caught:
        read_address(text, REHEARSAL)
    assert "ada" not in str(caught.value)


@pytest.mark.parametrize("domain", ["mail.example", "mail.invalid", "example.com", "sub.example.org", "mail.test"])
def test_reserved_domains_are_for_rehearsal(domain: str) -> None:
    assert read_address(f"ada@{domain}", REHEARSAL)
    with pytest.raises(NotAnAddress, match="reserved"):
        read_address(f"ada@{domain}", LIVE)


def test_a_trial_takes_the_test_domain_and_no_other() -> None:
    assert read_address("ada@mail.test", LIVE_TRIAL)
    with pytest.raises(NotAnAddress, match="reserved"):
        read_address("ada@mail.example", LIVE_TRIAL)


_ATOMS = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-.", min_size=1, max_size=70)


@given(_ATOMS)
def test_the_short_cut_judges_as_the_library_does(local: str) -> None:
    try:
        found = validate_email(f"{local}@mail.test", check_deliverability=False, test_environment=True, strict=True)
        theirs = found.local_part
    except EmailNotValidError:
        theirs = None
    try:
        ours = read_address(f"{local}@mail.test", REHEARSAL).envelope.rpartition("@")[0]
    except NotAnAddress:
        ours = None
    assert ours == theirs


_LOCALS = st.text(st.characters(categories=("L", "N", "M")), min_size=1, max_size=12)
_DOMAINS = st.sampled_from(["mail.example", "bücher.example", "MAIL.Test", "почта.example", "日本.invalid"])


@given(_LOCALS, _DOMAINS)
def test_the_canonical_form_is_its_own_canonical_form(local: str, domain: str) -> None:
    try:
        once = read_address(f"{local}@{domain}", REHEARSAL)
    except NotAnAddress:
        return
    assert once.canonical.rpartition("@")[2].isascii()
    try:
        twice = read_address(once.canonical, REHEARSAL)
    except NotAnAddress:
        return  # lower case can be longer than what it was made from
    assert twice.canonical == once.canonical


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        found = read_address(text, REHEARSAL)
    except NotAnAddress:
        return
    assert found.envelope.count("@") == 1
    assert not any(c.isspace() or ord(c) < 32 or c in '"<>(),:;[]\\' for c in found.envelope)
