"""What `check` says of `[alarms]`."""

import pytest

from worker.operations.check import check

SETTINGS = "config/lettershop.toml"


def found(draft, block: str, *, live: bool = False) -> list[str]:
    path = draft.root / SETTINGS
    kept = path.read_text()
    draft.write(SETTINGS, kept.replace("[alarms]\n", block, 1) if block else kept)
    try:
        return [str(each) for each in check(draft.load(), live=live).findings if "alarm" in str(each)]
    finally:
        draft.write(SETTINGS, kept)


GOOD = '[alarms]\nto = ["op@campaign.org"]\nsender = "alarms@campaign.org"\n'


def test_what_is_well(draft) -> None:
    assert found(draft, GOOD, live=True) == []
    assert found(draft, "") == [], "nobody needs alarms in rehearsal"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ('[alarms]\nto = ["no address"]\n', "alarms.to: not a usable e-mail address"),
        ('[alarms]\nto = ["op@ops.example"]\n', "alarms.to: op@ops.example is a placeholder"),
        ('[alarms]\nto = ["op@campaign.org"]\n', "alarms.sender is not set"),
        ('[alarms]\nsummary = "late"\n', "alarms.summary: 'late' is no time"),
        ('[alarms]\ntime_zone = "Nowhere"\n', "alarms.time_zone: 'Nowhere' is not known"),
        (
            GOOD + '[alarms.relay]\nname = "alarm"\nhost = "mail.invalid"\n',
            "relay alarm: mail.invalid is a placeholder",
        ),
        (
            GOOD + '[alarms.relay]\nname = "alarm"\nhost = "mail.campaign.org"\nsecurity = "none"\n',
            "relay alarm: letters cross the network in clear",
        ),
    ],
)
def test_what_is_not(draft, block, words) -> None:
    (line,) = [line for line in found(draft, block, live=True) if words in line]
    assert line.startswith(("error", "warning: config/lettershop.toml"))


def test_an_offices_mailbox_is_no_operators(draft) -> None:
    mailbox = next(iter(draft.load().offices.values())).mailbox
    assert any("is the mailbox of office" in line for line in found(draft, f'[alarms]\nto = ["{mailbox}"]\n'))


def test_nobody_is_told(draft) -> None:
    assert any("alarms.to is empty" in line for line in found(draft, "", live=True))


def test_the_password_of_the_alarms_relay(draft) -> None:
    relay = '[alarms.relay]\nname = "alarm"\nhost = "mail.campaign.org"\nusername = "u"\npassword_file = "config/alarm.pw"\n'
    draft.write("config/alarm.pw", "secret of the relay\n")
    (draft.root / "config" / "alarm.pw").chmod(0o644)
    assert any("can be read by every user" in line for line in found(draft, GOOD + relay))
    draft.edit(SETTINGS, "[alarms]\n", GOOD + relay)
    settings = draft.load().settings
    assert settings.alarms.relay.password.get_secret_value() == "secret of the relay"
    assert "secret" not in repr(settings)
