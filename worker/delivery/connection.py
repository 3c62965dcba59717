"""One SMTP connection to a relay, in steps: `offer` an envelope, hand over its `content`, and again.

It promises:
- Content is written at most once per `offer`, and only after the relay answered 354 to it.
- `content` ends with the relay's reply, or with a `Trouble` that says which side of the final dot it struck.
  Stage CONTENT: the kernel took nothing from the dot on (`Wire`), so the letter was not sent. Stage DOT: it may have been.
- `following` lets the next letter's MAIL, RCPT and DATA travel with this letter's dot (RFC 2920), never its content.
- A dot without content is written only where no recipient was accepted (RFC 2920 section 3.1); otherwise a letter that
  shall not be sent after 354 costs the connection (`abandon`).
- After a trouble, a 421 or a surprise the connection is closed and `usable` is False.

It does not decide anything: what a reply means is `classify`'s. One task at a time may use it. A task cancelled in
`content` closes the connection; `stage` then says whether the dot may have gone.
"""

import contextlib
from typing import Self

from worker.delivery import commands
from worker.delivery.dialogue import Broken, Dialogue, Heard
from worker.delivery.opening import Opened, open_dialogue
from worker.delivery.replies import Raw, hide, to_reply
from worker.delivery.values import DEFAULT_TIMEOUTS, Declined, Envelope, Extensions, Ready, Target, Timeouts, Trouble
from worker.domain.clock import Clock, SystemClock
from worker.domain.verdict import Reply, Stage

_READY = Ready()
_START = 354
_CLOSING = 421
_OK = 2
_DECLINES = (4, 5)
_MILLION = 1_000_000


