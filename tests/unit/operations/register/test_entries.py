"""The register's text is changed key by key: comments, order and everything else stay."""

import tomllib
from datetime import date

import pytest
import tomlkit

from worker.domain.errors import BadInput, RefusedByState
from worker.operations.register.entries import Entry, write
from worker.operations.register.verbs import HolderChange, known, retire, set_holder, unretire

REGISTER = """\
# the head
[[offices]]
id = "a"  # the first
title = "Clerk"

# -- part two
[[offices]]
id = "b"
tags = [
  "x",  # why
]

[[offices.holders]]
name = "Alex Sample"  # since long
verified = 2015-12-31

# -- part three
[[offices]]
id = "c"
mailbox="c@town.example"   # by phone
holders = [{name = "Quinn Sample"}]
# the end
"""
JUNE = date(2026, 6, 1)


def after(*said: Entry) -> str:
    whole = tomlkit.parse(REGISTER)
    for entry in said:
        write(whole["offices"], entry)
    return tomlkit.dumps(whole)


def entry(name: str, **values) -> Entry:
    return Entry(name, values, lambda _: "here")


def test_nothing_said_changes_nothing():
    assert after(entry("a", title="Clerk"), entry("b", tags=["x"], source=None)) == REGISTER


def test_a_changed_key_keeps_its_place_and_comment():
    assert after(entry("c", mailbox="new@town.example")) == REGISTER.replace("c@town", "new@town")


def test_a_new_key_stands_in_its_office_and_not_under_the_next_heading():
    refusal = {"date": JUNE, "reason": "asked"}
    text = after(entry("a", refusal=refusal, accepts_letters=False))
    lines = 'title = "Clerk"\naccepts_letters = false\nrefusal = {date = 2026-06-01, reason = "asked"}\n\n# -- part two'
    assert text == REGISTER.replace('title = "Clerk"\n\n# -- part two', lines)


def test_what_was_put_in_can_be_taken_out():
    whole = tomlkit.parse(REGISTER)
    write(whole["offices"], entry("a", accepts_letters=False, refusal={"date": JUNE}, holders=[{"name": "Sam"}]))
    write(whole["offices"], entry("a", accepts_letters=None, refusal=None, holders=[]))
    assert tomllib.loads(tomlkit.dumps(whole)) == tomllib.loads(REGISTER)
    assert "# -- part two" in tomlkit.dumps(whole)


def test_holders_of_every_way_of_writing():
    old = {"name": "Alex Sample", "verified": date(2015, 12, 31)}
    text = after(
        entry("a", holders=[{"name": "N1", "from": JUNE}]),
        entry("b", holders=[{**old, "until": date(2026, 5, 31)}, {"name": "N2"}]),
        entry("c", holders=[{"name": "Quinn Sample"}, {"name": "N3"}]),
    )
    holders = {each["id"]: each["holders"] for each in tomllib.loads(text)["offices"]}
    assert holders["a"] == [{"name": "N1", "from": JUNE}]
    assert holders["b"] == [{**old, "until": date(2026, 5, 31)}, {"name": "N2"}]
    assert holders["c"] == [{"name": "Quinn Sample"}, {"name": "N3"}]
    for comment in (
        "# the head",
        "# the first",
        "# -- part two",
        "# why",
        "# since long",
        "# -- part three",
        "# by phone",
    ):
        assert text.count(comment) == 1
    assert text.index("N2") < text.index("# -- part three") < text.index('id = "c"')


def test_a_new_office_stands_at_the_end():
    text = after(entry("d", mailbox="d@town.example", title="Dean", holders=[{"name": "N"}]))
    assert text.startswith(REGISTER)
    assert text.endswith(
        '\n[[offices]]\nid = "d"\ntitle = "Dean"\nmailbox = "d@town.example"\n\n[[offices.holders]]\nname = "N"\n'
    )


# -- what verbs say
ALEX = {"name": "Alex Sample", "from": date(2020, 1, 1)}


def holders(change, *there):
    return set_holder({"id": "a", "holders": list(there)}, change).values["holders"]


def test_a_new_holder_ends_the_former_one_the_day_before():
    new = {"name": "Robin Sample", "form": "Ms.", "from": JUNE, "verified": JUNE}
    change = HolderChange("Robin Sample", form="Ms.", since=JUNE, verified=JUNE)
    assert holders(change, ALEX) == [{**ALEX, "until": date(2026, 5, 31)}, new]
    long_gone = {"name": "Old", "until": date(2019, 1, 1)}
    assert holders(change, long_gone, ALEX)[0] == long_gone


def test_the_same_name_is_the_same_holder():
    assert holders(HolderChange("Alex Sample", verified=JUNE), ALEX) == [{**ALEX, "verified": JUNE}]
    assert holders(HolderChange("Alex Sample", until=JUNE), ALEX) == [{**ALEX, "until": JUNE}]
    assert holders(HolderChange("Alex Sample", form=""), {**ALEX, "form": "Mr."}) == [{**ALEX, "form": ""}]


def test_entries_that_would_overlap_are_refused():
    with pytest.raises(BadInput, match="--from: office a has a holder whose entry has no end"):
        holders(HolderChange("Robin Sample"), ALEX)
    with pytest.raises(BadInput, match="begins on 2020-01-01, not before 2019-05-01"):
        holders(HolderChange("Robin Sample", since=date(2019, 5, 1)), ALEX)


def test_retired_once_and_back_once():
    there = {"id": "a", "accepts_letters": False, "refusal": {"date": JUNE, "reason": "asked", "evidence": "mail"}}
    with pytest.raises(RefusedByState, match="not written to since 2026-06-01"):
        retire(there, "asked", "mail", JUNE)
    with pytest.raises(RefusedByState, match="takes letters already"):
        unretire({"id": "a"})
    assert retire({"id": "a"}, "asked", "mail", JUNE).values["accepts_letters"] is False
    assert unretire(there).values == {"accepts_letters": None, "refusal": None}


def test_an_unknown_office_is_told_with_the_nearest():
    with pytest.raises(BadInput, match="there is no office 'mayr'; did you mean \"mayor\""):
        known({"mayor": {}}, "mayr")
