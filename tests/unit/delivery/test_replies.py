"""The reply parser: bytes in, values out, however the bytes are cut."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.delivery.replies import (
    MAX_LINE,
    MAX_REPLY,
    Malformed,
    Raw,
    ReplyParser,
    hide,
    mask,
    printable,
    to_reply,
)
from worker.domain.verdict import Reply


def parse(*chunks: bytes) -> list[Raw | Malformed]:
    parser = ReplyParser()
    return [found for chunk in chunks for found in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("wire", "found"),
    [
        (b"250 ok\r\n", [Raw(250, (b"ok",))]),
        (b"250\r\n", [Raw(250, (b"",))]),
        (b"250 \r\n", [Raw(250, (b"",))]),
        (b"250 ok\n", [Raw(250, (b"ok",))]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [Raw(250, (b"a", b"b", b"c"))]),
        (b"250-a\r\n250\r\n", [Raw(250, (b"a", b""))]),
        (b"250 a\r\n550 b\r\n354 c\r\n", [Raw(250, (b"a",)), Raw(550, (b"b",)), Raw(354, (b"c",))]),
        (b"250 nul \0 and \xff\r\n", [Raw(250, (b"nul \0 and \xff",))]),
        (b"250 ok", []),
        (b"250-a\r\n", []),
        (b"", []),
    ],
)
def test_reads_what_relays_say(wire, found):
    assert parse(wire) == found


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\r\n", "a line without a reply code"),
        (b"hello\r\n", "a line without a reply code"),
        (b"25 ok\r\n", "a line without a reply code"),
        (b"2500 ok\r\n", "a line without a reply code"),
        (b"150 ok\r\n", "a line without a reply code"),
        (b"650 ok\r\n", "a line without a reply code"),
        (b"+50 ok\r\n", "a line without a reply code"),
        (b"25\xb2 ok\r\n", "a line without a reply code"),
        (b"250\tok\r\n", "a line without a reply code"),
        (b"250:ok\r\n", "a line without a reply code"),
        (b"250-a\r\nb\r\n", "a line without a reply code"),
        (b"250-a\r\n550 b\r\n", "codes that disagree within one reply"),
        (b"250 " + b"x" * MAX_LINE + b"\r\n", "a line without end"),
        (b"x" * 5_000_000, "a line without end"),
        (b"250-" + b"x" * 4000 + b"\r\n", None),
        ((b"250-" + b"x" * 4000 + b"\r\n") * (MAX_REPLY // 4000 + 1), "a reply without end"),
        (b"250-\r\n" * MAX_REPLY, "a reply without end"),
    ],
)
def test_refuses_what_is_no_reply(wire, reason):
    assert parse(wire) == ([Malformed(reason)] if reason else [])


def test_replies_before_the_malformed_one_count_and_nothing_after_it():
    parser = ReplyParser()
    assert parser.feed(b"250 ok\r\nnonsense\r\n250 later\r\n") == [
        Raw(250, (b"ok",)),
        Malformed("a line without a reply code"),
    ]
    assert parser.feed(b"250 ok\r\n") == []
    assert not parser.idle


def test_idle_knows_of_half_a_line_and_half_a_reply():
    parser = ReplyParser()
    assert parser.idle
    parser.feed(b"25")
    assert not parser.idle
    parser.feed(b"0-go\r\n")
    assert not parser.idle
    parser.feed(b"250 on\r\n")
    assert parser.idle


LINES = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda code, mark, text: b"%d%b%b\r\n" % (code, mark, text),
        st.integers(190, 610),
        st.sampled_from([b" ", b"-", b"", b"x"]),
        st.binary(max_size=20),
    ),
    st.sampled_from([b"250-a\r\n", b"250 b\r\n", b"\r", b"\n", b"250 " + b"y" * 4200, b"550-5.1.1 " + b"z" * 3000]),
)


@settings(deadline=None)
@given(st.lists(LINES, max_size=20).map(b"".join), st.data())
@example(b"250 " + b"x" * (MAX_LINE - 4) + b"\r\n", None)
def test_the_same_however_the_bytes_are_cut(wire, data):
    whole = parse(wire)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8))) if data else list(range(len(wire)))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert parse(*chunks) == whole
    assert parse(*(wire[n : n + 1] for n in range(len(wire)))) == whole


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_comes_a_kept_reply_is_short_printable_and_without_addresses(noise):
    for found in parse(b"550-5.1.1 " + noise + b"\r\n550 end\r\n"):
        if isinstance(found, Raw):
            reply = to_reply(found)
            assert len(reply.text) <= 1000
            assert re.fullmatch(r"[ -~]*", reply.text)
            assert re.search(r"(?<!\*\*\*)@", reply.text) is None


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (Raw(250, (b"2.1.5 Ok",)), Reply(250, "2.1.5", "Ok")),
        (Raw(250, (b"2.1.5",)), Reply(250, "2.1.5", "")),
        (Raw(550, (b"5.1.1 a", b"5.1.1 b", b"c")), Reply(550, "5.1.1", "a b c")),
        (Raw(550, (b"5.1.10 null MX",)), Reply(550, "5.1.10", "null MX")),
        (Raw(250, (b"5.1.1 odd",)), Reply(250, "", "5.1.1 odd")),
        (Raw(550, (b"5.1.1: no",)), Reply(550, "", "5.1.1: no")),
        (Raw(550, (b"5.1234.1 no",)), Reply(550, "", "5.1234.1 no")),
        (Raw(550, (b"nul\0 tab\t 8bit\xc3\xa9 esc\x1b[31m",)), Reply(550, "", "nul? tab  8bit?? esc?[31m")),
        (Raw(550, (b"x" * 3000,)), Reply(550, "", "x" * 1000)),
        (Raw(550, (b"<jane.doe@un.example>: unknown",)), Reply(550, "", "<***@un.example>: unknown")),
    ],
)
def test_the_value_that_is_kept(raw, reply):
    assert to_reply(raw) == reply


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no address here", "no address here"),
        ("<jane@a.example> and bob+tag=x@b.example, too", "<***@a.example> and ***@b.example, too"),
        ('<"jane doe"@a.example>', "<***@a.example>"),
        ('said "hello" jane@a.example', 'said "hello" ***@a.example'),
        ("RCPT TO:<jane@a.example>", "RCPT TO:<***@a.example>"),
        ("mailto:jane@a.example;x@b", "mailto:***@a.example;***@b"),
        ("a@b@c.example", "***@***@c.example"),
        ("@", "***@"),
        ("jane%a.example@relay.example", "***@relay.example"),
        ('"@a.example', "***@a.example"),
    ],
)
def test_masking(text, masked):
    assert mask(text) == masked


def test_a_name_is_masked_before_the_text_is_cut():
    text = b"x " * 497 + b"jane.doe@un.example"
    assert "jane" not in printable(text)


def test_non_ascii_names_are_masked_whole():
    assert printable("<jörg.müller@un.example>".encode()) == "<***@un.example>"
    assert printable(b"<jane\0doe@un.example>") == "<***@un.example>"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("User jane.doe unknown", "User *** unknown"),
        ("User JANE.DOE unknown", "User *** unknown"),
        ("jane.doe: no; jane.doe2: no", "***: no; jane.doe2: no"),
        ("nothing of it", "nothing of it"),
        ("JANE.DOE" * 2, "JANE.DOEJANE.DOE"),
    ],
)
def test_a_recipient_named_without_domain_is_hidden(text, hidden):
    assert hide(Reply(550, "5.1.1", text), "jane.doe@un.example") == Reply(550, "5.1.1", hidden)


def test_very_short_local_parts_are_words_not_names():
    assert hide(Reply(550, "", "to no avail"), "to@un.example").text == "to no avail"