class Connection:
    """See above.

    `extensions` is what the relay offered. `opening` holds the microseconds of each step of opening it, `steps` those of
    the last letter (mail, rcpt, data, content, dot), a new dict for each.
    """

    def __init__(self, opened: Opened, timeouts: Timeouts, clock: Clock) -> None:
        self.extensions: Extensions = opened.extensions
        self.opening: dict[str, int] = opened.steps
        self.steps: dict[str, int] = {}
        self._stage = Stage.EHLO
        self._mark: int | None = None  # while content is written: the wire's count at which the dot begins
        self._dialogue: Dialogue = opened.dialogue
        self._timeouts, self._clock = timeouts, clock
        self._opened_at = self._last = clock.monotonic()
        self._envelope: Envelope | None = None  # the one that was answered 354
        self._ahead: Envelope | None = None  # the one whose commands went along with the last dot
        self._reset_first = False  # the last transaction may still be open on the relay's side

    @classmethod
    async def open(
        cls,
        target: Target,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Clock | None = None,
        heard: Heard | None = None,
    ) -> Self:
        """Connect, secure, log in; `heard` is told every reply. Raises `Trouble`, stage CONNECT to AUTH."""
        clock = clock or SystemClock()
        return cls(await open_dialogue(target, timeouts, clock, heard), timeouts, clock)

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return self._clock.monotonic() - self._opened_at

    @property
    def usable(self) -> bool:
        """Whether a further `offer` makes sense."""
        return self._dialogue.broken is None

    @property
    def stage(self) -> Stage:
        """How far the dialogue has come. The one place where the two sides of the final dot part."""
        if self._mark is None:
            return self._stage
        return Stage.DOT if self._dialogue.wire.taken > self._mark else Stage.CONTENT

    async def offer(self, envelope: Envelope) -> Ready | Declined:
        """Ask the relay to take a letter. Raises `Trouble`, stage MAIL, RCPT or DATA: nothing was sent.

        `Declined` with a reply of code 0 was decided here: the relay was not asked.
        """
        other, ahead = self._envelope, self._ahead
        self._ahead, self.steps = None, {}
        if other is not None or ahead not in (None, envelope):
            self.abandon()  # the relay waits for content that will not come: only closing ends that
            raise Trouble(Stage.MAIL, "another letter was under way on this connection")
        if ahead is not None:
            return self._ready_at_once(envelope) or await self._collect(envelope)
        if (declined := commands.unfit(envelope, self.extensions)) is not None:
            return declined
        self._last = self._clock.monotonic()
        self._dialogue.poll()
        if (broken := self._dialogue.quiet()) is not None:
            self._stage, self._mark = Stage.MAIL, None
            raise self._trouble(broken)
        if not self.extensions.pipelining:
            return await self._one_by_one(envelope)
        await self._send(commands.group(envelope, self.extensions), 3)
        return await self._collect(envelope)

    async def content(self, data: bytes, following: Envelope | None = None) -> Reply:
        """Write the content of the letter that was just answered 354, and wait for the relay's reply to its final dot.

        `data`: 7-bit lines ended by CRLF, not dot-stuffed. With `following` and PIPELINING the next letter's commands go
        along; `offer(following)` then only collects their replies. Raises `Trouble`, stage CONTENT or DOT.
        """
        envelope, self._envelope = self._envelope, None
        assert envelope is not None, "content without a 354"
        self._stage = Stage.CONTENT
        if reason := commands.unfit_content(data, utf8=commands.needs_smtputf8(envelope)):
            self.abandon()
            raise Trouble(Stage.CONTENT, "not written", Reply(0, "5.6.0", f"not written: {reason}"))
        if (broken := self._dialogue.quiet()) is not None:  # a stray reply does not answer what comes after it
            raise self._trouble(broken)
        tail, replies = commands.DOT, 1
        if following is not None and self._can_go_along(following):
            tail, replies, self._ahead = tail + commands.group(following, self.extensions), 4, following
        return self._final(await self._write(commands.stuff(data), tail, replies), envelope)

    def abandon(self) -> None:
        """Close without a dot: no letter whose content has not been answered is sent by this connection any more."""
        self._close(reset=True)

    async def quit(self) -> None:
        """Say goodbye where that is possible, and close. Never raises for what the relay does."""
        if self.usable and self._envelope is None and self._ahead is None:
            self._dialogue.send(b"QUIT\r\n", 1)
            with contextlib.suppress(Broken):
                await self._dialogue.answer(self._timeouts.quit)
        self._close(reset=False)

    def _close(self, *, reset: bool) -> None:
        self._envelope = self._ahead = None
        self._dialogue.close(reset=reset)

    # -- content

    def _can_go_along(self, following: Envelope) -> bool:
        return self.extensions.pipelining and commands.unfit(following, self.extensions) is None

    async def _write(self, head: bytes, tail: bytes, replies: int) -> Raw:
        begun = self._clock.monotonic()
        self._mark = self._dialogue.send_content(head, tail, replies)
        try:
            answer = await self._dialogue.answer_to_content(self._timeouts.block, self._timeouts.dot)
        except Broken as exc:
            raise self._trouble(exc) from None
        written, self._last = self._dialogue.passed_at, answer[1]
        self.steps["content"] = _us(written - begun)
        self.steps["dot"] = _us(self._last - written)
        return answer[0]

    def _final(self, raw: Raw, envelope: Envelope) -> Reply:
        reply = hide(to_reply(raw), envelope.recipient)
        kind = raw.code // 100
        if kind != _OK and kind not in _DECLINES:
            self.abandon()
            raise Trouble(Stage.DOT, "this is no answer to content", reply)
        if raw.code == _CLOSING:
            self.abandon()
        return reply

    # -- the transaction before it

    async def _one_by_one(self, envelope: Envelope) -> Ready | Declined:
        """RFC 5321 section 3.3, each command waiting for its reply."""
        if self._reset_first:
            await self._send(b"", 0)
        for stage, command in (
            (Stage.MAIL, commands.mail(envelope, self.extensions)),
            (Stage.RCPT, commands.rcpt(envelope)),
            (Stage.DATA, b"DATA\r\n"),
        ):
            self._dialogue.send(command, 1)
            raw = await self._answer(stage)
            if not _goes_on(stage, raw):
                return self._declined(stage, raw, envelope)
        self._envelope = envelope
        return _READY

    async def _send(self, group: bytes, replies: int) -> None:
        """Send a group of commands, with RSET before them where the last transaction may still be open."""
        if not self._reset_first:
            self._dialogue.send(group, replies)
            return
        self._reset_first = False
        self._dialogue.send(b"RSET\r\n" + group, 1 + replies)
        raw = await self._answer(Stage.MAIL)
        if raw.code // 100 != _OK:
            self.abandon()
            raise Trouble(Stage.MAIL, "the relay does not accept RSET", to_reply(raw))

    async def _collect(self, envelope: Envelope) -> Ready | Declined:
        """The replies to a group of MAIL, RCPT and DATA, all of which must be read (RFC 2920 section 3.1)."""
        declined: Declined | None = None
        gone_on: list[Stage] = []
        for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA):
            try:
                raw = await self._answer(stage)
                if _goes_on(stage, raw):
                    gone_on.append(stage)
                    continue
                refusal = self._declined(stage, raw, envelope)
            except Trouble:
                if declined is None:
                    raise
                return declined  # it refused and then broke off: the refusal is the answer
            declined = declined or refusal
            if not self.usable:
                return declined
        if declined is None:
            self._envelope = envelope
            return _READY
        if Stage.DATA in gone_on:
            await self._end_empty(taken=Stage.RCPT in gone_on)
        return declined

    def _ready_at_once(self, envelope: Envelope) -> Ready | None:
        """The usual case without a wait: all three replies came along with the answer to the last content, and agree."""
        answers = self._dialogue.at_hand(3)
        if answers is None:
            return None
        (mail, mail_at), (rcpt, rcpt_at), (data, data_at) = answers
        if mail.code // 100 != _OK or rcpt.code // 100 != _OK or data.code != _START:
            self._dialogue.put_back(answers)
            return None
        self.steps = {"mail": _us(mail_at - self._last), "rcpt": _us(rcpt_at - mail_at), "data": _us(data_at - rcpt_at)}
        self._stage, self._mark, self._last, self._envelope = Stage.DATA, None, data_at, envelope
        return _READY

    async def _end_empty(self, *, taken: bool) -> None:
        """The relay waits for content of a letter it declined. Without any recipient a lone dot ends that."""
        if taken:
            self.abandon()
            return
        self._dialogue.send(commands.DOT, 1)
        try:
            await self._answer(Stage.DATA, self._timeouts.dot)
        except Trouble:
            self.abandon()

    def _declined(self, stage: Stage, raw: Raw, envelope: Envelope) -> Declined:
        reply = hide(to_reply(raw), envelope.recipient)
        if raw.code // 100 not in _DECLINES:
            self.abandon()
            raise Trouble(stage, "this is no answer to the command", reply)
        self._reset_first = stage is not Stage.MAIL
        if raw.code == _CLOSING:
            self.abandon()
        return Declined(stage, reply)

    async def _answer(self, stage: Stage, seconds: float = 0.0) -> Raw:
        self._stage, self._mark = stage, None
        try:
            raw, at = await self._dialogue.answer(
                seconds or (self._timeouts.data if stage is Stage.DATA else self._timeouts.command)
            )
        except Broken as exc:
            raise self._trouble(exc) from None
        self._lap(stage, at)
        return raw

    def _trouble(self, broken: Broken) -> Trouble:
        return Trouble(self.stage, broken.reason, to_reply(broken.raw) if broken.raw else None)

    def _lap(self, step: Stage, now: float) -> None:
        self.steps[step] = self.steps.get(step, 0) + _us(now - self._last)
        self._last = now


def _us(seconds: float) -> int:
    return int(seconds * _MILLION) if seconds > 0 else 0


def _goes_on(stage: Stage, raw: Raw) -> bool:
    return raw.code == _START if stage is Stage.DATA else raw.code // 100 == _OK
