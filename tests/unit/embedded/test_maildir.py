from datetime import UTC, datetime

import pytest

from worker.embedded.maildir import Counts, Maildir, message_id
from worker.embedded.sink import chosen

LETTER = b"From: a@b.example\r\nMessage-ID: <1@b.example>\r\nSubject: x\r\n\r\n.dot\r\nMessage-ID: <no@b.example>\r\n"


class Fixed:
    def now(self):
        return datetime(2026, 2, 26, tzinfo=UTC)

    def monotonic(self):
        return 0.0


@pytest.fixture
def maildir(tmp_path):
    made = Maildir(tmp_path / "sink")
    made.prepare()
    return made


def test_bytes_and_envelope_come_back_unaltered(maildir):
    name = maildir.store(LETTER, "bounce@b.example", ["office@nato.example", "ü@b.example"], Fixed())
    stored = maildir.read(name)
    assert stored.content() == LETTER
    assert (stored.sender, stored.recipients) == ("bounce@b.example", ("office@nato.example", "ü@b.example"))
    assert stored.received == Fixed().now()


def test_what_comes_twice_is_kept_twice_in_order_of_arrival(maildir):
    names = [maildir.store(LETTER, "a@b.example", ["c@d.example"], Fixed()) for _ in range(3)]
    assert [stored.name for stored in maildir.messages()] == names
    assert maildir.counts() == Counts(stored=3, deferred=0)


def test_a_mail_reader_may_move_and_flag_a_message(maildir, tmp_path):
    name = maildir.store(LETTER, "a@b.example", ["c@d.example"], Fixed())
    (tmp_path / "sink" / "new" / name).rename(tmp_path / "sink" / "cur" / f"{name}:2,S")
    assert maildir.read(name).content() == LETTER
    assert maildir.read(f"{name}:2,S").recipients == ("c@d.example",)
    assert [stored.name for stored in maildir.messages()] == [name]


@pytest.mark.parametrize(
    "name",
    ["nothing", "", "..", "../envelopes/x", "1.M000000R00.sink/../x", "1.M000000R00.sink\n", "1.M000000R00.sink\0"],
)
def test_an_unknown_name(maildir, name):
    with pytest.raises(FileNotFoundError, match="the sink has no message "):
        maildir.read(name)


def test_the_latest_names_page_by_page(maildir, tmp_path):
    names = [maildir.store(LETTER, "a@b.example", ["c@d.example"], Fixed()) for _ in range(5)]
    (tmp_path / "sink" / "new" / names[1]).rename(tmp_path / "sink" / "cur" / f"{names[1]}:2,S")
    (tmp_path / "sink" / "new" / ".not-a-message").write_bytes(b"")
    assert maildir.names(2) == [names[4], names[3]]
    assert maildir.names(2, before=names[3]) == [names[2], names[1]]
    assert maildir.names(10, before=names[2]) == [names[1], names[0]]
    assert maildir.names(10, before=names[0]) == []
    assert Maildir(tmp_path / "none").names(10) == []


def test_half_written_files_are_no_messages_and_go_at_the_next_start(maildir, tmp_path):
    (tmp_path / "sink" / "tmp" / "half").write_bytes(LETTER[:10])
    assert list(maildir.messages()) == []
    maildir.prepare()
    assert not any((tmp_path / "sink" / "tmp").iterdir())


def test_nothing_is_left_of_a_message_that_could_not_be_stored(maildir, tmp_path):
    (tmp_path / "sink" / "new").rmdir()
    with pytest.raises(FileNotFoundError):
        maildir.store(LETTER, "a@b.example", ["c@d.example"], Fixed())
    assert not any((tmp_path / "sink" / "tmp").iterdir())
    assert not any((tmp_path / "sink" / "envelopes").iterdir())


def test_deferred_once_and_remembered_by_the_next_sink(maildir, tmp_path):
    assert [maildir.defer_once("1@b.example"), maildir.defer_once("1@b.example")] == [True, False]
    assert not Maildir(tmp_path / "sink").defer_once("1@b.example")
    assert maildir.counts() == Counts(stored=0, deferred=1)


def test_a_sink_that_never_ran_is_empty(tmp_path):
    assert Maildir(tmp_path / "none").counts() == Counts(0, 0)


def test_message_id_is_taken_from_the_header_only():
    assert message_id(LETTER) == "1@b.example"
    assert message_id(b"Subject: x\r\n\r\nMessage-ID: <no@b.example>\r\n") == ""


def test_share_is_a_share():
    keys = [f"{number}@b.example" for number in range(5000)]
    assert not any(chosen(key, 0) for key in keys)
    assert all(chosen(key, 1) for key in keys)
    assert 400 < sum(chosen(key, 0.1) for key in keys) < 600
