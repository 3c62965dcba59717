"""Commands: nothing that comes from outside can end a line, and content survives dot-stuffing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.delivery import Declined, Envelope, Extensions
from worker.delivery.commands import extensions, group, stuff, unfit, unfit_content
from worker.delivery.replies import Raw
from worker.domain.verdict import Stage

ALL = Extensions(pipelining=True, starttls=True, smtputf8=True, size=0)


def test_what_ehlo_offers():
    lines = (
        b"relay",
        b"PIPELINING",
        b"size 1000",
        b"STARTTLS",
        b"AUTH PLAIN login",
        b"AUTH=CRAM-MD5",
        b"SMTPUTF8",
        b"",
    )
    assert extensions(Raw(250, lines)) == Extensions(
        pipelining=True, starttls=True, smtputf8=True, size=1000, auth=("PLAIN", "LOGIN", "CRAM-MD5")
    )


def test_the_greeting_line_of_ehlo_offers_nothing():
    assert extensions(Raw(250, (b"PIPELINING",))) == Extensions()


@pytest.mark.parametrize("value", [b"", b" 0", b" many", b" -5", b" 5 6", b" \xb2", b" " + b"9" * 5000])
def test_odd_sizes_do_not_hurt(value):
    assert extensions(Raw(250, (b"relay", b"SIZE" + value))).size in (0, 5)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_any_ehlo_reply_can_be_read(lines):
    assert isinstance(extensions(Raw(250, tuple(lines))), Extensions)


def test_a_group_of_commands():
    envelope = Envelope("a@un.example", "b@un.example", 1234)
    assert group(envelope, ALL) == b"MAIL FROM:<a@un.example> SIZE=1234\r\nRCPT TO:<b@un.example>\r\nDATA\r\n"
    assert group(envelope, Extensions()).startswith(b"MAIL FROM:<a@un.example>\r\n")
    assert group(Envelope("", "b@un.example", 1), ALL).startswith(b"MAIL FROM:<> SIZE=1\r\n")


def test_smtputf8_is_asked_for_where_it_is_needed():
    wide = Envelope("a@un.example", "jörg@un.example", 10)
    assert group(wide, ALL).startswith(
        b"MAIL FROM:<a@un.example> SIZE=10 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<j\xc3\xb6rg@"
    )
    assert b"SMTPUTF8" in group(Envelope("a@un.example", "b@un.example", 10, smtputf8=True), ALL)


@pytest.mark.parametrize(
    ("sender", "recipient", "stage", "enhanced"),
    [
        ("a@un.example\r\nRSET", "b@un.example", Stage.MAIL, "5.1.7"),
        ("nobody", "b@un.example", Stage.MAIL, "5.1.7"),
        ("a@un.example", "", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b@un.example\r\nDATA", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b@un.example\n", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b\0@un.example", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b@un.example> NOTIFY=NEVER", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b c@un.example", Stage.RCPT, "5.1.3"),
        ("a@un.example", "\udce9@un.example", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b" * 400 + "@un.example", Stage.RCPT, "5.1.3"),
        ("a@un.example", "b@c@un.example", Stage.RCPT, "5.1.3"),
    ],
)
def test_an_address_that_does_not_fit_is_declined_here(sender, recipient, stage, enhanced):
    declined = unfit(Envelope(sender, recipient, 1), ALL)
    assert isinstance(declined, Declined)
    assert (declined.stage, declined.reply.code, declined.reply.enhanced) == (stage, 0, enhanced)


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_the_addresses_three_lines_are_written(sender, recipient):
    envelope = Envelope(sender, recipient, 1)
    if unfit(envelope, ALL) is None:
        written = group(envelope, ALL)
        assert written.count(b"\n") == written.count(b"\r") == written.count(b"\r\n") == 3
        assert written.endswith(b">\r\nDATA\r\n")


def test_smtputf8_where_it_is_not_offered():
    declined = unfit(Envelope("a@un.example", "jörg@un.example", 1), Extensions(pipelining=True))
    assert declined is not None
    assert (declined.stage, declined.reply.code, declined.reply.enhanced) == (Stage.MAIL, 0, "5.6.7")
    assert unfit(Envelope("a@un.example", "jörg@un.example", 1), ALL) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a\r\n", ""),
        (b"\r\n.\r\n", ""),
        (b"a\n", "end with CRLF"),
        (b"a\rb\r\n", "end with CRLF"),
        (b"a\n.\nMAIL FROM:<x@y>\r\n", "end with CRLF"),
        (b"a\n\r\r\n", "end with CRLF"),
        (b"a\n\r\n\r", "end with CRLF"),
        (b"a", "end with CRLF"),
        (b"a\r\nb", "end with CRLF"),
        (b"", "end with CRLF"),
        (b"caf\xc3\xa9\r\n", "not 7-bit"),
    ],
)
def test_content_that_must_not_be_written(data, reason):
    assert (reason in unfit_content(data)) if reason else unfit_content(data) == ""


def test_only_a_message_offered_as_smtputf8_may_hold_more_than_ascii():
    assert unfit_content("To: <zoë@un.example>\r\n".encode(), utf8=True) == ""
    assert "end with CRLF" in unfit_content("To: <zoë@un.example>\n".encode(), utf8=True)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["", ".", "..", ".a", "a.", "a", "a.b"]), min_size=1).map(
        lambda x: "\r\n".join(x) + "\r\n"
    )
)
def test_unstuffing_gives_the_content_back_and_no_line_is_a_dot(text):
    lines = stuff(text.encode()).split(b"\r\n")
    assert b"." not in lines
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == text.encode()


@settings(deadline=None)
@given(st.text("ab.\r\n").map(str.encode))
def test_content_is_fit_exactly_where_every_line_ends_with_crlf(data):
    fit = data.endswith(b"\r\n") and not set(data.replace(b"\r\n", b"")) & {10, 13}
    assert (unfit_content(data) == "") == fit


def test_content_without_leading_dots_is_not_copied():
    data = b"no dots. here\r\n" * 10
    assert stuff(data) is data
