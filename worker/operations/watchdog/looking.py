"""The watchdog: looks at the house every half minute, keeps the book of alarms, and tells operators.

    watchdog = open_watchdog(home)           # wiring's
    keep_looking(watchdog, stop)             # until `stop` is set

A look reads what needs somebody (`operations.needs`), notes it, and writes one mail for all that is to be said. What must
be acted on is told at once, again after `alarms.repeat`, then after twice as long; its end is told too. What is only
worth a look stands in those mails and in the daily summary. Everything is said in the log.

It shares nothing with the workers' way: no Celery, no rounds, no lanes. Any number may run; the ledger's alarms are their
common book, so that each alarm is told once. While the ledger is away each watchdog keeps that alarm by itself.

An alarm is over when nobody has found it for two looks: what flickers is told once.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.domain.clock import Clock, from_us, to_us
from worker.domain.errors import LettershopError
from worker.ledger import alarms, samples
from worker.ledger.alarms import SUMMARY, Alarm
from worker.ledger.book import Ledger
from worker.operations.fleet import TICK_S, Presence
from worker.operations.needs import Need, Parts, in_order, look_over
from worker.operations.needs.machines import ALARMS_MEND
from worker.operations.reload import Reloading
from worker.operations.watchdog import words
from worker.operations.watchdog.absence import Absence
from worker.operations.watchdog.rarely import Rarely
from worker.operations.watchdog.summary import Plan, summary
from worker.operations.watchdog.telling import Mailer
from worker.operations.watchdog.words import Telling
from worker.settings import Home

LOOK_S = 30.0
TELLING_US = 180_000_000
"""How long a watchdog may take for a mail before another one tries."""

_UNSEEN = 1.9
"""Looks without it after which an alarm is over: two, and never one that came a little early."""

_OWN = frozenset({"disk", "broker", "pacing", "quota", "audit", "too-late", "alarms"})
"""Kinds that another watchdog may find while this one does not: one that looks more often waits for it."""

log = logging.getLogger("lettershop.watchdog")


@dataclass(slots=True)
class Watchdog:
    """See above. `open_ledger` raises what opening raises; `ask` gets the ledger, None while it is away.

    `mailer_of` gives None where no operator is to be told by mail. `config` follows the home's files, and `foresee` says in
    a sentence until when what waits will be done, each if it is given.
    """

    home: Home
    open_ledger: Callable[[], Ledger]
    ask: Callable[[Home, Ledger | None], Parts]
    mailer_of: Callable[[Home], Mailer | None]
    clock: Clock
    look_s: float = LOOK_S
    config: Reloading | None = None
    foresee: Callable[[Home, Ledger], str] | None = None
    rarely: Rarely = field(default_factory=Rarely)
    mailer: Mailer | None = field(init=False)
    _ledger: Ledger | None = None
    _presence: Presence | None = None
    _absence: Absence = field(default_factory=Absence)
    _mail_trouble: str = ""

    def __post_init__(self) -> None:
        self.mailer = self.mailer_of(self.home)

    def beat(self) -> None:
        """Say that it is there, as every process does, and take a config that was changed."""
        if self.config is None:
            return
        if (fresh := self.config.look()) is not None:
            self.home, self.mailer = fresh, self.mailer_of(fresh)
            self.config.took(fresh)
        if self._ledger is None:
            return
        with contextlib.suppress(LettershopError):  # the next look tells
            if self._presence is None:
                presence = Presence(self._ledger, self.home.var, "watchdog", clock=self.clock)
                presence.arrive(self.config.hash)
                self._presence = presence
            self._presence.beat(self.config.hash, self.config.trouble)

    def look(self) -> list[Need]:
        """One look; what needs somebody, worst first. A fault of ours is said, and ends no watch."""
        ledger = self._opened()
        parts = self.ask(self.home, ledger if isinstance(ledger, Ledger) else None)
        found = look_over(ledger, self.home, parts)
        if isinstance(ledger, Ledger) and not _away(found):
            try:
                found = in_order([*found, *self._own(), *self.rarely.look(ledger, self.home, self.clock.monotonic())])
                self._keep(ledger, found, parts)
            except LettershopError as exc:  # it went while we looked, or takes no writes
                found = look_over(exc, self.home, parts)
        self._tell_of_absence(_away(found), found)
        return found

    def close(self) -> None:
        """Say that it ends, and give back the ledger's connections."""
        if self._presence is not None:
            with contextlib.suppress(LettershopError):
                self._presence.leave()
        if self._ledger is not None:
            self._ledger.close()

    def _opened(self) -> Ledger | LettershopError:
        if self._ledger is None:
            try:
                self._ledger = self.open_ledger()
            except LettershopError as exc:
                return exc
        return self._ledger

    def _own(self) -> list[Need]:
        """What this watchdog knows of itself: operators who cannot be told."""
        if not self._mail_trouble:
            return []
        text = f"The watchdog on {socket.gethostname()} cannot write to operators: {self._mail_trouble}"
        return [Need("alarms", socket.gethostname(), text, None, "watch", ALARMS_MEND)]

    # -- the book -----------------------------------------------------------------------------------------------------
    def _keep(self, ledger: Ledger, found: Sequence[Need], parts: Parts) -> None:
        """Note what was found and what is over, and tell what is to be told."""
        with ledger.write() as connection:
            at_us = ledger.now_us()
            for need in found:
                since_us = to_us(need.since) if need.since else at_us
                if alarms.found(connection, at_us, need.kind, need.target, need.text, since_us):
                    self._log(need)
            unknown = {"quota"} if parts.pacing else set()
            for pause_s, but in ((self.look_s, unknown | _OWN), (max(self.look_s, LOOK_S), unknown)):
                for over in alarms.clear_unseen(connection, at_us, at_us - round(_UNSEEN * pause_s * 1e6), but):
                    log.info("over: %s", over.text, extra={"kind": over.kind, "target": over.target})
        if self.mailer is not None:
            self._tell(ledger, self.mailer, found)
            self._summarize(ledger, self.mailer, found)

    def _log(self, need: Need) -> None:
        level = logging.WARNING if need.severity == "act" else logging.INFO
        extra = {"kind": need.kind, "target": need.target, "severity": need.severity, "letters": need.letters}
        log.log(level, "%s (mend it: %s)", need.text, need.mend, extra=extra)

    def _tell(self, ledger: Ledger, mailer: Mailer, found: Sequence[Need]) -> None:
        """One mail for all that is new, was not told for long, or is over."""
        taken = self._take(ledger, {need.key: need for need in found if need.severity == "act"})
        if not taken:
            return
        telling = _telling(taken, found)
        accepted = False
        try:
            accepted = self._mail(mailer, telling)
        finally:
            with ledger.write() as connection:
                for alarm in taken:
                    if accepted:
                        alarms.told(connection, ledger.now_us(), alarm)
                    else:
                        alarms.not_told(connection, alarm)

    def _take(self, ledger: Ledger, acts: dict[tuple[str, str], Need]) -> list[Alarm]:
        """Those that are for this watchdog to tell now: no other one has taken them."""
        with ledger.write() as connection:
            at_us = ledger.now_us()
            due = [alarm for alarm in alarms.standing(connection) if alarm.key in acts and self._due(alarm, at_us)]
            wanted = [*due, *alarms.ends_untold(connection)]
            return [alarm for alarm in wanted if alarms.take(connection, at_us, alarm, at_us + TELLING_US)]

    def _due(self, alarm: Alarm, at_us: int) -> bool:
        return not alarm.told or at_us >= (alarm.told_us or 0) + to_us_span(self._pause(alarm.told))

    def _pause(self, told: int) -> timedelta:
        """How long after its `told`-th mail an alarm is told again."""
        return self.home.settings.alarms.repeat * (1 << min(told - 1, 10))

    def _mail(self, mailer: Mailer, telling: Telling) -> bool:
        settings, now = self.home.settings, self.clock.now()
        pages = settings.ops.url or settings.base_url
        return self._send(
            mailer, words.subject(settings.mode, telling), words.body(str(self.home.root), telling, now, pages)
        )

    def _send(self, mailer: Mailer, subject: str, text: str) -> bool:
        sent = mailer.send(subject, text, self.clock.now())
        if sent.trouble and sent.trouble != self._mail_trouble:
            log.warning("a mail to operators: %s", sent.trouble)
        self._mail_trouble = sent.trouble
        return sent.accepted

    # -- the daily summary --------------------------------------------------------------------------------------------
    def _summarize(self, ledger: Ledger, mailer: Mailer, found: Sequence[Need]) -> None:
        plan = Plan.of(self.home.settings.alarms)
        at = from_us(ledger.now_us())
        day = plan.due(at) if plan is not None else None
        if plan is None or day is None:
            return
        with ledger.read() as connection:
            if samples.birth(connection).taken_us >= plan.span(day)[1]:  # of that day there is nothing to tell
                return
        mine = self._take_summary(ledger, day.isoformat())
        if mine is None:
            return
        accepted = False
        try:
            ends = self._forecast(ledger)
            with ledger.read() as connection:
                text = summary(connection, plan, day, found, ends)
            foot = words.foot(str(self.home.root), at, self.home.settings.ops.url or self.home.settings.base_url)
            subject = f"[lettershop {self.home.settings.mode}] summary of {day:%A %d %B}"
            accepted = self._send(mailer, subject, f"{text}\n\n\n{foot}")
        finally:
            with ledger.write() as connection:
                if accepted:
                    alarms.told(connection, ledger.now_us(), mine)
                else:
                    alarms.not_told(connection, mine)
        if accepted:
            log.info("the summary of %s was sent", day)

    def _forecast(self, ledger: Ledger) -> str:
        """Until when what waits will be done, in a sentence; "" where that cannot be told now."""
        with contextlib.suppress(LettershopError):
            return self.foresee(self.home, ledger) if self.foresee is not None else ""
        return ""

    def _take_summary(self, ledger: Ledger, day: str) -> Alarm | None:
        """The summary of this day, if it is for this watchdog to write."""
        with ledger.read() as connection:
            seen = alarms.one(connection, SUMMARY, day)
        if seen is not None and seen.told:
            return None
        with ledger.write() as connection:
            at_us = ledger.now_us()
            alarms.found(connection, at_us, SUMMARY, day, "", at_us)
            alarms.clear(connection, at_us, SUMMARY, day)
            mine = alarms.one(connection, SUMMARY, day)
            if mine is None or mine.told or not alarms.take(connection, at_us, mine, at_us + TELLING_US):
                return None
            return mine

    # -- the ledger is away -------------------------------------------------------------------------------------------
    def _tell_of_absence(self, need: Need | None, found: Sequence[Need]) -> None:
        """Without a ledger there is no book: this alarm each watchdog keeps by itself."""
        step = self._absence.step(need, self.clock, self._pause)
        if step.begun and need is not None:
            self._log(need)
        if step.ended:
            log.info("over: the ledger is back")
        if self.mailer is None or not step.tell:
            return
        since = step.since
        if need is not None:
            others, pair = [other for other in found if other.key != need.key], [(need, since)]
            telling = Telling(new=[] if step.told else pair, still=pair if step.told else [], watch=others)
        else:
            text = "The ledger cannot be used, and nothing is sent"
            telling = Telling(over=[Alarm(0, "ledger", "", text, to_us(since), 0, None, 1, 0, None)])
        if self._mail(self.mailer, telling):
            self._absence.was_told(self.clock, over=need is None)


