"""A folded template writes what the whole one writes, as text and as the body part of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_frame, make_office_block, make_person, make_wording
from worker.rendering.faults import Flaw
from worker.rendering.folding import Fixed, Folded, letterhead, of_root
from worker.rendering.mime import clean, part
from worker.rendering.sandbox import compiled, run

FIXED = Fixed(make_office_block(), make_frame(), ("Keep it open & free.", "Ask <first>."), "26 February 2027")
WORDING = make_wording()

PIECES = (
    "plain & <b>text</b>\n",
    "two lines\nand a half",
    "\n",
    "\r\n",
    " ",
    "From here on = more\n",
    "what is as long as this does not fit into one line of a message and is broken softly, twice where it must be\n",
    "voilà\n",
    "{{ signer.name }}",
    "{{ signer.comment | upper }}",
    "{{ office.title }}",
    "{% for goal in goals %}- {{ loop.index }} {{ goal }}\n{% endfor %}",
    "{% for goal in goals %}{{ goal }} for {{ signer.name }}{% endfor %}",
    "{% if signer.city %}{{ signer.city }}, {% endif %}",
    "{% if office.holder -%} {{ office.holder }} {%- else %}nobody{% endif %}",
    "{{ campaign.addressees | length * 2 }}",
    "{{ date }} {# a remark #}",
    "{% set n = 3 %}{{ n }}",
)
NAMES = st.text(max_size=12) | st.text("ab =.\n\r\t\0F\ud800é", max_size=6) | st.sampled_from(["From me", "x" * 90, ""])


def letter(name: str) -> dict[str, object]:
    return letterhead(FIXED).values | of_root("signer", make_person(name=name, city=name[:3], comment=f"<{name}>"))


def both(source: str, name: str, html: bool) -> tuple[str, str]:
    values = letter(name)
    return run(compiled(source, html), values), Folded(source, html, letterhead(FIXED).values).run(values)


@given(st.lists(st.sampled_from(PIECES), max_size=8), NAMES, st.booleans())
def test_any_arrangement_of_pieces(pieces: list[str], name: str, html: bool) -> None:
    whole, short = both("".join(pieces), name, html)
    assert short == whole


@given(st.lists(st.sampled_from(PIECES), max_size=8), NAMES, st.booleans())
def test_the_bytes_of_any_arrangement(pieces: list[str], name: str, html: bool) -> None:
    source, values = "".join(pieces), letter(name)
    short = Folded(source, html, letterhead(FIXED).values).part(b"plain", values)
    assert short == part(b"plain", clean(run(compiled(source, html), values)))


@pytest.mark.parametrize(("source", "html"), [(WORDING.subject, False), (WORDING.text, False), (WORDING.html, True)])
def test_a_whole_letter(source: str, html: bool) -> None:
    whole, short = both(source, "Élodie & Co", html)
    assert short == whole


def test_little_is_left_to_do_for_each_letter() -> None:
    written = letterhead(FIXED).folded(WORDING.html, True).written
    assert 0 < len(written) <= 6
    assert sum(map(len, written)) > len(both(WORDING.html, "Jo", html=True)[0]) / 2


def test_what_cannot_be_folded_tells_its_fault_and_line() -> None:
    source = "one\n{{ goals[7] }}\n{{ signer.name }}"
    with pytest.raises(Flaw) as caught:
        both(source, "x", html=False)
    assert caught.value.line == 2
    with pytest.raises(Flaw) as again:
        Folded(source, False, letterhead(FIXED).values).run(letter("x"))
    assert (again.value.line, again.value.message) == (caught.value.line, caught.value.message)
