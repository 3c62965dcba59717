"""The SMTP dialogue against a real socket: each scenario's exact outcome, and content received once, byte for byte."""

import asyncio
from dataclasses import replace

import pytest

from tests.integration.delivery.relay import FAST, LETTER, OTHER, comes, declined, envelope, opened, running
from tests.smtp_server import OFFERS, SCENARIOS, Always, Drip, Drop, Hang, Reset, Say, SmtpServer, Then
from worker.delivery import Connection, Ready, Target, Timeouts, Trouble
from worker.domain.verdict import Reply, Stage

PLAIN_OFFERS = tuple(offer for offer in OFFERS if offer != "PIPELINING")
BOTH = pytest.mark.parametrize("offers", [OFFERS, PLAIN_OFFERS], ids=["pipelining", "step-by-step"])


@BOTH
@running
async def test_letters_arrive_byte_for_byte(offers):
    tricky = b".\r\n..\r\n.leading\r\n\r\n.\r\nlast.\r\n.\r\n"
    with SmtpServer(offers=offers) as server:
        connection = await opened(server)
        for number, data in enumerate([LETTER, tricky, OTHER]):
            assert await connection.offer(envelope(number)) == Ready()
            assert await connection.content(data) == Reply(250, "2.0.0", f"Ok: queued as {number + 1}")
            assert set(connection.steps) == {"mail", "rcpt", "data", "content", "dot"}
        await connection.quit()
        assert server.accepted == [LETTER, tricky, OTHER]
    assert [letter.recipients for letter in server.letters] == [(f"office-{n}@un.example",) for n in range(3)]
    assert server.connections == 1
    assert server.commands[-1] == "QUIT"
    assert not connection.usable


@BOTH
@running
async def test_the_next_envelope_goes_along_with_the_dot_where_pipelining_is_offered(offers):
    with SmtpServer(offers=offers) as server:
        connection = await opened(server)
        for number in range(5):
            following = envelope(number + 1) if number < 4 else None
            assert await connection.offer(envelope(number)) == Ready()
            assert (await connection.content(LETTER, following)).code == 250
        await connection.quit()
    assert server.accepted == [LETTER] * 5
    assert [letter.recipients[0] for letter in server.letters] == [f"office-{n}@un.example" for n in range(5)]
    assert server.said("MAIL") == server.said("RCPT") == server.said("DATA") == 5


@running
async def test_opening_measures_its_steps_and_learns_what_is_offered():
    with SmtpServer() as server:
        connection = await opened(server)
        assert set(connection.opening) == {"connect", "greeting", "ehlo"}
        assert (connection.extensions.size, connection.extensions.smtputf8) == (1_000_000, True)
        assert connection.age >= 0
        await connection.quit()
    assert server.commands[0] == "EHLO [127.0.0.1]"


@running
async def test_a_server_that_knows_helo_only():
    with SmtpServer(script={"EHLO": [Say(b"502 5.5.1 what?")]}) as server:
        connection = await opened(server)
        assert not connection.extensions.pipelining
        assert await connection.offer(envelope()) == Ready()
        assert (await connection.content(LETTER)).code == 250
        await connection.quit()
    assert server.accepted == [LETTER]
    assert "SIZE" not in server.commands[2]


# -- opening that fails


@pytest.mark.parametrize(
    ("script", "stage", "reason", "code"),
    [
        (SCENARIOS["disconnect_in_greeting"], Stage.GREETING, "the relay closed the connection", None),
        (SCENARIOS["busy_greeting"], Stage.GREETING, "the relay does not serve us", 421),
        (SCENARIOS["never_greets"], Stage.GREETING, "no reply in time", None),
        ({"GREETING": [Say(b"554 no service")]}, Stage.GREETING, "the relay does not serve us", 554),
        ({"GREETING": [Say(b"hello there")]}, Stage.GREETING, "malformed reply: a line without a reply code", None),
        ({"GREETING": [Say(b"220-a\r\n554 b")]}, Stage.GREETING, "malformed reply: codes that disagree", None),
        ({"GREETING": [Drop(b"\0" * 100_000)]}, Stage.GREETING, "malformed reply: a line without end", None),
        ({"EHLO": [Drop()]}, Stage.EHLO, "the relay closed the connection", None),
        ({"EHLO": [Hang()]}, Stage.EHLO, "no reply in time", None),
        ({"EHLO": [Reset()]}, Stage.EHLO, "Connection reset by peer", None),
        ({"EHLO": [Say(b"421 4.3.2 not now")]}, Stage.EHLO, "the relay does not accept our EHLO", 421),
        ({"EHLO": [Say(b"550 no")], "HELO": [Say(b"550 no")]}, Stage.EHLO, "the relay does not accept our EHLO", 550),
    ],
)
@running
async def test_a_relay_that_does_not_open(script, stage, reason, code):
    with SmtpServer(script=script) as server:
        with pytest.raises(Trouble) as caught:
            await opened(server)
        assert server.letters == []
    assert caught.value.stage is stage
    assert caught.value.reason.startswith(reason)
    assert (caught.value.reply.code if caught.value.reply else None) == code


