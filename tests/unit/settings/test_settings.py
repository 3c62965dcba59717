"""`config/lettershop.toml`: every key under its name, the environment over it, and what is refused with which words."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from worker.domain.errors import BadInput
from worker.domain.limits import Rate
from worker.domain.retry import Retry
from worker.settings import Settings, is_loopback, load_settings, masked
from worker.settings.problems import known_keys

FILE = "config/lettershop.toml"


def load(tmp_path, text="", **environ):
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / FILE).write_text(text)
    return load_settings(tmp_path, environ)


def refused(tmp_path, text="", **environ):
    with pytest.raises(BadInput) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value)


def test_defaults(tmp_path):
    settings = load(tmp_path)
    assert settings.mode == "rehearsal"
    assert settings.ledger.url == f"sqlite:///{tmp_path}/var/ledger.db"
    assert settings.broker.url == settings.pacing.url == "embedded"
    assert settings.relays == ()
    assert settings.rehearsal.embedded
    assert settings.limits.mailbox == Rate(30, 3600)
    assert (settings.limits.mailbox_per_day, settings.limits.mailbox_connections) == (240, 1)
    assert settings.limits.domain is None
    assert settings.retry == Retry()
    assert settings.keys.seal == tmp_path / "var/keys/seal.key"
    assert settings.allow_test_domains is False


WHOLE = """
mode = "live"
allow_test_domains = true
[ledger]
url = "postgresql://lettershop@db.test/letters"
[broker]
url = "amqp://queue.test"
[pacing]
url = "rediss://count.test"
[[relays]]
name = "main"
host = "smtp.test"
port = 465
security = "tls"
username = "letters"
password_file = "relay.secret"
rate = "5/s"
per_day = 10000
connections = 7
[[relays]]
name = "spare"
host = "spare.test"
[rehearsal]
host = "localhost"
port = 1025
[limits]
mailbox = "60/h"
mailbox_per_day = 500
mailbox_connections = 2
domain = "120/h"
[retry]
minimum = "1 s"
maximum = "2 min"
jitter = 0.2
expire_after = "3 d"
[keys]
data = "/srv/keys/data"
lookup = "k/lookup"
seal = "k/seal"
[worker]
connections = 40
"""


def test_every_key(tmp_path):
    (tmp_path / "relay.secret").write_text("correct horse\nnot this line\n")
    settings = load(tmp_path, WHOLE)
    main, spare = settings.relays
    assert (main.name, main.host, main.port, main.security, main.connections) == ("main", "smtp.test", 465, "tls", 7)
    assert (main.rate, main.per_day, main.username) == (Rate(5, 1), 10_000, "letters")
    assert main.password is not None
    assert main.password.get_secret_value() == "correct horse"
    assert "horse" not in repr(settings)
    assert (spare.port, spare.security, spare.password, spare.rate) == (587, "starttls", None, None)
    assert settings.retry == Retry(timedelta(seconds=1), timedelta(minutes=2), 0.2, timedelta(days=3))
    assert settings.keys.data == Path("/srv/keys/data")
    assert settings.keys.lookup == tmp_path / "k/lookup"
    assert (settings.rehearsal.host, settings.rehearsal.port, settings.rehearsal.embedded) == ("localhost", 1025, False)
    assert settings.limits.domain == Rate(120, 3600)
    assert settings.worker.connections == 40


def test_it_is_frozen(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path).mode = "live"


def test_the_sample_file_names_every_key_and_shows_the_defaults(tmp_path):
    """What is commented out in the sample is the default: uncommented, it must mean the same."""
    sample = (Path(__file__).resolve().parents[3] / FILE).read_text()
    plain = re.sub(r"^# (\[\[relays\]\]|[a-z_]+ = )", r"\1", sample, flags=re.MULTILINE)
    text = re.sub(r"^(host|port|password_file|ca_file) = .*$", "", plain, flags=re.MULTILINE)
    text = text.replace('username = "letters"', "").replace('name = "main"', 'name = "main"\nhost = "x.example"')
    full, default = load(tmp_path, text), load(tmp_path)
    for name in Settings.model_fields:
        if name != "relays":
            assert getattr(full, name) == getattr(default, name), name
    named = set(re.findall(r"^([a-z_]+) =", plain, flags=re.MULTILINE))
    assert named == {path[-1] for path in known_keys(Settings) if path[-1] not in Settings.model_fields} - {"retry"} | {
        "mode",
        "allow_test_domains",
    }


# -- the environment


def test_the_environment_goes_over_the_file(tmp_path):
    settings = load(
        tmp_path,
        '[ledger]\nurl = "sqlite:///a.db"\n[[relays]]\nname = "main"\nhost = "a.test"\n',
        LETTERSHOP_LEDGER__URL="sqlite:////srv/b.db",
        LETTERSHOP_RELAYS__0__HOST="b.test",
        LETTERSHOP_RELAYS__1__NAME="spare",
        LETTERSHOP_RELAYS__1__HOST="c.test",
        LETTERSHOP_LIMITS__MAILBOX="5/s",
        LETTERSHOP_RETRY__MINIMUM="1 s",
        LETTERSHOP_ALLOW_TEST_DOMAINS="true",
        LETTERSHOP_WORKER__CONNECTIONS="3",
        LETTERSHOP_HOME="/elsewhere",
        PATH="/bin",
    )
    assert settings.ledger.url == "sqlite:////srv/b.db"
    assert [relay.host for relay in settings.relays] == ["b.test", "c.test"]
    assert settings.limits.mailbox == Rate(5, 1)
    assert settings.retry.minimum == timedelta(seconds=1)
    assert settings.allow_test_domains is True
    assert settings.worker.connections == 3


def test_lists_may_be_given_as_json_and_an_entry_laid_over_them(tmp_path):
    settings = load(
        tmp_path,
        LETTERSHOP_RELAYS='[{"name": "main", "host": "a.test", "port": 25}]',
        LETTERSHOP_RELAYS__0__PORT="26",
    )
    assert [(r.host, r.port) for r in settings.relays] == [("a.test", 26)]


def test_relays_may_come_from_the_environment_alone(tmp_path):
    settings = load(tmp_path, LETTERSHOP_RELAYS__0__NAME="main", LETTERSHOP_RELAYS__0__HOST="a.test")
    assert settings.relays[0].name == "main"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LETTERSHOP_LEDGER__ULR", "x", 'LETTERSHOP_LEDGER__ULR: ledger.ulr is not a known key; did you mean "url"?'),
        ("LETTERSHOP_MOOD", "x", 'LETTERSHOP_MOOD: mood is not a known key; did you mean "mode"?'),
        ("LETTERSHOP_MODE", "x", "LETTERSHOP_MODE: mode: Input should be 'rehearsal' or 'live'"),
        ("LETTERSHOP_MODE__X", "x", "LETTERSHOP_MODE__X: mode: Input should be 'rehearsal' or 'live'"),
        ("LETTERSHOP_RELAYS", "[{", "LETTERSHOP_RELAYS starts like JSON but is not"),
        ("LETTERSHOP_RELAYS__1__HOST", "x", "LETTERSHOP_RELAYS__1__HOST: '1' is not an entry of this list; it has 0"),
        ("LETTERSHOP_LIMITS__MAILBOX", "30", "LETTERSHOP_LIMITS__MAILBOX: limits.mailbox: '30' is not a rate"),
        ("LETTERSHOP_LEDGER", "x", "LETTERSHOP_LEDGER: ledger: is a table of keys"),
    ],
)
def test_bad_variables_are_named(tmp_path, name, value, said):
    assert refused(tmp_path, **{name: value}).startswith(said)


def test_a_variable_that_reaches_into_a_single_value(tmp_path):
    assert refused(tmp_path, "mode = 'live'", LETTERSHOP_MODE__X="x") == (
        "LETTERSHOP_MODE__X: a single value stands there, with nothing inside to set"
    )


def test_an_entry_that_is_no_number(tmp_path):
    text = '[[relays]]\nname = "main"\nhost = "a.test"\n'
    assert "'host' is not an entry of this list" in refused(tmp_path, text, LETTERSHOP_RELAYS__HOST="x")


# -- what is refused, in which words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mod = 'live'", f'{FILE}:1: mod is not a known key; did you mean "mode"?'),
        ("[legder]\nurl = 'x'", f'{FILE}:1: legder is not a known key; did you mean "ledger"?'),
        (
            "[limits]\nmailbox_perday = 3",
            f'{FILE}:2: limits.mailbox_perday is not a known key; did you mean "mailbox_per_day"?',
        ),
        ("expire_after = '5 d'", f'{FILE}:1: expire_after is not a known key; did you mean "retry.expire_after"?'),
        (
            "[pacing]\nzzz = 3",
            f"{FILE}:2: pacing.zzz is not a known key; known here: password_file, url",
        ),
        (
            "[[relays]]\nname = 'm'\nhost = 'h'\npassword = 'x'",
            f"{FILE}:4: relays[0].password: secrets stand in files of their own; write password_file",
        ),
        ("[[relays]]\nname = 'm'", f"{FILE}:1: relays[0].host is missing"),
        ("mode = 'test'", f"{FILE}:1: mode: Input should be 'rehearsal' or 'live'"),
        ("[retry]\nminimum = 5", f'{FILE}:2: retry.minimum: write it in quotes, with its unit: "15 min"'),
        ("[retry]\nminimum = '5'", f"{FILE}:2: retry.minimum: '5' is not a length of time; write a number and a unit"),
        ("[retry]\nminimum = '2 h'", f"{FILE}:1: retry: minimum, maximum and expire_after must be above zero"),
        ("[limits]\nmailbox = 30", f'{FILE}:2: limits.mailbox: write it in quotes, with its unit: "30/h"'),
        (
            "[limits]\nmailbox_per_day = 0",
            f"{FILE}:2: limits.mailbox_per_day: Input should be greater than or equal to 1",
        ),
        (
            "[ledger]\nurl = 'mysql://u:hush@h/d'",
            f'{FILE}:2: ledger.url: not a place that is known here; write "sqlite:///...',
        ),
        ("[ledger]\nurl = 'sqlite:///:memory:'", f"{FILE}: ledger.url must name a file"),
        ("[pacing]\nurl = 'amqp://h'", f'{FILE}:2: pacing.url: not a place that is known here; write "embedded"'),
        ("[rehearsal]\nhost = 'h'", f"{FILE}:1: rehearsal: host and port belong together"),
        ("[rehearsal]\nrelay = 'embedded'\nhost = 'h'\nport = 1", f"{FILE}:1: rehearsal: give either relay"),
        (
            "mode = 'live'\n[limits]\noffice_hours = 'ignore'",
            f'{FILE}: limits.office_hours = "ignore" is for rehearsal only',
        ),
        (
            "[[relays]]\nname='m'\nhost='h'\n[[relays]]\nname='m'\nhost='i'",
            f"{FILE}:1: relays: two relays are called 'm'",
        ),
        ("[[relays]]\nname='M'\nhost='h'", f"{FILE}:2: relays[0].name: 'M' is not an id"),
        ("[[relays]]\nname='m'\nhost='h'\nusername='u'", f"{FILE}:1: relays[0]: a login needs both"),
        ("[[relays]]\nname='m'\nhost='h'\nhelo=\"a\\r\\nb\"", f"{FILE}:4: relays[0].helo: holds a line break"),
    ],
)
def test_refusals(tmp_path, text, said):
    message = refused(tmp_path, text)
    assert message.startswith(said)
    assert "hush" not in message


def test_all_faults_are_told_at_once(tmp_path):
    lines = refused(tmp_path, "mood = 1\n[limits]\nmailbox = 'x'\n").splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{FILE}:1", f"{FILE}:3"]


# -- secrets


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me@db.test:5433/letters", "postgresql://me:p%40ss%2Fword@db.test:5433/letters"),
        ("postgresql://db.test/letters", "postgresql://:p%40ss%2Fword@db.test/letters"),
        ("postgresql://me@/letters?host=/run", "postgresql://me:p%40ss%2Fword@/letters?host=/run"),
    ],
)
def test_a_password_file_goes_into_the_url(tmp_path, url, expected):
    (tmp_path / "db.secret").write_text("p@ss/word\n")
    settings = load(tmp_path, f"[ledger]\nurl = '{url}'\npassword_file = 'db.secret'\n")
    assert settings.ledger.url == expected
    assert "ss%2F" not in repr(settings)
    assert masked(settings.ledger.url) == expected.replace("p%40ss%2Fword", "***")
    assert masked(url) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[broker]\nurl='redis://q'\npassword_file='none'",
            "broker.password_file: .*/none cannot be read: No such file",
        ),
        ("[broker]\nurl='redis://q'\npassword_file='empty'", "broker.password_file: .*/empty is empty"),
        (
            "[broker]\nurl='redis://q'\npassword_file='bytes'",
            "broker.password_file: .*/bytes cannot be read: it is not UTF-8",
        ),
        ("[broker]\npassword_file='empty'", "broker.password_file: broker.url must name a server"),
        (
            "[pacing]\nurl='redis://:x@q'\npassword_file='empty'",
            "pacing.password_file: pacing.url must name a server and hold no",
        ),
    ],
)
def test_secret_files_that_cannot_be_used(tmp_path, text, said):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert re.match(said, refused(tmp_path, text))


def test_an_empty_file_name_is_no_file(tmp_path):
    assert load(tmp_path, LETTERSHOP_BROKER__PASSWORD_FILE="").broker.password_file is None


def test_a_certificate_file_is_relative_to_the_home(tmp_path):
    settings = load(tmp_path, "[[relays]]\nname='m'\nhost='h'\nca_file='own.pem'")
    assert settings.relays[0].ca_file == tmp_path / "own.pem"


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("10.0.0.1", False), ("smtp.test", False)],
)
def test_loopback(host, here):
    assert is_loopback(host) is here


def test_nothing_of_the_process_environment_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "LETTERSHOP_MODE", "live")
    assert load(tmp_path).mode == "rehearsal"
