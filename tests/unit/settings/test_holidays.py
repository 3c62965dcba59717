"""Public holidays by country."""

import subprocess
import sys
from datetime import date

import pytest

from tests.fixtures.homes import CHECKOUT
from worker.settings import load_home
from worker.settings.holidays import Holidays
from worker.wiring.plan import plan_of


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("GB", date(2026, 12, 25), "Christmas Day"),
        ("FR", date(2026, 7, 14), "National Day"),  # in English, whatever the country speaks
        ("FR", date(2026, 7, 15), ""),
        ("US", date(2027, 12, 31), "New Year's Day (observed)"),  # belongs to the next year's first
        ("", date(2026, 12, 25), ""),
        ("ZZ", date(2026, 12, 25), ""),
        ("../..", date(2026, 12, 25), ""),
    ],
)
def test_what_is_a_holiday_where(country, day, name):
    assert Holidays()(country, day) == name


def test_a_year_is_made_once(monkeypatch):
    made = []

    def year(country, number):
        made.append((country, number))
        return {date(number, 1, 1): "Sample Day"}

    monkeypatch.setattr("worker.settings.holidays._year", year)
    closed = Holidays()
    answers = [closed(*asked) for asked in [("FR", date(2027, 1, 1)), ("FR", date(2027, 1, 2)), ("", date(2027, 1, 1))]]
    assert answers == ["Sample Day", "", "Sample Day"]
    assert made == [("FR", 2027), ("", 2027)]


def test_the_rounds_of_a_home_know_the_holidays():
    assert plan_of(load_home(CHECKOUT, {})).closed("GB", date(2026, 12, 25)) == "Christmas Day"


def test_the_library_is_not_imported_before_it_is_asked():
    code = "import sys, worker.settings.holidays as h; h.Holidays(); sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0
