"""The watchdog over a real ledger and a real SMTP server: told once, again sparingly, and when it is over."""

import email
import email.policy

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.integration.operations.watchdog.scene import MINUTE, SECOND, Asked, Clock, execute, open_home, process
from tests.smtp_server import Always, Drop, Hang, Reset, Say, SmtpServer
from worker.delivery import Target
from worker.domain.clock import from_us, to_us
from worker.domain.errors import Failed
from worker.ledger import alarms
from worker.ledger.book import Ledger
from worker.operations.needs import Need, Parts
from worker.operations.watchdog import Mailer, Watchdog
from worker.operations.watchdog.rarely import Rarely

OPERATORS = ("first@operators.example", "second@operators.example")
FROM = "alarms@campaign.example"


class Scene:
    """Watchdogs on one ledger whose clock, and theirs, is moved by hand."""

    def __init__(self, world: World, root) -> None:
        self.world, self.clock = world, Clock(from_us(world.ledger.now_us()))
        self.home = open_home(world, root, to=OPERATORS, sender=FROM, summary="")
        self.ask = Asked()
        self.ledger = Ledger.open(world.ledger.url, world.keys, "rehearsal", clock=self.clock)
        self.away = False
        self.dogs: list[Watchdog] = []

    def open_ledger(self) -> Ledger:
        if self.away:
            raise Failed("it does not answer")
        return Ledger.open(self.world.ledger.url, self.world.keys, "rehearsal", clock=self.clock)

    def watchdog(self, *ports: int, **changes) -> Watchdog:
        targets = [Target(f"relay-{n}", "127.0.0.1", port) for n, port in enumerate(ports, 1)]
        mailer = Mailer("rehearsal", FROM, OPERATORS, lambda: targets, step_s=2.0, whole_s=1.0)
        dog = Watchdog(
            **{
                "home": self.home,
                "open_ledger": self.open_ledger,
                "ask": self.ask,
                "mailer_of": lambda _: mailer if ports else None,
                "clock": self.clock,
                "rarely": Rarely(),
            }
            | changes
        )
        self.dogs.append(dog)
        return dog

    def looks(self, n: int, *dogs: Watchdog) -> list[Need]:
        found: list[Need] = []
        for _ in range(n):
            self.clock.move(30)
            for dog in dogs:
                found = dog.look()
        return found

    def broken_disk(self, free: int = 10) -> None:
        process(self.world, disk_free=free, seen_at=to_us(self.clock.now()) + 3600 * SECOND)

    def rows(self, what: str = "*"):
        with self.world.ledger.read() as connection:
            return connection.execute(sa.text(f"SELECT {what} FROM alarms ORDER BY id")).all()


@pytest.fixture
def scene(world, tmp_path):
    made = Scene(world, tmp_path)
    yield made
    made.ledger.close()
    for dog in made.dogs:
        dog.close()


def letters(server: SmtpServer):
    return [email.message_from_bytes(data, policy=email.policy.default) for data in server.accepted]


def subjects(server: SmtpServer) -> list[str]:
    return [letter["Subject"].strip() for letter in letters(server)]


def test_told_once_repeated_sparingly_and_over(scene: Scene) -> None:
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        scene.looks(3, dog)
        assert server.letters == []
        scene.broken_disk()
        scene.looks(3, dog)
        assert len(server.letters) == 1, "told once"
        text = letters(server)[0].get_content()
        assert "The disk of alpha is nearly full" in text
        assert "mend it df -h" in text
        for hours, told in ((3.9, 1), (0.2, 2), (7.7, 2), (0.4, 3), (15.5, 3), (0.7, 4)):
            scene.clock.move(hours * 3600)
            scene.broken_disk()
            scene.looks(1, dog)
            assert len(server.letters) == told, f"after {hours} hours more"
        assert "still needs you" in subjects(server)[-1]
        scene.broken_disk(free=500)
        scene.looks(1, dog)
        assert len(server.letters) == 4, "over for one look only"
        scene.looks(4, dog)
        assert len(server.letters) == 5, "the all-clear, once"
        assert subjects(server)[-1].startswith("[lettershop rehearsal] over: The disk of alpha")
    assert [(row.told, row.cleared_at is not None, row.clear_told_at is not None) for row in scene.rows()] == [
        (4, True, True)
    ]


def test_what_flickers_is_told_once(scene: Scene) -> None:
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        for _ in range(5):
            scene.broken_disk()
            scene.looks(1, dog)
            scene.broken_disk(free=500)
            scene.looks(1, dog)
        assert len(server.letters) == 1
        assert len(scene.rows()) == 1


