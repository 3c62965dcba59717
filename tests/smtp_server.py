"""A real SMTP server over loopback that follows a script, for every test that needs a relay behaving in a certain way.

    with SmtpServer(script={"RCPT": [None, Say(b"550 5.1.1 no such user")]}) as server:
        ... Target("main", "127.0.0.1", server.port) ...
    assert [letter.data for letter in server.letters] == [...]

A script gives, per verb, what to do at its first, second, third ... occurrence over all connections; `None` and whatever
comes after the list's end is what a well-behaved server does. `Always(action)` as the list repeats it.
Verbs: GREETING EHLO HELO STARTTLS AUTH MAIL RCPT DATA CONTENT (once its first octet has come) DOT RSET QUIT NOOP.
`SCENARIOS` names the scripts that several tests use. One thread serves each connection; all are joined at the end.
"""

import base64
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Say:
    """Reply with these octets (CRLF is added). Its code decides what the server takes for agreed."""

    reply: bytes


@dataclass(frozen=True)
class Drip:
    """The same, one octet at a time."""

    reply: bytes


@dataclass(frozen=True)
class Then:
    """The usual reply, and `more` with it in one write."""

    more: bytes


@dataclass(frozen=True)
class Drop:
    """Say `first` (as it is) and close."""

    first: bytes = b""


@dataclass(frozen=True)
class Reset:
    """Close with an RST."""


@dataclass(frozen=True)
class Hang:
    """Never say anything again, but read on until the client closes."""


@dataclass(frozen=True)
class Deaf:
    """Stop reading until `SmtpServer.release` is set; then close."""

    first: bytes = b""


Action = Say | Drip | Then | Drop | Reset | Hang | Deaf


class Always(list[Action | None]):
    """A script line that never ends."""

    def __init__(self, action: Action) -> None:
        super().__init__([action])

    def __iter__(self) -> Any:
        yield self[0]

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(0)


