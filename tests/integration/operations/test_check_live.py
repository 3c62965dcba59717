"""`check --live` asks a real PostgreSQL, `check --dns` a real resolver (ours, on the loopback)."""

import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from tests.fixtures.postgres import PostgresServer
from tests.support import until
from worker.operations.check import check

OFFICES = "config/offices.toml"


def said_of_the_ledger(draft, url, *, live=True):
    report = check(draft.load(LETTERSHOP_LEDGER__URL=url), live=live)
    return [str(f) for f in report.errors if "ledger" in f.message or "PostgreSQL" in f.message]


def test_a_durable_server_passes(draft, postgres_url):
    assert said_of_the_ledger(draft, postgres_url) == []


def test_commits_that_a_power_cut_may_lose_are_refused(draft, postgres, postgres_url):
    draft.edit("config/lettershop.toml", "# url = ", "url = ")
    database = postgres_url.partition("?")[0].rpartition("/")[2]
    with postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off".encode())
    line = "error: config/lettershop.toml:14: PostgreSQL's synchronous_commit is off: set `synchronous_commit = on`"
    assert said_of_the_ledger(draft, postgres_url) == [line]
    assert said_of_the_ledger(draft, postgres_url, live=False) == []  # rehearsal does not ask


@pytest.fixture
def without_fsync(postgres: PostgresServer) -> Iterator[None]:
    def is_now(setting: str) -> bool:
        with postgres.connect() as connection:
            return connection.execute("SELECT setting FROM pg_settings WHERE name = 'fsync'").fetchone() == (setting,)

    def change(command: bytes, setting: str) -> None:
        with postgres.connect() as connection:
            connection.execute(command)
            connection.execute("SELECT pg_reload_conf()")
        until(lambda: is_now(setting), f"fsync is {setting}")

    change(b"ALTER SYSTEM SET fsync = off", "off")
    yield
    change(b"ALTER SYSTEM RESET fsync", "on")


@pytest.mark.usefixtures("without_fsync")
def test_a_server_without_fsync_is_refused(draft, postgres_url):
    assert any("PostgreSQL's fsync is off" in line for line in said_of_the_ledger(draft, postgres_url))


class NameServer:
    """Answers for MX: `nato.example` has a mail server, `un.example` takes no mail, `oic.example` fails, others are not."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name == "oic.example":
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif name in {"nato.example", "un.example"}:
            host = "10 mx.nato.example." if name == "nato.example" else "0 ."
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", "MX", host))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


def test_mail_servers_are_asked_for_once_a_domain(draft, names):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], names.port, 5.0
    report = check(draft.load(), ask_dns=True, resolver=resolver)
    said = [str(f) for f in report.findings]
    assert not any("office@nato.example" in line for line in said)
    assert any(line.startswith(f"warning: {OFFICES}") and "office@un.example: " in line for line in said)
    assert any("office@puic.example: The domain name puic.example does not exist." in line for line in said)
    assert any("office@oic.example: the DNS did not answer; ask again later" in line for line in said)
    assert names.asked.count("town-library.example") == 1
    assert report.ok


def test_for_live_a_domain_without_mail_is_an_error(draft, names):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], names.port, 5.0
    report = check(draft.load(), live=True, ask_dns=True, resolver=resolver)
    assert any("puic.example does not exist" in f.message for f in report.errors)
    assert not any("office@oic.example: the DNS" in f.message for f in report.errors)


def test_a_machine_without_a_resolver_is_told(draft, monkeypatch):
    def none(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    report = check(draft.load(), ask_dns=True)
    assert any(f.place == "DNS" and "nothing could be asked" in f.message for f in report.warnings)


def test_a_test_domain_is_not_asked_for(draft, names):
    text = (draft.root / OFFICES).read_text()
    draft.write(OFFICES, text.replace("nato.example", "nato.test"))
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], names.port, 5.0
    check(draft.load(LETTERSHOP_ALLOW_TEST_DOMAINS="true"), ask_dns=True, resolver=resolver)
    assert "nato.test" not in names.asked
