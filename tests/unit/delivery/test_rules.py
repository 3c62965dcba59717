"""Reply rules: what a file may say, and what the shipped one says."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.delivery import Trouble, check_rules, classify, classify_trouble, load_rules
from worker.delivery.replies import Raw, to_reply
from worker.delivery.rules import CODES, Rules, codes_of, parse_rules
from worker.domain.errors import BadInput
from worker.domain.verdict import Kind, Reply, Scope, Stage

SHIPPED = Path(__file__).parents[3] / "config" / "reply-rules.toml"
RULES = load_rules(SHIPPED)
NONE = Rules(())


def rule(**changes):
    body = {
        "name": "one",
        "stages": ["rcpt"],
        "codes": ["550"],
        "kind": "refuse",
        "scope": "mailbox",
        "examples": ["550 no"],
    }
    return {key: value for key, value in {**body, **changes}.items() if value is not None}


def said(line: str) -> Reply:
    return to_reply(Raw(int(line[:3]), (line[4:].encode(),)))


# -- the shipped file


def test_the_shipped_rules_leave_nothing_open_and_read_their_own_examples():
    assert check_rules(RULES) == []


@pytest.mark.parametrize(
    ("stage", "line", "kind", "scope"),
    [
        (Stage.CONNECT, "000 Connection refused", Kind.DEFER, Scope.RELAY),
        (Stage.GREETING, "554 go away", Kind.DEFER, Scope.RELAY),
        (Stage.EHLO, "550 5.7.1 bad name", Kind.DEFER, Scope.RELAY),
        (Stage.AUTH, "535 5.7.8 no", Kind.DEFER, Scope.RELAY),
        (Stage.MAIL, "530 5.7.0 Must issue a STARTTLS command first", Kind.DEFER, Scope.RELAY),
        (Stage.RCPT, "534 5.7.9 mechanism too weak", Kind.DEFER, Scope.RELAY),
        (Stage.RCPT, "554 5.7.1 Relay access denied", Kind.DEFER, Scope.RELAY),
        (Stage.MAIL, "000 no reply in time", Kind.DEFER, Scope.CONNECTION),
        (Stage.CONTENT, "000 Connection reset by peer", Kind.DEFER, Scope.CONNECTION),
        (Stage.MAIL, "421 4.4.2 idle too long", Kind.DEFER, Scope.CONNECTION),
        (Stage.RCPT, "450 4.7.1 slow down", Kind.DEFER, Scope.MAILBOX),
        (Stage.MAIL, "421 4.7.0 too many messages", Kind.DEFER, Scope.MAILBOX),
        (Stage.RCPT, "421 4.7.28 unusual rate of mail from your IP", Kind.DEFER, Scope.DOMAIN),
        (Stage.RCPT, "550 5.1.1 unknown", Kind.REFUSE, Scope.MAILBOX),
        (Stage.RCPT, "550 no such user", Kind.REFUSE, Scope.MAILBOX),
        (Stage.DOT, "550 5.1.1 unknown", Kind.REFUSE, Scope.MAILBOX),
        (Stage.RCPT, "552 5.2.2 over quota", Kind.DEFER, Scope.MAILBOX),
        (Stage.RCPT, "452 4.2.2 full", Kind.DEFER, Scope.MAILBOX),
        (Stage.DOT, "554 5.7.1 spam", Kind.SET_ASIDE, Scope.LETTER),
        (Stage.DOT, "550 message blocked: poor reputation", Kind.SET_ASIDE, Scope.LETTER),
        (Stage.DOT, "554 something else", Kind.REFUSE, Scope.LETTER),
        (Stage.DOT, "451 try later", Kind.DEFER, Scope.LETTER),
        (Stage.DOT, "451 4.3.0 try later", Kind.DEFER, Scope.RELAY),
        (Stage.DOT, "250 2.0.0 spam blocked, but taken", Kind.ACCEPT, Scope.LETTER),
        (Stage.DOT, "000 no reply in time", Kind.LOSE, Scope.LETTER),
        (Stage.MAIL, "552 5.3.4 too big", Kind.SET_ASIDE, Scope.LETTER),
        (Stage.MAIL, "550 no", Kind.SET_ASIDE, Scope.LETTER),
        (Stage.RCPT, "503 bad sequence", Kind.SET_ASIDE, Scope.LETTER),
    ],
)
def test_well_known_replies(stage, line, kind, scope):
    verdict = classify(RULES, stage, said(line))
    assert (verdict.kind, verdict.scope) == (kind, scope), verdict.rule
    assert verdict.stage is stage
    assert verdict.reply == said(line)


def test_nobody_is_refused_for_our_own_misconfiguration():
    for stage in (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL):
        for code in CODES:
            assert classify(RULES, stage, Reply(code, "", "whatever")).kind is not Kind.REFUSE


STAGES = st.sampled_from(Stage)
REPLIES = st.builds(
    Reply,
    st.one_of(st.sampled_from(CODES), st.integers(-10, 10_000)),
    st.one_of(st.sampled_from(["", "5.7.1", "4.7.0", "5.1.1", "2.0.0"]), st.text(max_size=12)),
    st.text(max_size=200),
)


@pytest.mark.parametrize("rules", [RULES, NONE], ids=["shipped", "none"])
@settings(deadline=None)
@given(stage=STAGES, reply=REPLIES)
def test_every_reply_has_a_verdict_and_only_the_dot_accepts_or_loses(rules, stage, reply):
    verdict = classify(rules, stage, reply)
    after_dot = stage is Stage.DOT
    assert (verdict.kind is Kind.ACCEPT) == (after_dot and 200 <= reply.code < 300)
    assert (verdict.kind is Kind.LOSE) == (after_dot and not 200 <= reply.code < 300 and not 400 <= reply.code < 600)


@pytest.mark.parametrize("rules", [RULES, NONE], ids=["shipped", "none"])
@settings(deadline=None)
@given(stage=STAGES, reply=st.one_of(st.none(), REPLIES))
def test_a_trouble_never_accepts_and_after_the_dot_always_loses(rules, stage, reply):
    verdict = classify_trouble(rules, Trouble(stage, "it broke", reply))
    assert verdict.kind is not Kind.ACCEPT
    if stage is Stage.DOT:
        assert verdict.kind is Kind.LOSE


@pytest.mark.parametrize(
    ("trouble", "kind", "scope", "name"),
    [
        (Trouble(Stage.MAIL, "unasked", Reply(550, "", "spam")), Kind.DEFER, Scope.CONNECTION, "broken-off"),
        (Trouble(Stage.MAIL, "unasked", Reply(250, "", "ok")), Kind.DEFER, Scope.CONNECTION, "broken-off"),
        (Trouble(Stage.MAIL, "unasked", Reply(421, "4.4.2", "idle")), Kind.DEFER, Scope.CONNECTION, "closing"),
        (
            Trouble(Stage.CONTENT, "early", Reply(552, "5.3.4", "too big")),
            Kind.SET_ASIDE,
            Scope.LETTER,
            "letter-too-big",
        ),
        (Trouble(Stage.CONTENT, "unasked", Reply(250, "", "ok")), Kind.DEFER, Scope.CONNECTION, "broken-off"),
        (
            Trouble(Stage.CONTENT, "ours", Reply(0, "5.6.0", "bare LF")),
            Kind.SET_ASIDE,
            Scope.LETTER,
            "content-unwritable",
        ),
        (Trouble(Stage.DOT, "odd", Reply(250, "", "ok")), Kind.LOSE, Scope.LETTER, "no-answer-to-content"),
        (Trouble(Stage.EHLO, "refused", Reply(550, "", "no")), Kind.DEFER, Scope.RELAY, "relay-away"),
    ],
)
def test_troubles(trouble, kind, scope, name):
    verdict = classify_trouble(RULES, trouble)
    assert (verdict.kind, verdict.scope, verdict.rule) == (kind, scope, name)


# -- what a file may say


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"txt": "x"}, "rule 'one': unknown key 'txt'; did you mean 'text'?"),
        ({"zzz": "x"}, "rule 'one': unknown key 'zzz'"),
        ({"name": None}, "rule 1: `name` must be"),
        ({"name": "Big Name"}, "rule 1: `name` must be"),
        ({"stages": ["rcptt"]}, "`stages` has 'rcptt'"),
        ({"stages": []}, "`stages` must be a list of strings"),
        ({"codes": ["55"]}, "`codes` has '55'"),
        ({"codes": ["5x0"]}, "`codes` has '5x0'"),
        ({"codes": ["650"]}, "`codes` has '650'"),
        ({"codes": "550"}, "`codes` must be a list"),
        ({"enhanced": ["5.1"]}, "`enhanced` has '5.1'"),
        ({"kind": "bounce"}, "`kind` has 'bounce'; it must be one of accept, defer, refuse, set_aside, lose"),
        ({"kind": None}, "`kind` has None"),
        ({"scope": "world"}, "`scope` has 'world'"),
        ({"text": "(unclosed"}, "not a regular expression"),
        ({"text": 5}, "must be a regular expression"),
        ({"text": "x" * 2000}, "must be a regular expression"),
        ({"text": "(a+)+b"}, "could take too long"),
        ({"text": "a.*b"}, "could take too long"),
        ({"text": "(ab){2}"}, "could take too long"),
        ({"text": "a{0,}"}, "could take too long"),
        ({"text": "a{1000}"}, "could take too long"),
        ({"text": "a{0,9}b{0,9}c{0,9}"}, "could take too long"),
        ({"text": r"(a)\1"}, "could take too long"),
        ({"text": "(?=a)"}, "could take too long"),
        ({"text": "a?" * 30}, "could take too long"),
        ({"kind": "accept"}, "reads rcpt 5xx as accept"),
        ({"kind": "lose"}, "reads rcpt 5xx as lose"),
        ({"stages": ["dot"], "codes": ["2xx"], "kind": "defer"}, "reads dot 2xx as defer"),
        ({"stages": ["dot"], "codes": ["000"], "kind": "defer"}, "reads dot 000 as defer"),
    ],
)
def test_bad_rules_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rules({"rule": [rule(**changes)]})
    assert message in str(caught.value)


def test_a_plus_sign_may_be_written_escaped():
    assert parse_rules({"rule": [rule(text=r"a\+b")]}).rules[0].fits(Reply(550, "", "a+b"))


@pytest.mark.parametrize("document", [{}, {"rule": []}, {"rule": 5}, {"rule": [5]}, {"rules": [rule()]}])
def test_a_file_without_rules_is_refused(document):
    with pytest.raises(ValueError, match="rule"):
        parse_rules(document)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rule(), rule(name="two")),
        (rule(codes=["5xx"]), rule(name="two", text="spam")),
        (rule(codes=None, stages=None, kind="defer"), rule(name="two", enhanced=["5.1.1"])),
        (rule(enhanced=["5.1.x"]), rule(name="two", enhanced=["5.1.1"], text="x")),
        (rule(text="spam"), rule(name="two", text="spam", enhanced=["5.7.1"])),
    ],
)
def test_a_rule_that_no_reply_reaches_is_refused(first, second):
    if first.get("stages") is None:
        first = {**first, "stages": ["mail", "rcpt"]}
    with pytest.raises(ValueError, match="'two': no reply reaches it; all are taken by one"):
        parse_rules({"rule": [first, second]})


def test_two_rules_together_may_take_everything():
    document = {
        "rule": [rule(codes=["550"]), rule(name="two", codes=["551"]), rule(name="three", codes=["550", "551"])]
    }
    with pytest.raises(ValueError, match="'three': no reply reaches it; all are taken by one, two"):
        parse_rules(document)


def test_rules_that_leave_something_are_kept():
    document = {"rule": [rule(text="spam"), rule(name="two", enhanced=["5.1.1"]), rule(name="three")]}
    assert [r.name for r in parse_rules(document).rules] == ["one", "two", "three"]


def test_names_are_unique():
    with pytest.raises(ValueError, match="another rule has this name"):
        parse_rules({"rule": [rule(), rule(codes=["551"])]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        (b"[[rule", "not TOML"),
        (b"\xff", "not TOML"),
        (b"[[rule]]\nname='a'\nx=1\n", "rule 'a'"),
    ],
)
def test_the_file_is_named(tmp_path, text, message):
    path = tmp_path / "reply-rules.toml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(BadInput, match=message) as caught:
        load_rules(path)
    assert str(path) in str(caught.value)


def test_the_check_finds_gaps_shadows_and_missing_examples():
    rules = parse_rules(
        {
            "rule": [
                rule(text="spam"),
                rule(name="two", examples=["550 looks like spam", "551 other code", "no code"]),
                rule(name="three", codes=["551"], examples=None),
            ]
        }
    )
    problems = check_rules(rules)
    assert "no rule decides every reply at rcpt with code 000, 200-549, 552-599" in problems
    assert "no rule decides every reply at dot with code 000, 200-599" in problems
    assert "rule 'one' does not read its example '550 no' at rcpt: 'two' does" in problems
    assert "rule 'two' does not read its example '550 looks like spam' at rcpt: 'one' does" in problems
    assert "rule 'two' does not read its example '551 other code' at rcpt: 'three' does" in problems
    assert "rule 'two': its example 'no code' begins with no reply code" in problems
    assert "rule 'three' carries no example" in problems


def test_code_patterns():
    assert codes_of(("550",)) == {550}
    assert codes_of(("45x",)) == set(range(450, 460))
    assert codes_of(("4xx", "000")) == {0, *range(400, 500)}


def test_hostile_texts_are_read_quickly_by_every_shipped_pattern():
    """No clock: a pattern that backtracks for hours would run into the suite's own time limit."""
    hostile = [word * 1000 for word in "a x0.-(<"] + [("user " * 300)[:1000], ("sending a " * 200)[:1000]]
    for text in hostile:
        for stage in Stage:
            for code in (450, 550):
                classify(RULES, stage, Reply(code, "", text[:1000]))
