"""The critical window: on which side of the final dot a failure lies, and that content is never written twice."""

import asyncio
import contextlib
import socket
import ssl

import pytest
import trustme

from tests.integration.delivery.relay import LETTER, OTHER, comes, envelope, opened, running
from tests.smtp_server import SCENARIOS, Drop, Hang, Say, SmtpServer
from worker.delivery import Connection, Ready, Trouble
from worker.domain.verdict import Reply, Stage

BIG = (b"y" * 70 + b"\r\n") * 200_000  # more than two sockets' buffers hold
SLOW = BIG[: 72 * 50_000]


async def offered(server: SmtpServer, **target: object) -> Connection:
    connection = await opened(server, **target)
    assert await connection.offer(envelope()) == Ready()
    return connection


async def trouble_in_content(connection: Connection, data: bytes = LETTER) -> Trouble:
    with pytest.raises(Trouble) as caught:
        await connection.content(data, envelope(1))
    assert not connection.usable
    assert connection.stage is caught.value.stage
    return caught.value


# -- before the dot: not sent


@running
async def test_the_relay_hangs_up_after_354():
    with SmtpServer(script=SCENARIOS["disconnect_after_354"]) as server:
        connection = await offered(server)
        await comes(lambda: not connection.usable)
        trouble = await trouble_in_content(connection)
    assert (trouble.stage, trouble.reason) == (Stage.CONTENT, "the relay closed the connection")
    assert server.letters == []


@running
async def test_a_reset_in_the_midst_of_big_content():
    with SmtpServer(script=SCENARIOS["reset_mid_content"], receive_buffer=4096) as server:
        trouble = await trouble_in_content(await offered(server), BIG)
    assert trouble.stage is Stage.CONTENT
    assert server.letters == []


@running
async def test_a_relay_that_stops_reading():
    with SmtpServer(script=SCENARIOS["deaf_in_content"], receive_buffer=4096) as server:
        trouble = await trouble_in_content(await offered(server), BIG)
    assert (trouble.stage, trouble.reason) == (Stage.CONTENT, "no reply in time")
    assert server.letters == []


@running
async def test_abandoned_after_354():
    with SmtpServer() as server:
        connection = await offered(server)
        connection.abandon()
        connection.abandon()
        assert not connection.usable
        with pytest.raises(Trouble, match="we closed"):
            await connection.offer(envelope(1))
    assert server.letters == []


@running
async def test_abandoned_when_the_next_letter_is_under_way():
    with SmtpServer() as server:
        connection = await offered(server)
        assert (await connection.content(LETTER, envelope(1))).code == 250
        connection.abandon()
        with pytest.raises(Trouble, match="we closed"):
            await connection.offer(envelope(1))
    assert server.accepted == [LETTER]


@pytest.mark.parametrize("asked", [False, True])
@running
async def test_quit_is_not_said_into_content(asked):
    with SmtpServer() as server:
        connection = await offered(server)
        if asked:
            assert (await connection.content(LETTER, envelope(1))).code == 250
        await connection.quit()
    assert server.said("QUIT") == 0
    assert server.accepted == ([LETTER] if asked else [])


@pytest.mark.parametrize("ahead", [False, True])
@running
async def test_another_letter_offered_into_354(ahead):
    with SmtpServer() as server:
        connection = await offered(server)
        if ahead:
            assert (await connection.content(LETTER, envelope(1))).code == 250
        with pytest.raises(Trouble, match="another letter was under way") as caught:
            await connection.offer(envelope(2))
        assert caught.value.stage is Stage.MAIL
        assert not connection.usable
    assert server.accepted == ([LETTER] if ahead else [])


@pytest.mark.parametrize(
    "data", [b"bare\nline\r\n", b"no end", "é\r\n".encode(), b"a\r\n.\r\nb\n.\nMAIL FROM:<x@un.example>\r\n"]
)
@running
async def test_unfit_content_is_never_begun(data):
    with SmtpServer() as server:
        trouble = await trouble_in_content(await offered(server), data)
    assert trouble.stage is Stage.CONTENT
    assert trouble.reply is not None
    assert (trouble.reply.code, trouble.reply.enhanced) == (0, "5.6.0")
    assert server.letters == []


# -- from the dot on: in doubt


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (SCENARIOS["disconnect_after_dot"], "the relay closed the connection"),
        (SCENARIOS["never_answers_dot"], "no reply in time"),
        ({"DOT": [Drop(b"25")]}, "the relay closed the connection"),
        ({"DOT": [Drop(b"250-2.0.0 taken\r\n")]}, "the relay closed the connection"),
        (
            {"DOT": [Drop(b"250-2.0.0 taken\r\n550 or not\r\n")]},
            "malformed reply: codes that disagree within one reply",
        ),
        ({"DOT": [Drop(b"taken\r\n")]}, "malformed reply: a line without a reply code"),
        ({"DOT": [Drop(b"2" * 100_000)]}, "malformed reply: a line without end"),
        ({"DOT": [Drop(b"\0\0\0\0\r\n")]}, "malformed reply: a line without a reply code"),
        ({"DOT": [Say(b"354 go on")]}, "this is no answer to content"),
    ],
)
@running
async def test_no_usable_answer_after_the_dot(script, reason):
    with SmtpServer(script=script) as server:
        trouble = await trouble_in_content(await offered(server))
        assert (trouble.stage, trouble.reason) == (Stage.DOT, reason)
    assert [letter.data for letter in server.letters] == [LETTER]


@pytest.mark.parametrize("scenario", ["reset_after_dot", "reset_mid_content"])
@running
async def test_a_reset_once_the_kernel_has_taken_everything(scenario):
    """The relay may or may not have read the dot; nobody here can know."""
    with SmtpServer(script=SCENARIOS[scenario]) as server:
        trouble = await trouble_in_content(await offered(server))
    assert trouble.stage is Stage.DOT