@dataclass(frozen=True)
class Received:
    """One letter whose final dot arrived. `data` is unstuffed, without the dot. `reply` is what we answered, or b""."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    reply: bytes
    secure: bool
    connection: int

    @property
    def accepted(self) -> bool:
        return self.reply.startswith(b"2")


SCENARIOS: dict[str, dict[str, Sequence[Action | None]]] = {
    "disconnect_in_greeting": {"GREETING": Always(Drop(b"220-wait"))},
    "busy_greeting": {"GREETING": Always(Drop(b"421 4.3.2 too busy\r\n"))},
    "disconnect_in_mail": {"MAIL": [Drop()]},
    "disconnect_in_data": {"DATA": [Drop()]},
    "disconnect_after_354": {"DATA": [Drop(b"354 go\r\n")]},
    "disconnect_after_dot": {"DOT": [Drop()]},
    "reset_mid_content": {"CONTENT": [Reset()]},
    "reset_after_dot": {"DOT": [Reset()]},
    "never_answers_dot": {"DOT": [Hang()]},
    "never_answers_rcpt": {"RCPT": [Hang()]},
    "never_greets": {"GREETING": [Hang()]},
    "deaf_in_content": {"CONTENT": [Deaf()]},
    "closing_after_first": {"DOT": [Then(b"421 4.4.2 idle too long\r\n")]},
    "refuses_first_recipient": {"RCPT": [Say(b"550 5.1.1 no such user")]},
    "refuses_second_recipient": {"RCPT": [None, Say(b"550 5.1.1 no such user")]},
    "refuses_sender": {"MAIL": [Say(b"550 5.7.1 not you")]},
    "defers_content": {"DOT": [Say(b"451 4.0.0 try again later")]},
    "refuses_content": {"DOT": [Say(b"554 5.7.1 reads like spam")]},
}

OFFERS = ("PIPELINING", "SIZE 1000000", "ENHANCEDSTATUSCODES", "SMTPUTF8")


class _Gone(Exception):
    """The client went, or the script says to end."""


@dataclass
class SmtpServer:
    """See the module. `users`: name to password; where given AUTH PLAIN and LOGIN are offered (after TLS, if there is any).

    `asks_again`: AUTH LOGIN passes over an initial response.
    `lenient`: answers 354 to DATA although no recipient was accepted, as RFC 2920 permits.
    """

    script: Mapping[str, Sequence[Action | None]] = field(default_factory=dict)
    offers: Sequence[str] = OFFERS
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    lenient: bool = False
    asks_again: bool = False
    receive_buffer: int | None = None
    letters: list[Received] = field(default_factory=list)
    lone_dots: int = 0
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.socket()
        if self.receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="smtp-accept")]
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def accepted(self) -> list[bytes]:
        """The content of every letter we answered with a 2xx."""
        return [letter.data for letter in self.letters if letter.accepted]

    def said(self, verb: str) -> int:
        """How often a command was received."""
        return sum(1 for line in self.commands if line.upper().startswith(verb))

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), name="smtp-session")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        session = Session(self, sock, number)
        with contextlib.suppress(_Gone, OSError, ssl.SSLError):
            session.run()
        with self._lock:
            self._open.discard(sock)
        with contextlib.suppress(OSError):
            session.sock.close()

    def next_action(self, verb: str) -> Action | None:
        """What the script has for this occurrence of `verb`."""
        with self._lock:
            n = self._counts.get(verb, 0)
            self._counts[verb] = n + 1
        actions = self.script.get(verb, ())
        return actions[n] if n < len(actions) else None

    def record(self, letter: Received) -> None:
        with self._lock:
            self.letters.append(letter)


class Session:
    """One connection."""

    def __init__(self, server: SmtpServer, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.secure = False
        self.user = ""
        self._clear()

    def _clear(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def run(self) -> None:
        if self.server.implicit:
            self._wrap()
        self._act("GREETING", b"220 relay.example ESMTP")
        while True:
            line = self._line().decode("utf-8", "surrogateescape")
            self.server.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                self._say(b"500 5.5.1 what is that?")
            else:
                handler(line)

    # -- commands

    def _on_ehlo(self, line: str) -> None:
        self._clear()
        offers = [f"relay.example at your service, {line[5:]}", *self.server.offers]
        if self.server.tls is not None and not self.secure:
            offers.append("STARTTLS")
        if self.server.users and (self.secure or self.server.tls is None):
            offers.append("AUTH PLAIN LOGIN")
        lines = [b"250-" + offer.encode() for offer in offers]
        lines[-1] = b"250 " + lines[-1][4:]
        self._act("EHLO", b"\r\n".join(lines))

    def _on_helo(self, _: str) -> None:
        self._clear()
        self._act("HELO", b"250 relay.example")

    def _on_starttls(self, _: str) -> None:
        if self._act("STARTTLS", b"220 2.0.0 go ahead" if self.server.tls else b"502 5.5.1 no").startswith(b"220"):
            self._wrap()
            self._clear()

    def _on_auth(self, line: str) -> None:
        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            given = base64.b64decode(words[2]).split(b"\0")[1:]
        else:
            initial = len(words) > 2 and not self.server.asks_again
            user = words[2] if initial else self._ask(b"334 VXNlcm5hbWU6")
            given = [base64.b64decode(user), base64.b64decode(self._ask(b"334 UGFzc3dvcmQ6"))]
        name, password = (part.decode() for part in given)
        good = self.server.users.get(name) == password
        reply = self._act("AUTH", b"235 2.7.0 welcome" if good else b"535 5.7.8 bad credentials")
        self.user = name if reply.startswith(b"235") else ""

    def _on_mail(self, line: str) -> None:
        default = b"250 2.1.0 Ok"
        size = re.search(r" SIZE=(\d+)", line)
        limit = next((int(o.split()[1]) for o in self.server.offers if o.startswith("SIZE ")), 0)
        if self.sender is not None:
            default = b"503 5.5.1 nested MAIL command"
        elif size and limit and int(size[1]) > limit:
            default = b"552 5.3.4 Message size exceeds fixed limit"
        elif " SMTPUTF8" in line and "SMTPUTF8" not in self.server.offers:
            default = b"555 5.5.4 unsupported"
        if self._act("MAIL", default).startswith(b"2"):
            self.sender = line[line.index("<") + 1 : line.rindex(">")]

    def _on_rcpt(self, line: str) -> None:
        default = b"250 2.1.5 Ok" if self.sender is not None else b"503 5.5.1 need MAIL first"
        if self._act("RCPT", default).startswith(b"2"):
            self.recipients.append(line[line.index("<") + 1 : line.rindex(">")])

    def _on_data(self, _: str) -> None:
        default = b"354 go ahead" if self.recipients or self.server.lenient else b"554 5.5.1 no valid recipients"
        if not self._act("DATA", default).startswith(b"354"):
            return
        data = self._content()
        if not self.recipients:
            self.server.lone_dots += data == b""
            self._say(b"554 5.5.1 no valid recipients")
            return
        reply = b""
        try:
            reply = self._act("DOT", b"250 2.0.0 Ok: queued as %d" % (len(self.server.letters) + 1), record=data)
        except _Gone:
            self._record(data, reply)
            raise
        self._clear()

    def _record(self, data: bytes, reply: bytes) -> None:
        self.server.record(
            Received(self.sender or "", tuple(self.recipients), data, reply, self.secure, self.number),
        )

    def _on_rset(self, _: str) -> None:
        self._clear()
        self._act("RSET", b"250 2.0.0 Ok")

    def _on_noop(self, _: str) -> None:
        self._act("NOOP", b"250 2.0.0 Ok")

    def _on_quit(self, _: str) -> None:
        self._act("QUIT", b"221 2.0.0 bye")
        raise _Gone

    # -- doing what the script says

    def _act(self, verb: str, default: bytes, record: bytes | None = None) -> bytes:
        """Do what the script has for `verb`; gives the reply that was said. A letter is recorded before it is answered."""
        action = self.server.next_action(verb)
        reply = action.reply if isinstance(action, Say | Drip) else default
        if record is not None and (action is None or isinstance(action, Say | Drip | Then)):
            self._record(record, reply)
        match action:
            case None | Say():
                self._say(reply)
            case Drip():
                for n in range(len(reply) + 2):
                    self.sock.sendall((reply + b"\r\n")[n : n + 1])
            case Then(more):
                self.sock.sendall(reply + b"\r\n" + more)
            case _:
                self._end(action)
        return reply

    def _end(self, action: Action) -> None:
        first = getattr(action, "first", b"")
        if first:
            self.sock.sendall(first)
        match action:
            case Reset():
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Hang():
                while self.sock.recv(65536):
                    pass
            case Deaf():
                self.server.release.wait()
            case _:
                pass
        raise _Gone

    def _say(self, reply: bytes) -> None:
        self.sock.sendall(reply + b"\r\n")

    def _ask(self, prompt: bytes) -> bytes:
        self._say(prompt)
        return self._line()

    # -- reading

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise _Gone
        self.buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _content(self) -> bytes:
        while not self.buffer:
            self._more()
        action = self.server.next_action("CONTENT") if self.buffer[:3] != b".\r\n" else None
        if action is not None:
            if isinstance(action, Say):
                self._say(action.reply)
            else:
                self._end(action)
        whole, seen = bytearray(self.buffer), 0
        while not whole.startswith(b".\r\n") and whole.find(b"\r\n.\r\n", max(0, seen - 4)) < 0:
            seen, self.buffer = len(whole), b""
            self._more()
            whole += self.buffer
        self.buffer = bytes(whole)
        if self.buffer.startswith(b".\r\n"):
            raw, self.buffer = b"", self.buffer[3:]
        else:
            raw, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            raw += b"\r\n"
        unstuffed = raw.replace(b"\r\n..", b"\r\n.")
        return unstuffed[1:] if unstuffed.startswith(b".") else unstuffed

    def _wrap(self) -> None:
        assert self.server.tls is not None
        assert self.buffer == b"", "the client sent commands in clear behind STARTTLS"
        plain = self.sock
        with self.server._lock:
            self.server._open.discard(plain)
        plain.settimeout(30)
        self.sock = self.server.tls.wrap_socket(plain, server_side=True)
        self.sock.settimeout(None)
        with self.server._lock:
            self.server._open.add(self.sock)
        self.secure = True
