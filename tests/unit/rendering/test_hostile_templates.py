"""Templates that loop, explode or reach for what they must not: each ends in a TemplateFault, soon and in little memory."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import make_making, make_notice, make_notice_text, make_text_version
from worker.rendering import TemplateFault, body_html, body_text
from worker.rendering.filters import PLAIN_FILTERS
from worker.rendering.sandbox import LetterEnvironment


def fault(source: str) -> TemplateFault:
    with pytest.raises(TemplateFault) as caught:
        body_text(make_making(text=make_text_version(text=source)))
    assert caught.value.template == "town-library/en text"
    with pytest.raises(TemplateFault):
        body_html(make_making(text=make_text_version(html=source)))
    return caught.value


UNKNOWN = [
    ("{{ nmae }}", "unknown variable 'nmae'"),
    ("{{ signer.nmae }}", "unknown variable 'signer.nmae'; did you mean signer.name?"),
    ("{{ signer.email }}", "unknown variable 'signer.email'"),
    ("{% if false %}{{ office.titel }}{% endif %}", "did you mean office.title?"),
    ("{{ goal }}", "did you mean goals?"),
    ("{{ link }}", "unknown variable 'link'"),
    ("{{ values.link }}", "only campaign, office, signer and loop have parts"),
    ("{{ x|upcase }}", "the filter 'upcase' is not available"),
    ("{{ 1 is sometimes }}", "the test 'sometimes' is not available"),
    ("{% if goals %}{% set x = 'a' %}{% endif %}{% for x in [] %}{% endfor %}{{ loop.index }}", "'loop' is undefined"),
    ("{{ goals[7] }}", "item 7 is not there"),
    *(
        (f"{{% if not goals %}}{{% set x = 1 %}}{{% endif %}}{use}", "'x' is undefined")
        for use in (
            *("{{ x }}", "{{ x|upper }}", "{{ x ~ 'a' }}", "{{ [x] }}", "{{ x * 2 }}", "{{ x + 1 }}", "{{ x % 2 }}"),
            *(
                "{% for y in x %}{% endfor %}",
                "{{ x[0] }}",
                "{% if x %}{% endif %}",
                "{{ goals|join(x) }}",
                "{{ x|length }}",
            ),
        )
    ),
]


@pytest.mark.parametrize(("source", "message"), UNKNOWN)
def test_what_is_missing_is_named_with_its_line(source, message):
    found = fault(f"first\nsecond {source}")
    assert found.line == 2
    assert message in found.message
    assert str(found).startswith("town-library/en text, line 2: ")


REACHING = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ signer.__class__ }}",
    "{{ signer['__class__'] }}",
    "{{ signer['name'] }}",
    "{{ goals['__class__'] }}",
    "{{ goals.append('x') }}",
    "{{ goals.__len__() }}",
    "{{ (1).real }}",
    "{{ signer|attr('name') }}",
    "{{ ''|attr('__class__') }}",
    "{{ goals|map(attribute='__class__')|list }}",
    "{{ goals|map('upper')|list }}",
    "{{ goals|sort(attribute='__class__') }}",
    "{{ '%s'|format(signer) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s' % goals }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ signer.comment|safe }}",
    "{{ signer.comment|striptags }}",
    "{{ signer }}",
    "{{ [signer] }}",
    "{{ office }}",
    "{% for x in signer %}{% endfor %}",
    "{{ range }}",
    "{{ range.__globals__ }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ caller() }}",
    "{{ lipsum(1000) }}",
    "{{ cycler('a').next() }}",
    "{{ joiner() }}",
    "{{ namespace(a=1) }}",
    "{{ dict(a=1) }}",
    "{{ {'a': 1} }}",
    "{{ __signer__name }}",
    "{% set __signer__name = 'x' %}",
    "{% for __x in goals %}{{ __x }}{% endfor %}",
    "{% set signer = 'x' %}",
    "{% set goals = [] %}",
    "{% for office in goals %}{% endfor %}",
    "{% for range in goals %}{% endfor %}",
    "{{ 1 | concat }}",
    "{{ goals | counted(0) }}",
    "{{ loop }}",
    "{% for g in goals %}{{ loop }}{% endfor %}",
    "{% for g in goals %}{{ loop.__class__ }}{% endfor %}",
    "{% for g in goals %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for g in goals %}{{ loop._iterator }}{% endfor %}",
    "{% include 'x' %}",
    "{% include '/etc/passwd' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for g in goals recursive %}{{ loop(goals) }}{% endfor %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set x %}y{% endset %}",
    "{% set x.y = 1 %}",
    "{% autoescape false %}{{ signer.name }}{% endautoescape %}",
    "{% with x = 1 %}{% endwith %}",
    "{% do goals.append(1) %}",
    "{{ 1",
    "{% if %}",
    "{% endfor %}",
    "{{ 'x",
]


@pytest.mark.parametrize("source", REACHING)
def test_what_a_letter_does_not_need_is_refused(source):
    assert fault(source).line == 1


def doubled(start: str, step: str, times: int) -> str:
    return start + step * times + "{{ a }}"


NINES = "9" * 5000
EXPLODING = {
    "multiply": "{{ 'a' * 10**9 }}",
    "multiply reversed": "{{ 10000000 * 'a' }}",
    "multiply list": "{{ [1] * 1000000 }}",
    "multiply in steps": "{{ 'a' * 20000 * 20000 }}",
    "power": "{{ 9**9**9 }}",
    "power small": "{{ 1000**11 }}",
    "power negative": "{{ 2**-1 }}",
    "big number": f"{{{{ {NINES} }}}}",
    "numbers": "{{ 1000**5 * 1000**5 }}",
    "infinity": "{{ 1e308 * 10 }}",
    "replace": "{{ ('a' * 20000)|replace('a', 'b' * 20000) }}",
    "replace nothing": "{{ ('a' * 10000)|replace('', 'bbbb') }}",
    "center": "{{ 'a'|center(10**9) }}",
    "indent": "{{ ('\n' * 10000)|indent(1000) }}",
    "indent wide": "{{ 'a'|indent(10**9) }}",
    "join": "{{ range(1000)|join('a' * 10000) }}",
    "wordwrap": "{{ 'a'|wordwrap(10**9) }}",
    "truncate": "{{ 'a'|truncate(10**9) }}",
    "quote": "{{ ('\n' * 15000)|quote }}",
    "br": "{{ ('\n' * 15000)|br }}",
    "list": "{{ ('a' * 20000)|list }}",
    "escape": "{{ ('<' * 20000)|e }}",
    "range": "{{ range(10**9) }}",
    "range again": "{% for x in range(1001) %}{% endfor %}",
    "range of text": "{{ range('a') }}",
    "add": doubled("{% set a = 'aaaaaaaaaa' %}", "{% set a = a + a %}", 30),
    "concat": doubled("{% set a = 'aaaaaaaaaa' %}", "{% set a = a ~ a %}", 30),
    "concat escaped": doubled("{% set a = '<'|e %}", "{% set a = a ~ a %}", 30),
    "lists in lists": doubled("{% set a = [1] %}", "{% set a = [a, a] %}", 30),
    "tuples in tuples": doubled("{% set a = (1,) %}", "{% set a = (a, a) %}", 30),
    "lists added": doubled("{% set a = [1] %}", "{% set a = a + a %}", 30),
    "loops": "{% for a in range(1000) %}" * 3 + "x" + "{% endfor %}" * 3,
    "silent loops": "{% for a in range(1000) %}" * 4 + "{% endfor %}" * 4,
    "loops with tests": "{% for a in range(1000) if a is even %}" * 3 + "{% endfor %}" * 3,
    "loops of work": "{% for a in range(1000) %}{% for b in range(100) %}{% if ('a' * 9000)|upper %}{% endif %}"
    "{% endfor %}{% endfor %}",
    "output": "{% for a in range(1000) %}{{ 'x' * 10000 }}{% endfor %}",
    "text loop": "{% for a in 'x' * 20000 %}{% for b in 'x' * 20000 %}{% endfor %}{% endfor %}",
}
OVERSIZED = {
    "long template": "x" * 100_001,
    "many nodes": "{{ 1 }}" * 5_001,
    "brackets": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "nots": "{{ " + "not " * 20_000 + "1 }}",
    "sum": "{{ " + "1 + " * 1_000 + "1 }}",
    "deep if": "{% if goals %}" * 500 + "{% endif %}" * 500,
    "elifs": "{% if goals %}" + "{% elif goals %}" * 500 + "{% endif %}",
    "deep loops": "{% for a in goals %}" * 30 + "{% endfor %}" * 30,
}


@pytest.mark.parametrize("name", EXPLODING)
def test_a_template_that_explodes_is_stopped(name):
    tracemalloc.start()
    try:
        fault(EXPLODING[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000


@pytest.mark.parametrize("name", OVERSIZED)
def test_a_template_too_large_to_be_a_letter_is_refused(name):
    fault(OVERSIZED[name])


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 / 0 }}",
        "{{ 'a' - 1 }}",
        "{{ 'a'|int }}",
        "{{ 1|length }}",
        "{{ 1 + 'a' }}",
        "{% for x in 1 %}{% endfor %}",
    ],
)
def test_an_expression_that_fails_is_named_with_its_line(source):
    assert fault(f"\n\n{source}").line == 3


def test_a_notice_knows_its_values_and_no_office():
    text = make_notice_text(text="{{ link }} {{ values.token }} {{ extra }}{% if not values.extra %}!{% endif %}")
    assert body_text(make_notice(text=text, values={"token": "abc", "extra": "1"})) == " abc 1\n"
    with pytest.raises(TemplateFault, match="office"):
        body_text(make_notice(text=make_notice_text(text="{{ office.title }}")))
    with pytest.raises(TemplateFault, match=r"unknown variable 'values\.other'"):
        body_text(make_notice(text=make_notice_text(text="{{ values.other }}")))


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ goals|join(', ') }}", "one, two, <3>"),
        ("{{ goals|length }} {{ goals[0] }} {{ goals[1:]|first }} {{ goals|last }}", "3 one two <3>"),
        (
            "{% for g in goals %}{{ loop.index }}/{{ loop.length }}{{ ';' if not loop.last else '.' }}{% endfor %}",
            "1/3;2/3;3/3.",
        ),
        ("{% for g in goals if g != 'two' %}{{ g }},{% else %}none{% endfor %}", "one,<3>,"),
        ("{% for g in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for i in range(3) %}{% for j in range(i) %}{{ i * j }}{% endfor %}{% endfor %}", "002"),
        (
            "{% set n = goals|length + 1 %}{{ n }}{{ -n }} {{ n % 3 }} {{ n // 2 }} {{ n / 2 }} {{ 2 ** n }}",
            "4-4 1 2 2.0 16",
        ),
        ("{{ 'a' ~ 1 ~ goals[2] }}{{ 'b' + 'c' }}{{ '-' * 3 }}", "a1<3>bc---"),
        ("{{ goals[0]|upper }}{{ 'A'|lower }}{{ 'a b'|title }}{{ 'ab'|capitalize }}{{ ' a '|trim }}", "ONEaA BAba"),
        ("{{ 'a\nb'|indent(2) }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a'|center(3) }}", "a\n  b|  a\n  b| a "),
        ("{{ 'a\n\nb'|quote }}", "> a\n>\n> b"),
        ("{{ 'one two three'|wordwrap(7) }}", "one two\nthree"),
        ("{{ 'abc'|replace('b', 'x') }}{{ 'abc'|reverse }}{{ 'abcdef'|truncate(5) }}", "axccbaab..."),
        (
            "{{ '7'|int + 1 }}{{ ''|default('d', true) }}{{ 'abc'|list|join('-') }}",
            "8da-b-c",
        ),
        ("{% if not goals %}{% set x = 1 %}{% endif %}{{ x|default('d') }}{{ x is defined }}", "dFalse"),
        ("{% if goals is defined and 3 is odd and 'one' in goals %}y{% endif %}", "y"),
        ("{{ 'x' if goals == [] else 'y' }}{% raw %}{{ }}{% endraw %}{# remark #}", "y{{ }}"),
    ],
)
def test_what_letters_need_works(source, written):
    assert body_text(make_making(text=make_text_version(text=source, goals=("one", "two", "<3>")))) == f"{written}\n"


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ goals[0] ~ '<br>' }}", "&lt;&gt;&lt;br&gt;"),
        ("{{ goals|join('<br>') }}", "&lt;&gt;&lt;br&gt;b"),
        ("{{ goals[0]|e ~ '<' }}", "&lt;&gt;&lt;"),
        ("{{ [goals[0]|e, '<']|join('<') }}", "&lt;&gt;&lt;&lt;"),
        ("{{ goals[0]|e|replace('&lt;', '<script>') }}", "&lt;&gt;"),
        ("{{ goals[0]|e|replace('l', '<') }}", "&&lt;t;&gt;"),
        ("{{ 'a\n<'|br|indent(1) }}", "a<br>\n &lt;"),
        ("{{ goals[0] if goals else '' }}{{ 1 }}", "&lt;&gt;1"),
    ],
)
def test_nothing_unescapes_in_html(source, written):
    assert body_html(make_making(text=make_text_version(html=source, goals=("<>", "b")))) == f"{written}\n"


WORDS = """{{ }} {% %} for in if else elif endif endfor set macro include x goals signer . name _ __class__ [ ] ( ) | ~ * **
+ - % 'a' 10 9999 range join replace upper loop index == not is defined , : {# #} {%- -%}"""
pieces = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=40)