def test_the_mail_goes_to_nobody_real_in_rehearsal(scene: Scene) -> None:
    with SmtpServer() as server:
        scene.broken_disk()
        scene.looks(1, scene.watchdog(server.port))
        (got,) = server.letters
    assert got.recipients == ("operator-1@rehearsal.invalid", "operator-2@rehearsal.invalid")
    assert got.sender == FROM
    (letter,) = letters(server)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].startswith("<alarm.")
    assert letter.get_content_type() == "text/plain"


def test_all_that_is_new_is_one_mail(scene: Scene) -> None:
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        process(scene.world, disk_free=1, skew_us=60 * SECOND, seen_at=to_us(scene.clock.now()) + 3600 * SECOND)
        scene.ask.parts = Parts(broker="nobody listens")
        scene.looks(2, dog)
        (letter,) = letters(server)
    assert "(and 2 more)" in letter["Subject"]
    text = letter.get_content()
    assert all(words in text for words in ("disk of alpha", "clock of alpha", "nobody listens"))


def test_what_is_only_worth_a_look_writes_no_mail(scene: Scene) -> None:
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        process(scene.world, seen_at=to_us(scene.clock.now()))
        found = scene.looks(4, dog)
        assert [(need.kind, need.severity) for need in found] == [("process", "watch")]
        assert server.letters == []
        assert [row.kind for row in scene.rows()] == ["process"]
        scene.ask.parts = Parts(broker="nobody listens")
        scene.looks(1, dog)
        assert "Worth a look too" in letters(server)[0].get_content()


def test_two_watchdogs_tell_once(scene: Scene) -> None:
    with SmtpServer() as server:
        dogs = scene.watchdog(server.port), scene.watchdog(server.port)
        scene.broken_disk()
        scene.looks(5, *dogs)
        assert len(server.letters) == 1
        scene.broken_disk(free=500)
        scene.looks(5, *dogs)
        assert len(server.letters) == 2
    assert len(scene.rows()) == 1


def test_two_at_the_same_instant(scene: Scene) -> None:
    """Each has read the alarm as untold; one of them takes it."""
    at = to_us(scene.clock.now())
    with scene.ledger.write() as connection:
        assert alarms.found(connection, at, "disk", "alpha", "full", at)
        assert not alarms.found(connection, at, "disk", "alpha", "full", at)
        (seen,) = alarms.standing(connection)
    with scene.ledger.write() as connection:
        assert alarms.take(connection, at, seen, at + 3 * MINUTE)
    with scene.ledger.write() as connection:
        assert not alarms.take(connection, at + MINUTE, seen, at + 4 * MINUTE)
        assert alarms.take(connection, at + 3 * MINUTE, seen, at + 6 * MINUTE), "the first one died with it"
        alarms.told(connection, at, seen)
        assert not alarms.take(connection, at + 10 * MINUTE, seen, at + 12 * MINUTE), "it was told meanwhile"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"MAIL": Always(Say(b"550 5.7.1 not you"))}, "550 5.7.1 not you"),
        ({"RCPT": Always(Say(b"550 5.1.1 <operator-1@rehearsal.invalid> unknown"))}, "every operator was refused"),
        ({"DOT": Always(Say(b"451 4.3.0 later"))}, "451 4.3.0 later"),
        ({"GREETING": Always(Reset())}, "it closed the connection"),
        ({"GREETING": Always(Hang())}, "not done within 1 s"),
        ({"DOT": Always(Drop())}, "it closed the connection"),
    ],
)
def test_a_relay_that_takes_nothing(scene: Scene, script, words) -> None:
    with SmtpServer(script=script) as server:
        dog = scene.watchdog(server.port)
        scene.broken_disk()
        found = scene.looks(2, dog)
        mine = [need for need in found if need.kind == "alarms"]
        assert len(mine) == 1
        assert mine[0].severity == "watch"
        assert words in mine[0].text
        assert "operator-1@" not in mine[0].text
        assert scene.rows("told")[0].told == 0
    with SmtpServer() as server:
        dog.mailer = scene.watchdog(server.port).mailer
        scene.looks(1, dog)
        assert len(server.letters) == 1, "told at the next look"
        assert "alarms" not in [need.kind for need in scene.looks(1, dog)]


def test_the_next_relay_stands_in(scene: Scene) -> None:
    with SmtpServer() as closed:
        pass
    with SmtpServer() as server:
        dog = scene.watchdog(closed.port, server.port)
        scene.broken_disk()
        scene.looks(1, dog)
        assert len(server.letters) == 1
        mine = next(need for need in scene.looks(1, dog) if need.kind == "alarms")
        assert "relay relay-1: no connection: Connection refused" in mine.text


