"""A home that is read again when its files change: what is taken, what is refused, and what is waited for."""

import os
from datetime import UTC, datetime

import pytest

from tests.fixtures.homes import Draft
from worker.operations.reload import Reloading
from worker.settings.reload import content_hash, look

OFFICES, SETTINGS, RULES = "config/offices.toml", "config/lettershop.toml", "config/reply-rules.toml"


class AtNoon:
    def now(self) -> datetime:
        return datetime(2027, 3, 1, 12, 3, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def config(draft: Draft) -> Reloading:
    """At rest: what was written while the process started has been looked at."""
    found = Reloading(draft.load(), draft.load, AtNoon())
    assert [found.look() for _ in range(3)] == [None, None, None]
    return found


def test_nothing_is_read_again_while_nothing_changes(draft: Draft) -> None:
    reads: list[int] = []

    def read():
        reads.append(1)
        return draft.load()

    config = Reloading(draft.load(), read)
    for _ in range(5):
        assert config.look() is None
    assert len(reads) == 1


def test_a_valid_change_is_offered_once_it_stood_still_and_until_it_is_taken(draft: Draft, config: Reloading) -> None:
    before = config.hash
    draft.edit(SETTINGS, "[limits]", "[limits]\nmailbox_per_day = 100")
    assert config.look() is None
    fresh = config.look()
    assert fresh is not None
    assert fresh.settings.limits.mailbox_per_day == 100
    assert config.home.settings.limits.mailbox_per_day == 240
    assert config.look() is not None
    config.took(fresh)
    assert config.look() is None
    assert config.home is fresh
    assert config.hash not in ("", before)
    assert config.hash == content_hash(draft.root)


def test_a_bad_edit_changes_nothing_and_is_said_once(
    draft: Draft, config: Reloading, caplog: pytest.LogCaptureFixture
) -> None:
    before = config.hash
    good = (draft.root / OFFICES).read_text()
    draft.write(OFFICES, good + "\nthis is no TOML\n")
    for _ in range(4):
        assert config.look() is None
    assert "config/offices.toml" in config.trouble
    assert config.trouble.endswith("the config of 2027-03-01 12:03 UTC stays in force")
    assert config.hash == before
    assert len([record for record in caplog.records if "offices.toml" in record.message]) == 1
    draft.write(OFFICES, good)
    assert config.look() is None
    assert config.look() is None  # it says again what is in force
    assert config.trouble == ""


def test_what_check_calls_an_error_is_refused(draft: Draft, config: Reloading) -> None:
    name = next((draft.root / "templates").rglob("*.j2"), None) or next((draft.root / "templates").rglob("*.txt"))
    name.write_text("{{ nobody.knows.this }}\n")
    assert [config.look() for _ in range(2)] == [None, None]
    assert "stays in force" in config.trouble


def test_a_file_caught_half_written_is_not_reported(draft: Draft, config: Reloading) -> None:
    whole = (draft.root / SETTINGS).read_text().replace("[limits]", "[limits]\nmailbox_per_day = 90", 1)
    for size in (0, 7, len(whole) // 2):
        draft.write(SETTINGS, whole[:size])
        assert config.look() is None
        assert config.trouble == ""
    draft.write(SETTINGS, whole)
    assert config.look() is None
    fresh = config.look()
    assert fresh is not None
    assert fresh.settings.limits.mailbox_per_day == 90


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("web.port", "[web]\nport = 8481\n"),
        ("worker.connections", "[worker]\nconnections = 3\n"),
        ("ops.host, ops.port", '[ops]\nhost = "127.0.0.1"\nport = 9000\n'),
        ("log", '[log]\nformat = "json"\n'),
        ("pacing", '[pacing]\nurl = "redis://127.0.0.1/1"\n'),
    ],
)
def test_a_key_that_needs_a_restart_is_named(draft: Draft, config: Reloading, key: str, text: str) -> None:
    section = text.partition("\n")[0]
    now = (draft.root / SETTINGS).read_text()
    draft.write(SETTINGS, now.replace(section, text, 1) if f"\n{section}\n" in now else f"{now}\n{text}")
    assert [config.look() for _ in range(3)] == [None, None, None]
    assert f"a change of {key} needs a restart" in config.trouble


def test_reply_rules_are_part_of_it(draft: Draft, config: Reloading) -> None:
    draft.write(RULES, (draft.root / RULES).read_text() + "\n# looked over\n")
    assert config.look() is None
    assert config.look() is not None
    draft.write(RULES, "no rules")
    assert [config.look() for _ in range(3)] == [None, None, None]
    assert "reply-rules.toml" in config.trouble


def test_a_file_written_back_as_it_was_is_nothing_new(draft: Draft, config: Reloading) -> None:
    path = draft.root / OFFICES
    os.utime(path, ns=(1, 1))
    assert [config.look() for _ in range(3)] == [None, None, None]
    assert config.trouble == ""


def test_an_edit_while_the_process_started_is_seen(draft: Draft) -> None:
    home = draft.load()
    draft.edit(SETTINGS, "[limits]", "[limits]\nmailbox_per_day = 100")
    config = Reloading(home, draft.load)
    assert config.look() is None
    assert config.look() is not None


def test_a_part_that_is_away_leaves_the_old_one_and_tries_again(draft: Draft, config: Reloading) -> None:
    draft.edit(SETTINGS, "[limits]", "[limits]\nmailbox_per_day = 100")
    config.look()
    assert config.look() is not None
    config.failed("Redis is away")
    assert config.trouble.startswith("Redis is away; the config of")
    fresh = config.look()
    assert fresh is not None
    config.took(fresh)
    assert config.trouble == ""


def test_a_new_password_is_seen_and_never_hashed(draft: Draft) -> None:
    secret = draft.root / "var" / "relay.password"
    draft.write("var/relay.password", "one\n")
    draft.write(
        SETTINGS,
        (draft.root / SETTINGS).read_text()
        + '\n[[relays]]\nname = "other"\nhost = "mail.example"\nusername = "u"\npassword_file = "var/relay.password"\n',
    )
    config = Reloading(draft.load(), draft.load)
    assert [config.look() for _ in range(3)] == [None, None, None]
    before = config.hash
    secret.write_text("two\n")
    assert config.look() is None
    fresh = config.look()
    assert fresh is not None
    config.took(fresh)
    assert config.hash == before


def test_what_editors_leave_about_is_not_looked_at(draft: Draft) -> None:
    home = draft.load()
    before = look(home), content_hash(draft.root)
    draft.write("config/.offices.toml.swp", "x")
    draft.write("config/offices.toml~", "x")
    draft.write("config/.git/index", "x")
    assert (look(home), content_hash(draft.root)) == before


def test_a_config_that_vanishes_is_said(draft: Draft, config: Reloading) -> None:
    (draft.root / OFFICES).unlink()
    assert [config.look() for _ in range(3)] == [None, None, None]
    assert "offices.toml" in config.trouble