@running
async def test_nobody_listens():
    with SmtpServer() as server:
        port = server.port
    with pytest.raises(Trouble, match="connect: no connection to the relay: Connection refused") as caught:
        await Connection.open(Target("main", "127.0.0.1", port), FAST)
    assert caught.value.stage is Stage.CONNECT


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 70 + ".invalid", ""])
@running
async def test_a_host_that_has_no_address(host):
    with pytest.raises(Trouble) as caught:
        await Connection.open(Target("main", host, 1), FAST)
    assert caught.value.stage is Stage.CONNECT


@running
async def test_a_cancelled_opening_leaves_nothing_open():
    with SmtpServer(script=SCENARIOS["never_greets"]) as server:
        task = asyncio.create_task(opened(server, Timeouts()))
        await comes(lambda: server.connections)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# -- before content


@BOTH
@pytest.mark.parametrize(
    ("scenario", "stage"), [("disconnect_in_mail", Stage.MAIL), ("disconnect_in_data", Stage.DATA)]
)
@running
async def test_a_connection_closed_before_354(offers, scenario, stage):
    with SmtpServer(script=SCENARIOS[scenario], offers=offers) as server:
        connection = await opened(server)
        with pytest.raises(Trouble) as caught:
            await connection.offer(envelope())
        assert (caught.value.stage, caught.value.reply) == (stage, None)
        assert not connection.usable
        with pytest.raises(Trouble) as again:
            await connection.offer(envelope())
        assert again.value.stage is Stage.MAIL
    assert server.letters == []


@BOTH
@running
async def test_a_silent_relay_is_given_up(offers):
    with SmtpServer(script=SCENARIOS["never_answers_rcpt"], offers=offers) as server:
        connection = await opened(server)
        with pytest.raises(Trouble, match="rcpt: no reply in time"):
            await connection.offer(envelope())
        assert not connection.usable