@given(pieces)
@settings(max_examples=200, deadline=None)
def test_any_jumble_renders_or_faults(jumble):
    making = make_making(text=make_text_version(text=" ".join(jumble)))
    try:
        assert isinstance(body_text(making), str)
    except TemplateFault as found:
        assert found.message  # noqa: PT017


@pytest.mark.parametrize("name", sorted(PLAIN_FILTERS))
@given(value=st.one_of(st.text(max_size=50), st.integers(), st.lists(st.text(max_size=5), max_size=5), st.none()))
@settings(max_examples=20, deadline=None)
def test_any_filter_on_any_value_renders_or_faults(name, value):
    literal = repr(value) if not isinstance(value, str) else "goals[0]"
    goals = (value,) if isinstance(value, str) else ("x",)
    try:
        body_html(make_making(text=make_text_version(html=f"{{{{ {literal}|{name} }}}}", goals=goals)))
    except TemplateFault as found:
        assert found.template == "town-library/en html"  # noqa: PT017


def test_the_environment_refuses_even_what_the_audit_would_let_through():
    environment = LetterEnvironment(html=False)
    for source in (
        "{{ ''.__class__ }}",
        "{{ x.y }}",
        "{{ x['y'] }}",
        "{{ f() }}",
        "{{ missing.y }}",
        "{{ missing[0] }}",
    ):
        template = environment.from_string(source)
        with pytest.raises(Exception, match=r"may not be read|takes a number|called|undefined"):
            template.render(x={"y": 1}, f=print)
    assert set(environment.globals) == {"range"}
