"""The server as its clients meet it, the honest and the others. Everything goes over real sockets."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import until

CHECKOUT = Path(__file__).resolve().parents[3]
CHILD = [sys.executable, "-m", "tests.integration.web.child_serve"]
HOST = "127.0.0.1"


def free_port():
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


class Served:
    """The child, its log, and ways to speak to it."""

    def __init__(self, folder, **patience):
        self.port = free_port()
        self.log_file = folder / "web.log"
        argv = [*CHILD, str(self.port), *(f"{name}={number}" for name, number in patience.items())]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=log, stderr=log)
        until(lambda: self.process.poll() is not None or "the pages are served on" in self.log, "the server to be up")

    @property
    def log(self):
        return self.log_file.read_text()

    def url(self, path):
        return f"http://{HOST}:{self.port}{path}"

    def connect(self):
        return socket.create_connection((HOST, self.port), timeout=20)

    def say(self, data):
        """Send `data` on a connection of its own; all that comes until the server closes it."""
        with self.connect() as conversation:
            conversation.sendall(data)
            return heard(conversation)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def end(self):
        self.process.kill()
        self.process.wait()


def heard(conversation):
    """All bytes until the end of the connection, however it comes."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while data := conversation.recv(65536):
            came += data
    return came


def request(path, *headers, method="GET", body=b"", host="127.0.0.1:1"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server of little patience."""
    served = Served(
        tmp_path_factory.mktemp("hasty"), head_s=0.5, idle_s=1, read_s=0.5, head_bytes=4096, connections=10, pipelined=4
    )
    yield served
    served.end()


@pytest.fixture
def server(tmp_path):
    """A server of the usual patience."""
    served = Served(tmp_path)
    yield served
    served.end()


def on(served, path, *headers, **more):
    return request(path, *headers, host=f"{HOST}:{served.port}", **more)


# -- slow and greedy clients -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", [b"", b"GET /me/abc HTTP/1.1\r\nHost: x\r\nA: "], ids=["nothing", "half a head"])
def test_a_head_that_does_not_come_is_not_waited_for(hasty, data):
    assert hasty.say(data) == b""


def test_a_head_that_trickles_in_is_not_waited_for(hasty):
    with hasty.connect() as conversation:
        conversation.sendall(b"GET /me/abc HTTP/1.1\r\nHost: x\r\n")
        conversation.settimeout(0.1)  # one header line each tenth of a second
        for _ in range(100):
            try:
                conversation.sendall(b"A: b\r\n")
                assert conversation.recv(10) == b""
            except TimeoutError:
                continue
            except OSError:
                pass
            return
    raise AssertionError("it waited for ever")


def test_a_kept_connection_ends_when_nothing_more_comes(hasty):
    answers = hasty.say(on(hasty, "/me/abc") + on(hasty, "/me/abcd"))
    assert re.findall(rb"page \d", answers) == [b"page 3", b"page 4"]


def test_what_trickles_in_after_an_answer_is_not_waited_for(hasty):
    with hasty.connect() as conversation:
        conversation.sendall(on(hasty, "/nowhere", "Content-Length: 60000", method="POST"))
        conversation.settimeout(0.1)
        for _ in range(300):
            with contextlib.suppress(TimeoutError):
                try:
                    conversation.sendall(b"x")
                    if not conversation.recv(65536):
                        return
                except OSError:
                    return
    raise AssertionError("it waited for ever")


def test_a_head_that_does_not_end_is_cut_off(hasty):
    assert hasty.say(b"GET /me/abc HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000) == b""
    assert hasty.say(b"GET /" + b"x" * 10000) == b""


def test_a_reader_that_takes_nothing_is_let_go(hasty):
    with hasty.connect() as conversation:
        conversation.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conversation.sendall(on(hasty, "/large"))
        until(lambda: "GET /large 200" in hasty.log, "the answer to be written")
        found = until(lambda: not connections_to(hasty.port, conversation), "the server to let it go")
    assert found


def connections_to(port, conversation):
    """Whether the server still holds its end of this connection."""
    mine = f"{conversation.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if local.endswith(f":{port:04X}") and remote.endswith(f":{mine}") and state == "01":
            return True
    return False


def test_requests_sent_ahead_have_an_end(hasty):
    answers = hasty.say(on(hasty, "/slow") * 50)
    assert answers.count(b"at last") == 0


def test_connections_have_an_end(hasty):
    statuses = set()

    def answered():
        with contextlib.ExitStack() as held:
            for _ in range(8):
                held.enter_context(hasty.connect())
            with contextlib.suppress(httpx.HTTPError):
                statuses.add(httpx.get(hasty.url("/me/abc")).status_code)
        return 503 in statuses

    until(answered, "a connection too many to be told so")
    until(lambda: httpx.get(hasty.url("/me/abc")).status_code == 200, "room again")
    assert statuses <= {200, 503}


# -- what is asked is not told -----------------------------------------------------------------------------------------
def test_the_log_names_routes_and_nothing_else(server):
    secret = "s3cr3t"
    httpx.get(server.url(f"/me/{secret}?email={secret}"))
    httpx.post(server.url(f"/me/{secret}"), data={"email": secret})
    httpx.get(server.url(f"/nowhere/{secret}"))
    httpx.get(server.url(f"/fault?secret={secret}"))
    server.say(f"GET /{secret} HTTP/9\r\n\r\n".encode())
    assert server.stop() == 0
    lines = [line.split(" ", 3)[-1] for line in server.log.splitlines() if " INFO " in line]
    assert [re.sub(r"\d+ ms", "n ms", line) for line in lines[1:]] == [
        "GET /me/{token} 200 n ms 6 B",
        "POST /me/{token} 200 n ms 7 B",
        "GET - 404 n ms 22 B",
        "GET /fault 500 n ms 21 B",
    ]
    assert secret not in server.log
    assert "builtins.KeyError" in server.log
    assert "which led to\nbuiltins.RuntimeError" in server.log
    assert re.search(r"child_serve\.py:\d+ in fault", server.log)
    assert server.log.count("Invalid HTTP request received.") == 1


def test_answers_tell_no_versions(server):
    answer = httpx.get(server.url("/me/abc"))
    assert "server" not in answer.headers
    assert "date" in answer.headers
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_even_a_fault_of_ours_has_the_headers(server):
    answer = httpx.get(server.url("/fault?secret=x"))
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_forwarded_addresses_are_not_believed_here(server):
    answer = httpx.get(server.url("/me/abc"), headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"POST /me/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /me/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"GET /me/a HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
        b"GET /\xff\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["both lengths", "two lengths", "folded", "not ASCII", "TLS"],
)
def test_what_two_readers_may_read_differently_is_refused(server, data):
    assert server.say(data).startswith(b"HTTP/1.1 400 ")


def test_a_long_body_is_answered_though_it_was_not_wanted(server):
    answer = httpx.post(server.url("/me/abc"), content=b"x" * 900_000)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_a_body_that_was_waited_for_is_taken(server):
    head = on(server, "/me/abc", "Content-Length: 5", "Expect: 100-continue", "Connection: close", method="POST")
    with server.connect() as conversation:
        conversation.sendall(head)
        assert conversation.recv(100).startswith(b"HTTP/1.1 100 ")
        conversation.sendall(b"12345")
        assert heard(conversation).endswith(b"took 5")


# -- coming and going --------------------------------------------------------------------------------------------------
def test_sigterm_lets_a_request_end_and_the_caller_close(server):
    with server.connect() as conversation, server.connect():
        conversation.sendall(on(server, "/slow"))
        until(lambda: "slow began" in server.log, "the request to be under way")
        assert server.stop() == 0
        assert heard(conversation).endswith(b"at last")
    assert server.log.endswith("closed what was open\n")
    assert "Traceback" not in server.log


def test_a_taken_port_is_one_line(server):
    argv = [*CHILD, str(server.port)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stdout == (
        f"cannot serve pages on {HOST} port {server.port}: Address already in use;"
        " choose another with --port, or [web] port\n"
    )