@BOTH
@pytest.mark.parametrize(
    ("script", "stage", "reply"),
    [
        (SCENARIOS["refuses_sender"], Stage.MAIL, Reply(550, "5.7.1", "not you")),
        (SCENARIOS["refuses_first_recipient"], Stage.RCPT, Reply(550, "5.1.1", "no such user")),
        ({"RCPT": [Say(b"450 4.7.1 office-0 <office-0@un.example> slow down")]}, Stage.RCPT,
         Reply(450, "4.7.1", "*** <***@un.example> slow down")),
        ({"DATA": [Say(b"451 4.3.0 not now")]}, Stage.DATA, Reply(451, "4.3.0", "not now")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True], ids=["", "354-anyway"])
@running
async def test_a_declined_letter_leaves_the_connection_usable(offers, script, stage, reply, lenient):
    with SmtpServer(script=script, offers=offers, lenient=lenient) as server:
        connection = await opened(server)
        assert await connection.offer(envelope(0)) == declined(stage, reply)
        assert connection.usable
        assert await connection.offer(envelope(1)) == Ready()
        assert (await connection.content(LETTER)).code == 250
        await connection.quit()
    assert server.accepted == [LETTER]
    assert server.letters[0].recipients == ("office-1@un.example",)
    asked_in_vain = lenient and offers is OFFERS and stage is not Stage.DATA
    assert server.lone_dots == (1 if asked_in_vain else 0)
    assert "503 5.5.1 nested MAIL command" not in server.commands


@pytest.mark.parametrize("scenario", ["refuses_second_recipient"])
@pytest.mark.parametrize("lenient", [False, True], ids=["", "354-anyway"])
@BOTH
@running
async def test_pipelining_that_refuses_one_of_two(offers, scenario, lenient):
    with SmtpServer(script=SCENARIOS[scenario], offers=offers, lenient=lenient) as server:
        connection = await opened(server)
        assert await connection.offer(envelope(0)) == Ready()
        assert (await connection.content(LETTER, envelope(1))).code == 250
        assert await connection.offer(envelope(1)) == declined(Stage.RCPT, Reply(550, "5.1.1", "no such user"))
        assert connection.usable
        assert await connection.offer(envelope(2)) == Ready()
        assert (await connection.content(OTHER)).code == 250
        await connection.quit()
    assert server.accepted == [LETTER, OTHER]
    assert [letter.recipients[0] for letter in server.letters] == ["office-0@un.example", "office-2@un.example"]
    assert server.connections == 1


@running
async def test_no_lone_dot_where_a_recipient_was_accepted():
    """MAIL refused, RCPT accepted, 354: a dot would send an empty letter to that recipient."""
    script = {"MAIL": [Say(b"451 4.3.0 later")], "RCPT": [Say(b"250 ok")], "DATA": [Say(b"354 go")]}
    with SmtpServer(script=script) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == declined(Stage.MAIL, Reply(451, "4.3.0", "later"))
        assert not connection.usable
    assert (server.letters, server.lone_dots) == ([], 0)


@pytest.mark.parametrize(
    "script",
    [
        {"MAIL": [Drop(b"550 5.7.1 no\r\n")]},
        {"MAIL": [Say(b"550 5.7.1 no")], "RCPT": [Drop()]},
        {"MAIL": [Say(b"550 5.7.1 no")], "RCPT": [Hang()]},
        {"MAIL": [Say(b"550 5.7.1 no")], "DATA": [Say(b"354 go")], "QUIT": []},
        {"MAIL": [Say(b"550 5.7.1 no")], "DATA": [Say(b"250 what")]},
        {"MAIL": [Say(b"550 5.7.1 no")], "RCPT": [Say(b"nonsense")]},
    ],
)
@running
async def test_a_refusal_is_the_answer_whatever_comes_behind_it(script):
    with SmtpServer(script=script) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == declined(Stage.MAIL, Reply(550, "5.7.1", "no"))
        connection.abandon()
    assert server.letters == []


@BOTH
@running
async def test_421_declines_and_closes(offers):
    with SmtpServer(script={"RCPT": [Drop(b"421 4.7.0 too many messages\r\n")]}, offers=offers) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == declined(Stage.RCPT, Reply(421, "4.7.0", "too many messages"))
        assert not connection.usable


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        ({"MAIL": [Say(b"354 what")]}, Stage.MAIL),
        ({"RCPT": [Say(b"354 what")]}, Stage.RCPT),
        ({"DATA": [Say(b"250 what")]}, Stage.DATA),
        ({"DATA": [Say(b"350 what")]}, Stage.DATA),
    ],
)
@BOTH
@running
async def test_an_answer_that_is_none_breaks_the_dialogue(offers, script, stage):
    with SmtpServer(script=script, offers=offers) as server:
        connection = await opened(server)
        with pytest.raises(Trouble, match="this is no answer") as caught:
            await connection.offer(envelope())
        assert caught.value.stage is stage
        assert not connection.usable
    assert server.letters == []


@BOTH
@running
async def test_a_refused_reset_breaks_the_dialogue(offers):
    script = {"RCPT": [Say(b"550 5.1.1 no")], "RSET": [Say(b"502 5.5.1 no")]}
    with SmtpServer(script=script, offers=offers) as server:
        connection = await opened(server)
        assert (await connection.offer(envelope(0))).stage is Stage.RCPT
        with pytest.raises(Trouble, match="RSET") as caught:
            await connection.offer(envelope(1))
        assert caught.value.stage is Stage.MAIL


@running
async def test_size_is_told_and_the_relay_decides():
    with SmtpServer(offers=("PIPELINING", "SIZE 1000")) as server:
        connection = await opened(server)
        answer = await connection.offer(envelope(size=5000))
        assert answer == declined(Stage.MAIL, Reply(552, "5.3.4", "Message size exceeds fixed limit"))
        assert await connection.offer(envelope(size=900)) == Ready()
        assert (await connection.content(LETTER)).code == 250
        await connection.quit()
    assert "MAIL FROM:<campaign@library.example> SIZE=5000" in server.commands


@running
async def test_smtputf8_where_it_is_offered():
    with SmtpServer() as server:
        connection = await opened(server)
        assert await connection.offer(envelope(recipient="jörg@un.example")) == Ready()
        assert (await connection.content(LETTER)).code == 250
        await connection.quit()
    assert server.letters[0].recipients == ("jörg@un.example",)
    assert " SMTPUTF8" in server.commands[1]


