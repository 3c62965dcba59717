"""Which relays operators' mails go to, in each mode."""

import pytest

from worker.domain.errors import BadInput, Failed
from worker.wiring.relays import alarm_targets
from worker.wiring.watchdog import mailer_of, open_watchdog

SETTINGS = "config/lettershop.toml"
RELAYS = """
[[relays]]
name = "main"
host = "smtp.library.test"
[[relays]]
name = "spare"
host = "spare.library.test"
"""
ALARMS = """
[alarms]
to = ["op@library.test"]
sender = "alarms@library.test"
"""
OWN = """
[alarms.relay]
name = "alarms"
host = "alarms.library.test"
username = "user"
password_file = "config/alarm.pw"
"""


def home(draft, block: str, **environ: str):
    draft.write("config/alarm.pw", "secret\n")
    draft.write(SETTINGS, (draft.root / SETTINGS).read_text().replace("[alarms]\n", block, 1))
    return draft.load(LETTERSHOP_ALLOW_TEST_DOMAINS="true", **environ)


def test_live_takes_its_own_relay_first(draft) -> None:
    found = alarm_targets(home(draft, RELAYS + ALARMS + OWN, LETTERSHOP_MODE="live"))
    assert [target.name for target in found] == ["alarms", "main", "spare"]
    assert (found[0].username, found[0].password) == ("user", "secret")


def test_live_without_one_takes_the_first(draft) -> None:
    found = alarm_targets(home(draft, RELAYS + ALARMS, LETTERSHOP_MODE="live"))
    assert [target.name for target in found] == ["main", "spare"]


def test_rehearsal_takes_the_sink_alone(draft) -> None:
    mine = home(draft, RELAYS + ALARMS + OWN)
    with pytest.raises(Failed, match="sink is not running"):
        alarm_targets(mine)
    mine.var.mkdir(exist_ok=True)
    (mine.var / "sink.port").write_text("2525")
    assert [(target.host, target.port) for target in alarm_targets(mine)] == [("127.0.0.1", 2525)]


def test_nobody_to_tell(draft) -> None:
    assert mailer_of(draft.load()) is None


def test_settings_that_it_cannot_follow(draft) -> None:
    with pytest.raises(BadInput, match=r"alarms\.summary"):
        open_watchdog(draft.load(LETTERSHOP_ALARMS__SUMMARY="soon"), 30.0)


def test_it_runs_without_a_ledger(draft) -> None:
    dog = open_watchdog(draft.load(), 30.0)
    try:
        assert [need.kind for need in dog.look() if need.kind == "ledger"] == ["ledger"]
    finally:
        dog.close()
