"""A folded template writes what the whole one writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_frame, make_office_block, make_person, make_wording
from worker.rendering.faults import Flaw
from worker.rendering.folding import Fixed, folded, of_root
from worker.rendering.sandbox import compiled, run

FIXED = Fixed(make_office_block(), make_frame(), ("Keep it open & free.", "Ask <first>."), "26 February 2027")
WORDING = make_wording()

PIECES = (
    "plain & <b>text</b>\n",
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


def both(source: str, name: str, html: bool) -> tuple[str, str]:
    signer = make_person(name=name, city=name[:3], comment=f"<{name}>")
    values = FIXED.values() | of_root("signer", signer)
    return run(compiled(source, html), values), run(folded(source, html, FIXED), values)


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.text(max_size=12), st.booleans())
def test_any_arrangement_of_pieces(pieces: list[str], name: str, html: bool) -> None:
    whole, short = both("".join(pieces), name, html)
    assert short == whole


@pytest.mark.parametrize(("source", "html"), [(WORDING.subject, False), (WORDING.text, False), (WORDING.html, True)])
def test_a_whole_letter(source: str, html: bool) -> None:
    whole, short = both(source, "Élodie & Co", html)
    assert short == whole


def test_little_is_left_to_do_for_each_letter() -> None:
    values = FIXED.values() | of_root("signer", make_person())
    template = folded(WORDING.html, True, FIXED)
    whole = list(compiled(WORDING.html, True).root_render_func(compiled(WORDING.html, True).new_context(values)))
    parts = list(template.root_render_func(template.new_context(values, shared=True)))
    assert len(parts) < len(whole) / 2


def test_what_cannot_be_folded_tells_its_fault_and_line() -> None:
    source = "one\n{{ goals[7] }}\n{{ signer.name }}"
    with pytest.raises(Flaw) as caught:
        both(source, "x", html=False)
    assert caught.value.line == 2
    with pytest.raises(Flaw) as again:
        run(folded(source, False, FIXED), FIXED.values() | of_root("signer", make_person()))
    assert (again.value.line, again.value.message) == (caught.value.line, caught.value.message)
