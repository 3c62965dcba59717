"""The sink as a process of its own, over a real socket."""

import resource
import signal
import smtplib
import socket
import subprocess
import sys

import psutil
import pytest

from tests.support import until
from worker.embedded.maildir import Counts, Maildir
from worker.embedded.parts import sink_part
from worker.embedded.sink import HOST, main, sink_argv, sink_port
from worker.embedded.supervisor import Supervisor


def letter(number, body="Sehr geehrte"):
    return f"From: a@campaign.example\r\nMessage-ID: <{number}@campaign.example>\r\n\r\n{body}\r\n".encode()


class Sink:
    def __init__(self, folder, share=0.0):
        self.folder = folder
        self.share = share
        self.maildir = Maildir(folder / "sink")
        self.port_file = folder / "sink.port"
        self.process = None

    def start(self):
        argv = sink_argv(self.folder / "sink", self.port_file, defer_share=self.share)
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.process.stdout.readline()
        return until(lambda: sink_port(self.port_file), "the sink's greeting")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output.decode()

    def client(self):
        return smtplib.SMTP(HOST, sink_port(self.port_file), local_hostname="worker.test", timeout=30)


@pytest.fixture
def sink(tmp_path):
    made = Sink(tmp_path)
    made.start()
    yield made
    if made.process.returncode is None:
        assert made.stop() == ""  # nothing to complain of


def test_keeps_bytes_and_envelope(sink):
    data = letter(1, ".a line with a dot\r\n..two\r\n\r\n" + "x" * 998)
    with sink.client() as client:
        client.sendmail("bounce@campaign.example", ["nato@rehearsal.invalid"], data)
    (stored,) = sink.maildir.messages()
    assert stored.content() == data
    assert (stored.sender, stored.recipients) == ("bounce@campaign.example", ("nato@rehearsal.invalid",))


def test_what_it_offers(sink):
    with sink.client() as client:
        client.ehlo()
        assert set(client.esmtp_features) == {"size", "8bitmime", "smtputf8", "pipelining", "help"}


def test_international_addresses(sink):
    with sink.client() as client:
        client.sendmail("a@campaign.example", ["büro@öffentlich.example"], letter(1), mail_options=["SMTPUTF8"])
    (stored,) = sink.maildir.messages()
    assert stored.recipients == ("büro@öffentlich.example",)


def test_a_line_over_998_is_refused(sink):
    with sink.client() as client, pytest.raises(smtplib.SMTPDataError, match="Line too long"):
        client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(1, "x" * 1200))
    assert sink.maildir.counts() == Counts(0, 0)


def test_a_whole_conversation_in_one_write(sink):
    """RFC 2920: the following envelope rides behind the content; every command gets its own reply, in order."""
    envelope = b"MAIL FROM:<a@campaign.example>\r\nRCPT TO:<nato@rehearsal.invalid>\r\nDATA\r\n"
    contents = [letter(number) + b".\r\n" for number in range(20)]
    with (
        socket.create_connection((HOST, sink_port(sink.port_file)), timeout=30) as line,
        line.makefile("rb") as replies,
    ):
        replies.readline()
        line.sendall(b"EHLO worker.test\r\n" + envelope)
        while not replies.readline().startswith(b"354"):
            pass
        for content in contents[:-1]:
            line.sendall(content + envelope)
            codes = [replies.readline()[:3] for _ in range(4)]
            assert codes == [b"250", b"250", b"250", b"354"]
        line.sendall(contents[-1] + b"QUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
    assert [stored.content() + b".\r\n" for stored in sink.maildir.messages()] == contents


def test_pipelined_data_after_a_refused_recipient_gets_no_354(sink):
    with (
        socket.create_connection((HOST, sink_port(sink.port_file)), timeout=30) as line,
        line.makefile("rb") as replies,
    ):
        replies.readline()
        line.sendall(b"HELO worker.test\r\nMAIL FROM:<a@campaign.example>\r\nRCPT TO:\r\nDATA\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(5)] == [b"250", b"250", b"501", b"503", b"221"]


def test_what_was_acknowledged_survives_kill_9(sink):
    with sink.client() as client:
        for number in range(5):
            client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(number))
        sink.stop(signal.SIGKILL)
    assert [stored.content() for stored in sink.maildir.messages()] == [letter(number) for number in range(5)]


def test_keeps_its_port_over_restarts(sink):
    port = sink_port(sink.port_file)
    for number in (signal.SIGKILL, signal.SIGTERM):
        sink.stop(number)
        assert sink_port(sink.port_file) is None
        assert sink.start() == port


def test_takes_another_port_when_the_old_one_is_taken(sink):
    port = sink_port(sink.port_file)
    sink.stop()
    with socket.create_server((HOST, port)):
        assert sink.start() != port


def test_defers_a_share_at_the_first_try_only_and_remembers_it(sink):
    sink.stop()
    sink.share = 0.5
    sink.start()
    rejected = []
    replies = set()
    with sink.client() as client:
        for number in range(40):
            try:
                client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(number))
            except smtplib.SMTPDataError as exc:
                replies.add((exc.smtp_code, exc.smtp_error[:5]))
                rejected.append(number)
    assert replies == {(451, b"4.0.0")}
    assert 8 < len(rejected) < 32
    sink.stop(signal.SIGKILL)
    sink.start()
    with sink.client() as client:
        for number in rejected:
            client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(number))
    assert sink.maildir.counts() == Counts(stored=40, deferred=len(rejected))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit to fill the disk of another process")
def test_a_full_disk_is_said_and_recovers_by_itself(sink):
    psutil.Process(sink.process.pid).rlimit(psutil.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    with sink.client() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(1, "a line\r\n" * 1000))
        assert (refused.value.smtp_code, refused.value.smtp_error) == (452, b"4.3.1 Cannot store the letter: EFBIG")
        assert sink.maildir.counts() == Counts(0, 0)
        psutil.Process(sink.process.pid).rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        client.sendmail("a@campaign.example", ["nato@rehearsal.invalid"], letter(1, "a line\r\n" * 1000))
    assert sink.maildir.counts() == Counts(1, 0)
    assert "File too large" in sink.stop()


def test_a_client_that_leaves_in_mid_letter_leaves_nothing(sink):
    with socket.create_connection((HOST, sink_port(sink.port_file)), timeout=30) as line:
        line.sendall(b"HELO x.test\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + letter(1))
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
    assert sink.maildir.counts() == Counts(0, 0)


def test_no_greeting_no_port(tmp_path):
    (tmp_path / "port").write_text("nonsense")
    assert sink_port(tmp_path / "port") is None
    assert sink_port(tmp_path / "none") is None
    with socket.create_server((HOST, 0)) as other:  # takes connections, but is no sink
        (tmp_path / "port").write_text(str(other.getsockname()[1]))
        assert sink_port(tmp_path / "port", patience_s=0.1) is None


def test_a_share_over_one_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--root", str(tmp_path), "--defer-share", "10"])
    assert exit_.value.code == 2
    assert "10 is not a share between 0 and 1" in capsys.readouterr().err


def test_as_a_part(tmp_path):
    part = sink_part(tmp_path / "var/sink", tmp_path / "var/sink.port", defer_share=0.1)
    with Supervisor(tmp_path / "var", lambda *_: None) as stack:
        stack.start(part)
        assert part.argv[0] == sys.executable
        assert sink_port(tmp_path / "var/sink.port")
    assert sink_port(tmp_path / "var/sink.port") is None