@running
async def test_a_message_whose_header_holds_an_address_in_utf8_goes_where_smtputf8_is_offered():
    content = "To: <zoë@mail.example>\r\nSubject: x\r\n\r\ny\r\n".encode()
    with SmtpServer() as server:
        connection = await opened(server)
        wide = replace(envelope(size=len(content)), smtputf8=True)
        assert await connection.offer(wide) == Ready()
        assert (await connection.content(content)).code == 250
        await connection.quit()
    assert server.letters[0].data == content


@running
async def test_smtputf8_where_it_is_not_offered():
    with SmtpServer(offers=("PIPELINING",)) as server:
        connection = await opened(server)
        answer = await connection.offer(envelope(recipient="jörg@un.example"))
        assert (answer.stage, answer.reply.code, answer.reply.enhanced) == (Stage.MAIL, 0, "5.6.7")
        assert connection.usable
        assert await connection.offer(envelope(0)) == Ready()
        assert (await connection.content(LETTER, envelope(recipient="jörg@un.example"))).code == 250
        answer = await connection.offer(envelope(recipient="jörg@un.example"))
        assert answer.reply.enhanced == "5.6.7"
        await connection.quit()
    assert server.said("MAIL") == 1


# -- unasked replies


@running
async def test_421_while_idle_is_told_at_the_next_offer():
    with SmtpServer(script=SCENARIOS["closing_after_first"]) as server:
        connection = await opened(server)
        assert await connection.offer(envelope(0)) == Ready()
        assert (await connection.content(LETTER)).code == 250
        with pytest.raises(Trouble, match="not asked for") as caught:
            await connection.offer(envelope(1))
        assert (caught.value.stage, caught.value.reply) == (Stage.MAIL, Reply(421, "4.4.2", "idle too long"))
        assert not connection.usable
    assert server.accepted == [LETTER]


@running
async def test_an_unasked_250_behind_354_is_not_taken_for_the_answer_to_content():
    with SmtpServer(script={"DATA": [Then(b"250 2.0.0 queued already\r\n")]}) as server:
        connection = await opened(server)
        try:
            answer = await connection.offer(envelope())
            assert answer == Ready()
            with pytest.raises(Trouble, match="not asked for") as caught:
                await connection.content(LETTER)
        finally:
            connection.abandon()
        assert caught.value.stage is Stage.CONTENT
    assert server.letters == []


@running
async def test_half_a_reply_behind_354_is_not_the_beginning_of_the_answer_to_content():
    with SmtpServer(script={"DATA": [Then(b"25")]}) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == Ready()
        with pytest.raises(Trouble, match="not asked for") as caught:
            await connection.content(LETTER)
        assert caught.value.stage is Stage.CONTENT
    assert server.letters == []


@running
async def test_a_lone_dot_that_is_not_answered():
    script = {"RCPT": [Say(b"550 5.1.1 no")], "DATA": [Drop(b"354 go\r\n")]}
    with SmtpServer(script=script, lenient=True) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == declined(Stage.RCPT, Reply(550, "5.1.1", "no"))
        await comes(lambda: not connection.usable)
    assert server.letters == []


@running
async def test_an_early_reply_to_half_written_content_stops_it():
    big = b"x" * 70 + b"\r\n"
    script = {"CONTENT": [Drop(b"552 5.3.4 too big already\r\n")]}
    with SmtpServer(script=script, receive_buffer=4096) as server:
        connection = await opened(server)
        assert await connection.offer(envelope()) == Ready()
        with pytest.raises(Trouble) as caught:
            await connection.content(big * 300_000)
        assert caught.value.stage is Stage.CONTENT
        assert not connection.usable
    assert server.letters == []


@BOTH
@running
async def test_replies_that_come_octet_by_octet(offers):
    slow = {
        "MAIL": Always(Drip(b"250-2.1.0 one\r\n250 2.1.0 two")),
        "DATA": Always(Drip(b"354 go")),
        "DOT": Always(Drip(b"250-2.0.0 taken\r\n250 2.0.0 as 7")),
    }
    with SmtpServer(script=slow, offers=offers) as server:
        connection = await opened(server)
        for number in range(3):
            assert await connection.offer(envelope(number)) == Ready()
            assert await connection.content(LETTER, envelope(number + 1)) == Reply(250, "2.0.0", "taken as 7")
        connection.abandon()
    assert server.accepted == [LETTER] * 3
