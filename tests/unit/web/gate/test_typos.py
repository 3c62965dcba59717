"""Slips in common mail domains, and everything that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.gate.mail_domains import COMMON, NEARLY_COM, NO_TLD, REAL, SHORT
from worker.web.gate.typos import suggestion

SLIPS = {
    "gmail.com": "gmial.com gmal.com gmai.com gmaill.com gmil.com gamil.com gnail.com gmaik.com mgail.com gmail.con "
    "gmail.co gmail.cm gmail.om gmail.cmo gmail.com.com gmial.con gmal.cm gmailcom gmail,com gmail..com GMIAL.COM "
    "gmail.com.",
    "hotmail.com": "hotmial.com hotmal.com hotmil.com hotmaill.com homtail.com ohtmail.com hotmail.con hotmail.xom",
    "hotmail.fr": "hotmial.fr hotmal.fr hormail.fr hotmail.rf hotmailfr",
    "hotmail.co.uk": "hotmal.co.uk hotmial.co.uk hotmail,co,uk",
    "yahoo.com": "yaho.com yahooo.com yhaoo.com yahoo.co yahoo.con yahoo.comm",
    "yahoo.fr": "yaho.fr yahho.fr yahoo.ft",
    "outlook.com": "outlok.com outloook.com otulook.com outlook.con outllok.com",
    "icloud.com": "iclod.com icoud.com icloud.co icluod.com",
    "laposte.net": "lapost.net laposte.nte lapsote.net",
    "orange.fr": "ornage.fr orang.fr",
    "t-online.de": "tonline.de t-onlin.de",
    "aol.com": "aol.con aol.co",
    "gmx.net": "gmx.nte gmxnet",
    "free.fr": "free.ffr",
}


@pytest.mark.parametrize(
    ("meant", "written"), [(meant, slip) for meant, all_ in SLIPS.items() for slip in all_.split()]
)
def test_a_slip_is_asked_back(meant, written):
    assert suggestion(f"Ada.Byron+x@{written}") == f"Ada.Byron+x@{meant}"


def test_an_ending_that_no_domain_has_is_mended_whatever_stands_before_it():
    assert suggestion("ada@small-firm.con") == "ada@small-firm.com"
    assert suggestion("ada@mail.small-firm.ogr") == "ada@mail.small-firm.org"
    assert suggestion("ada@small-firm.co") == ""


LEFT_ALONE = (
    "ymail.com mail.com email.com gmx.de gmx.net gmx.fr aol.com hotmail.fr live.fr live.com me.com "
    "mac.com msn.com web.de fmail.com hmail.com grail.com googlemail.com protonmail.ch proton.me pm.me "
    "yahoo.co.uk yahoo.com.au hotmail.com.au yahoo.ch hotmail.se outlook.com.br yandex.com orange.com "
    "orange.es free.fr sfr.fr zoho.co gmx.co small-firm.fr uni-koeln.de parliament.uk mail.house.gov "
    "cam.ac.uk aon.at a.com ab.fr xn--bcher-kva.ch g.co "
)


@pytest.mark.parametrize("domain", LEFT_ALONE.split())
def test_a_real_domain_is_left_alone(domain):
    assert suggestion(f"ada@{domain}") == ""


@pytest.mark.parametrize(
    "domain",
    ["gmail.example", "gmial.test", "gmial.invalid", "gmail.com.example", "localhost", "gmial.example", "con.test"],
)
def test_names_for_tests_are_left_alone(domain):
    assert suggestion(f"ada@{domain}") == ""


@pytest.mark.parametrize("domain", COMMON + SHORT + REAL)
def test_no_known_domain_is_ever_mended(domain):
    assert suggestion(f"ada@{domain}") == ""
    assert suggestion(f"ada@{domain.upper()}") == ""


def test_the_lists_do_not_contradict_each_other():
    assert len({*COMMON, *SHORT, *REAL}) == len(COMMON + SHORT + REAL)
    assert not {domain.rpartition(".")[2] for domain in COMMON + SHORT + REAL} & set(NO_TLD)
    assert not NEARLY_COM & set(NO_TLD)


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@gmial.com",
        "ada@gmiäl.com",
        "ada@<b>.con",
        "ada@gmial com",
        "ada@" + "g" * 300 + ".con",
        "a@.",
        "a@,",
    ],
)
def test_what_is_no_address_gets_no_suggestion(hostile):
    assert suggestion(hostile) == ""
    assert suggestion("a" * 250 + "@gmial.com") == ""


@given(st.text())
def test_whatever_is_typed_the_answer_keeps_what_stands_before_the_at(text):
    for typed in (text, f"{text}@gmial.com", f"ada@{text}", f"ada@{text}.con"):
        answer = suggestion(typed)
        assert answer == "" or answer.startswith(typed.strip().rpartition("@")[0] + "@")


@given(st.sampled_from(COMMON + SHORT), st.data())
def test_a_mended_address_needs_no_mending(domain, data):
    """One slip anywhere in a common domain; what is asked back is final."""
    at = data.draw(st.integers(0, len(domain) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz.-"))
    slips = [
        domain[:at] + domain[at + 1 :],
        domain[:at] + letter + domain[at:],
        domain[:at] + letter + domain[at + 1 :],
    ]
    for slip in slips:
        mended = suggestion(f"ada@{slip}")
        assert mended != f"ada@{slip}"
        assert mended == "" or suggestion(mended) == ""