@pytest.mark.parametrize(("action", "stage"), [("DOT", Stage.DOT), ("DATA", Stage.DATA)])
@running
async def test_a_cancelled_task_closes_the_connection_and_tells_the_stage(action, stage):
    with SmtpServer(script={action: [Hang()]}) as server:
        connection = await opened(server)

        async def send() -> None:
            await connection.offer(envelope())
            await connection.content(LETTER)

        task = asyncio.create_task(send())
        await comes(lambda: connection.stage is stage)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.stage is stage
        assert not connection.usable


# -- answers


@pytest.mark.parametrize(
    ("scenario", "reply"),
    [
        ("defers_content", Reply(451, "4.0.0", "try again later")),
        ("refuses_content", Reply(554, "5.7.1", "reads like spam")),
    ],
)
@running
async def test_declined_content_leaves_the_connection_usable(scenario, reply):
    with SmtpServer(script=SCENARIOS[scenario]) as server:
        connection = await offered(server)
        assert await connection.content(LETTER, envelope(1)) == reply
        assert await connection.offer(envelope(1)) == Ready()
        assert (await connection.content(OTHER)).code == 250
        await connection.quit()
    assert server.accepted == [OTHER]
    assert len(server.letters) == 2


@running
async def test_421_to_the_dot_is_an_answer_and_closes():
    with SmtpServer(script={"DOT": [Drop(b"421 4.3.2 going down\r\n")]}) as server:
        connection = await offered(server)
        assert await connection.content(LETTER, envelope(1)) == Reply(421, "4.3.2", "going down")
        assert not connection.usable
        with pytest.raises(Trouble):
            await connection.offer(envelope(1))


@running
async def test_an_accept_counts_though_the_relay_hangs_up_behind_it():
    with SmtpServer(script={"DOT": [Drop(b"250 2.0.0 taken\r\n")]}) as server:
        connection = await offered(server)
        assert await connection.content(LETTER, envelope(1)) == Reply(250, "2.0.0", "taken")
        with pytest.raises(Trouble) as caught:
            await connection.offer(envelope(1))
        assert caught.value.stage is Stage.MAIL


@running
async def test_the_reply_to_content_is_masked_and_printable():
    answer = b"250-2.0.0 Ok <office-0@un.example>\r\n250 2.0.0 for office-0 \0\xff\x1b " + b"z" * 2000
    with SmtpServer(script={"DOT": [Say(answer)]}) as server:
        connection = await offered(server)
        reply = await connection.content(LETTER)
        assert reply.text.startswith("Ok <***@un.example> for *** ??? zzz")
        assert len(reply.text) <= 1000
        connection.abandon()


@running
async def test_big_content_arrives_however_slowly_it_is_taken():
    with SmtpServer(receive_buffer=4096) as server:
        connection = await offered(server)
        assert (await connection.content(SLOW, envelope(1))).code == 250
        assert await connection.offer(envelope(1)) == Ready()
        assert (await connection.content(LETTER)).code == 250
        await connection.quit()
    assert server.accepted == [SLOW, LETTER]


# -- the mark, octet by octet


class Stingy(socket.socket):
    """A real socket whose kernel takes `budget` octets and no more; then the connection is found reset."""

    budget: int | None = None

    def send(self, data, flags=0):
        if self.budget is None:
            return super().send(data, flags)
        if self.budget == 0:
            raise ConnectionResetError(104, "Connection reset by peer")
        n = super().send(bytes(data)[: self.budget], flags)
        self.budget -= n
        return n


def stingy_budgets(length: int) -> list[int]:
    """Every place around the dot, and some others."""
    return sorted({0, 1, length // 2, *range(length - 4, length + 8)})


SHORT = b"Subject: x\r\n\r\n.\r\nshort\r\n"
STUFFED = b"Subject: x\r\n\r\n..\r\nshort\r\n"


@pytest.mark.parametrize("budget", stingy_budgets(len(STUFFED)))
@running
async def test_the_stage_is_exact_to_the_octet(monkeypatch, budget):
    monkeypatch.setattr("worker.delivery.opening.socket.socket", Stingy)
    with SmtpServer() as server:
        connection = await offered(server)
        connection._dialogue.wire._sock.budget = budget
        if complete := budget >= len(STUFFED) + 3:  # the relay has the whole dot: its answer may still be read, or not
            with contextlib.suppress(Trouble):
                await connection.content(SHORT, envelope(1))
        else:
            await trouble_in_content(connection, SHORT)
        assert connection.stage is (Stage.DOT if budget > len(STUFFED) else Stage.CONTENT)
        connection.abandon()
    assert [letter.data for letter in server.letters] == ([SHORT] if complete else [])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@running
async def test_under_tls_the_record_with_the_dot_decides(monkeypatch, version):
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    serving.maximum_version = version
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    monkeypatch.setattr("worker.delivery.opening.socket.socket", Stingy)
    stages = []
    for budget in range(0, 140, 3):
        with SmtpServer(tls=serving, implicit=True) as server:
            connection = await offered(server, security="tls", tls=trusting)
            connection._dialogue.wire._sock.budget = budget
            with contextlib.suppress(Trouble):
                await connection.content(SHORT, envelope(1))
            stages.append(connection.stage)
            connection.abandon()
        assert stages[-1] is Stage.DOT or server.letters == []
    assert stages == sorted(stages, key=[Stage.CONTENT, Stage.DOT].index)
    assert stages[0] is Stage.CONTENT
    assert stages[-1] is Stage.DOT