def test_one_of_two_operators_is_refused(scene: Scene) -> None:
    with SmtpServer(script={"RCPT": [Say(b"550 5.1.1 unknown")]}) as server:
        scene.broken_disk()
        found = scene.looks(2, scene.watchdog(server.port))
        assert len(server.letters) == 1, "the other one was told"
        mine = next(need for need in found if need.kind == "alarms")
        assert mine.text.endswith("it refuses operator 1 of alarms.to")


def test_nobody_to_tell(scene: Scene, caplog) -> None:
    dog = scene.watchdog()
    scene.broken_disk()
    with caplog.at_level("INFO", "lettershop.watchdog"):
        scene.looks(3, dog)
        scene.broken_disk(free=500)
        scene.looks(3, dog)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "it says what is, and when it is over"
    assert said[0].startswith("The disk of alpha is nearly full")
    assert said[1].startswith("over: The disk of alpha")
    assert caplog.records[0].target == "alpha"


# -- the ledger is away ----------------------------------------------------------------------------------------------------
def test_the_ledger_is_away_and_told_all_the_same(scene: Scene) -> None:
    with SmtpServer() as server:
        scene.away = True
        dog = scene.watchdog(server.port)
        scene.looks(1, dog)
        assert server.letters == [], "once is no news"
        scene.looks(3, dog)
        assert len(server.letters) == 1
        assert "it does not answer" in letters(server)[0].get_content()
        scene.clock.move(4 * 3600)
        scene.looks(2, dog)
        assert len(server.letters) == 2
        scene.away = False
        scene.looks(1, dog)
        assert len(server.letters) == 2
        scene.looks(5, dog)
        assert len(server.letters) == 3
        assert "over: The ledger cannot be used" in subjects(server)[-1]


def test_a_ledger_that_goes_while_it_is_open(scene: Scene, monkeypatch) -> None:
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        scene.looks(1, dog)
        opened = dog._ledger

        def broken(*_):
            raise Failed("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "write", broken)
            found = scene.looks(3, dog)
        assert [need.kind for need in found] == ["ledger"]
        assert len(server.letters) == 1
        assert "the disk is full" in letters(server)[0].get_content()
        scene.looks(3, dog)
        assert len(server.letters) == 2
        assert dog._ledger is opened


# -- the daily summary -------------------------------------------------------------------------------------------------
def summary_scene(scene: Scene, world: World, root, **keys) -> None:
    scene.home = open_home(world, root, to=OPERATORS, sender=FROM, **keys)


def made_a_day_earlier(world: World) -> None:
    execute(world, "UPDATE meta SET made_at = made_at - :day", day=24 * 3600 * SECOND)


def test_a_summary_once_a_day_however_many_look(scene: Scene, world: World, tmp_path) -> None:
    at = scene.clock.now()
    summary_scene(scene, world, tmp_path, summary=f"{at:%H:%M}")
    with world.relay():
        world.submit(2)
        world.until_idle()
    with SmtpServer() as server:
        dogs = scene.watchdog(server.port), scene.watchdog(server.port)
        scene.clock.move(24 * 3600 - 120)
        scene.looks(1, *dogs)
        first = len(server.letters)
        scene.clock.move(120)
        scene.looks(3, *dogs)
        assert len(server.letters) == first + 1
        letter = letters(server)[-1]
        assert "summary of" in letter["Subject"]
        assert "accepted            4" in letter.get_content()
        assert "nothing" in letter.get_content()
        scene.clock.move(24 * 3600)
        scene.looks(2, *dogs)
        assert len(server.letters) == first + 2
    assert all(row.kind == "summary" for row in scene.rows())


def test_of_the_day_before_the_ledger_was_made_there_is_no_summary(scene: Scene, world: World, tmp_path) -> None:
    summary_scene(scene, world, tmp_path, summary=f"{scene.clock.now():%H:%M}")
    with SmtpServer() as server:
        dog = scene.watchdog(server.port)
        scene.looks(2, dog)
        assert server.letters == []
        made_a_day_earlier(world)
        scene.looks(2, dog)
        assert len(server.letters) == 1


def test_a_summary_that_cannot_be_sent_is_tried_again(scene: Scene, world: World, tmp_path) -> None:
    summary_scene(scene, world, tmp_path, summary=f"{scene.clock.now():%H:%M}")
    made_a_day_earlier(world)
    world.submit(1)
    with SmtpServer(script={"MAIL": [Say(b"451 4.3.0 later")]}) as server:
        dog = scene.watchdog(server.port, foresee=lambda *_: "2 letters to 2 offices: 1 day; ends 14 May 2027")
        scene.looks(1, dog)
        assert server.letters == []
        scene.looks(3, dog)
        (letter,) = letters(server)
    text = letter.get_content().replace("\r\n", "\n")
    assert "Waiting now           2\n2 letters to 2 offices: 1 day; ends 14 May 2027" in text
    assert "cannot write to operators: relay relay-1: 451 4.3.0 later" in text
