"""The counting sink must not flatter anybody: it counts whole letters, once, however their bytes are cut."""

import socket

import pytest

from bench.sink import OwnSink, Tally, open_sink

ENVELOPE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"


@pytest.fixture
def sink():
    with open_sink(own=True) as opened:
        yield opened


def letter(number):
    return b"Subject: x\r\nMessage-ID: <%d@b.test>\r\n\r\n..dot\r\nMessage-ID: <no@b.test>\r\n.\r\n" % number


def converse(port, conversation, cut):
    """Send `conversation` in pieces of `cut` bytes; all reply codes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line, line.makefile("rb") as replies:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(conversation), cut):
            line.sendall(conversation[start : start + cut])
        return [reply[:3] for reply in replies]


@pytest.mark.parametrize("cut", [1, 7, 64, 100_000])
def test_counts_whole_letters_however_they_arrive(sink, cut):
    contents = b"".join(ENVELOPE + letter(number) for number in (1, 2, 2))
    codes = converse(sink.port, b"HELO x.test\r\n" + contents + b"QUIT\r\n", cut)
    assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 3, b"221"]
    tally = sink.tally()
    assert (tally.count, tally.distinct) == (3, 2)
    assert 0 < tally.first <= tally.last


def test_an_empty_letter_is_a_letter(sink):
    converse(sink.port, b"HELO x.test\r\n" + ENVELOPE + b".\r\nQUIT\r\n", 1000)
    assert sink.tally().count == 1


def test_a_letter_without_its_dot_does_not_count(sink):
    address = ("127.0.0.1", sink.port)
    with socket.create_connection(address, timeout=30) as line, line.makefile("rb") as replies:
        line.sendall(b"HELO x.test\r\n" + ENVELOPE + letter(1)[:-3])
        while not replies.readline().startswith(b"354"):
            pass
        assert sink.tally().count == 0


def test_rate_is_over_the_time_between_first_and_last():
    assert Tally(count=101, first=10.0, last=12.0).rate == 50
    assert Tally(count=1, first=10.0, last=10.0).rate == 0


def test_the_own_sink_is_used_where_there_is_no_other(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("bench.sink.shutil.which", lambda *_, **__: None)
    with open_sink() as opened:
        assert isinstance(opened, OwnSink)