def keep_looking(watchdog: Watchdog, stop: threading.Event) -> None:
    """Look again and again until `stop` is set. The first look comes one pause after the start: a stack comes up first."""
    clock, pause = watchdog.clock, min(TICK_S, watchdog.look_s)
    next_look = clock.monotonic() + watchdog.look_s
    while not stop.wait(pause):
        try:
            if clock.monotonic() >= next_look - pause / 2:
                next_look = clock.monotonic() + watchdog.look_s
                watchdog.look()
            watchdog.beat()
        except Exception:  # a fault of ours: a watchdog that dies of it would watch nothing any more
            log.exception("a look failed")


def to_us_span(span: timedelta) -> int:
    """A length of time in microseconds."""
    return span // timedelta(microseconds=1)


def _away(found: Iterable[Need]) -> Need | None:
    return next((need for need in found if need.kind == "ledger"), None)


def _telling(taken: Sequence[Alarm], found: Sequence[Need]) -> Telling:
    """The alarms that were taken as a mail's parts, in the order of the needs."""
    mine = {alarm.key: alarm for alarm in taken if alarm.cleared_us is None}

    def told(again: bool) -> list[tuple[Need, datetime]]:
        return [
            (need, from_us(mine[need.key].since_us))
            for need in found
            if need.key in mine and bool(mine[need.key].told) == again
        ]

    return Telling(
        new=told(again=False),
        still=told(again=True),
        over=[alarm for alarm in taken if alarm.cleared_us is not None],
        watch=[need for need in found if need.severity == "watch"],
    )
