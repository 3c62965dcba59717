"""TLS and logins: what a target asks for happens, or nothing does."""

import ssl

import pytest
import trustme

from tests.integration.delivery.relay import LETTER, envelope, opened, running
from tests.smtp_server import Deaf, Drop, Hang, Say, SmtpServer
from worker.delivery import Connection, Ready, Target, Trouble, opening
from worker.delivery.tls import trusted_authorities
from worker.domain.verdict import Stage

USERS = {"campaign": "pass wörd"}
LOGIN = {"username": "campaign", "password": "pass wörd"}


def contexts(host: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server for `host` uses, and what trusts it."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(host).configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


SERVING, TRUSTING = contexts()


async def deliver(connection: Connection) -> None:
    for number in range(2):
        assert await connection.offer(envelope(number)) == Ready()
        assert (await connection.content(LETTER, envelope(number + 1) if number == 0 else None)).code == 250
    await connection.quit()


async def send(connection: Connection, data: bytes) -> None:
    await connection.offer(envelope())
    await connection.content(data, envelope(1))


async def fails(server: SmtpServer, stage: Stage, reason: str, **target: object) -> Trouble:
    with pytest.raises(Trouble) as caught:
        await opened(server, **{"tls": TRUSTING, **target})
    assert caught.value.stage is stage
    assert reason in caught.value.reason
    return caught.value


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@running
async def test_letters_travel_under_tls(security, implicit, version):
    serving, trusting = contexts()
    serving.minimum_version = serving.maximum_version = version
    with SmtpServer(tls=serving, implicit=implicit) as server:
        connection = await opened(server, security=security, tls=trusting)
        assert {"connect", "tls", "greeting", "ehlo"} <= set(connection.opening)
        await deliver(connection)
    assert server.accepted == [LETTER, LETTER]
    assert all(letter.secure for letter in server.letters)
    assert server.said("EHLO") == (1 if implicit else 2)


@pytest.mark.parametrize(
    ("action", "stage", "reason"),
    [
        ({"DOT": [Drop()]}, Stage.DOT, "closed the connection"),
        ({"DOT": [Hang()]}, Stage.DOT, "no reply in time"),
        ({"DOT": [Drop(b"25")]}, Stage.DOT, "closed the connection"),
        ({"RCPT": [Drop()]}, Stage.RCPT, "closed the connection"),
        ({"CONTENT": [Deaf()]}, Stage.CONTENT, "no reply in time"),
        ({"CONTENT": [Drop(b"552 5.3.4 too big\r\n")]}, Stage.CONTENT, ""),
    ],
)
@running
async def test_troubles_under_tls(action, stage, reason):
    big = (b"z" * 70 + b"\r\n") * 100_000
    with SmtpServer(tls=SERVING, implicit=True, script=action, receive_buffer=4096) as server:
        connection = await opened(server, security="tls", tls=TRUSTING)
        with pytest.raises(Trouble) as caught:
            await send(connection, big if "CONTENT" in action else LETTER)
        assert caught.value.stage is stage
        assert reason in caught.value.reason
        assert not connection.usable
    assert [letter.data for letter in server.letters] == ([LETTER] if stage is Stage.DOT else [])


@running
async def test_big_content_under_tls_however_slowly_it_is_taken():
    big = (b"z" * 70 + b"\r\n.\r\n") * 10_000
    with SmtpServer(tls=SERVING, implicit=True, receive_buffer=4096) as server:
        connection = await opened(server, security="tls", tls=TRUSTING)
        assert await connection.offer(envelope()) == Ready()
        assert (await connection.content(big, envelope(1))).code == 250
        assert await connection.offer(envelope(1)) == Ready()
        connection.abandon()
    assert server.accepted == [big]


@running
async def test_what_was_offered_before_tls_is_forgotten():
    before = b"250-relay\r\n250-STARTTLS\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 SIZE 99"
    with SmtpServer(tls=SERVING, script={"EHLO": [Say(before), Say(b"250 relay")]}) as server:
        connection = await opened(server, security="starttls", tls=TRUSTING)
        assert not connection.extensions.pipelining
        assert not connection.extensions.smtputf8
        assert connection.extensions.size is None
        await deliver(connection)
    assert server.accepted == [LETTER, LETTER]


@running
async def test_starttls_that_is_not_offered_is_not_done_without():
    with SmtpServer() as server:
        await fails(server, Stage.STARTTLS, "offers no STARTTLS", security="starttls")
    assert server.said("MAIL") == 0


@running
async def test_starttls_refused():
    with SmtpServer(tls=SERVING, script={"STARTTLS": [Say(b"454 4.7.0 not now")]}) as server:
        trouble = await fails(server, Stage.STARTTLS, "refuses STARTTLS", security="starttls")
    assert trouble.reply is not None
    assert trouble.reply.code == 454


@pytest.mark.parametrize("injected", [b"250 2.0.0 injected", b"250-half", b"2"])
@running
async def test_replies_injected_before_tls_are_refused(injected):
    with SmtpServer(tls=SERVING, script={"STARTTLS": [Drop(b"220 go\r\n" + injected + b"\r\n")]}) as server:
        trouble = await fails(server, Stage.STARTTLS, "", security="starttls")
    assert "in clear" in trouble.reason


@running
async def test_clear_text_after_the_go_ahead_is_never_read_as_said_under_tls():
    script = {"STARTTLS": [Say(b"220 go\r\n250 2.0.0 injected")]}
    with SmtpServer(tls=SERVING, script=script) as server:
        await fails(server, Stage.STARTTLS, "", security="starttls")
    assert server.said("EHLO") == 1


@pytest.mark.parametrize(("security", "stage"), [("starttls", Stage.STARTTLS), ("tls", Stage.CONNECT)])
@running
async def test_a_certificate_nobody_vouches_for(security, stage):
    serving, _ = contexts()
    with SmtpServer(tls=serving, implicit=security == "tls") as server:
        await fails(server, stage, "certificate is not trusted", security=security)


@running
async def test_a_certificate_for_another_host():
    serving, trusting = contexts("other.example")
    with SmtpServer(tls=serving, implicit=True) as server:
        await fails(server, Stage.CONNECT, "certificate is not trusted", security="tls", tls=trusting)


@running
async def test_the_machines_authorities_do_not_trust_a_stranger():
    with SmtpServer(tls=SERVING, implicit=True) as server:
        await fails(server, Stage.CONNECT, "certificate is not trusted", security="tls", tls=None)
    assert trusted_authorities().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("said", [Drop(b"220 clear text\r\n"), Drop(b"\x16\x03\x01\xff\xff"), Drop(), Hang()])
@running
async def test_no_tls_behind_an_implicit_tls_port(said):
    with SmtpServer(script={"GREETING": [said]}) as server:
        await fails(server, Stage.CONNECT, "no TLS", security="tls")


@pytest.mark.parametrize("offered", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@running
async def test_a_login_that_is_accepted(security, offered):
    ehlo = b"250-relay\r\n%b250-PIPELINING\r\n250 AUTH %b" % (b"250-STARTTLS\r\n", offered.encode())
    tls = None if security == "none" else SERVING
    with SmtpServer(tls=tls, implicit=security == "tls", users=USERS, script={"EHLO": [Say(ehlo)] * 2}) as server:
        connection = await opened(server, security=security, tls=TRUSTING, **LOGIN)
        assert "auth" in connection.opening
        await deliver(connection)
    assert server.accepted == [LETTER, LETTER]
    assert server.said(f"AUTH {offered} ") == 1


@pytest.mark.parametrize("offered", [b"PLAIN", b"LOGIN"])
@running
async def test_a_login_that_is_refused(offered):
    with SmtpServer(users=USERS, script={"EHLO": [Say(b"250-relay\r\n250 AUTH " + offered)]}) as server:
        trouble = await fails(server, Stage.AUTH, "does not accept our login", username="campaign", password="wrong")
        assert trouble.reply is not None
        assert (trouble.reply.code, trouble.reply.enhanced) == (535, "5.7.8")
        assert "wrong" not in str(trouble)
        assert "wrong" not in repr(Target("main", "h", 1, "none", "u", "wrong"))
    assert server.said("MAIL") == 0


@running
async def test_a_server_that_asks_for_the_user_again():
    with SmtpServer(users=USERS, script={"EHLO": [Say(b"250-relay\r\n250 AUTH LOGIN")]}, asks_again=True) as server:
        connection = await opened(server, **LOGIN)
        await connection.quit()
    assert "auth" in connection.opening


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("un.example", False)],
)
def test_which_hosts_are_this_machine(host, own):
    assert opening._loopback(host) is own


def test_an_address_literal_names_its_family():
    assert opening._literal("192.0.2.1") == "[192.0.2.1]"
    assert opening._literal("2001:db8::1") == "[IPv6:2001:db8::1]"


@running
async def test_no_login_is_offered():
    with SmtpServer() as server:
        await fails(server, Stage.AUTH, "neither AUTH PLAIN nor AUTH LOGIN", **LOGIN)


@running
async def test_a_password_is_not_sent_in_clear_to_another_machine():
    with SmtpServer(users=USERS) as server:
        with pytest.raises(Trouble, match="not sent in clear") as caught:
            await Connection.open(Target("main", "0.0.0.0", server.port, **LOGIN))
        assert caught.value.stage is Stage.AUTH
    assert server.said("AUTH") == 0
