"""Public holidays by country, from the `holidays` library: national ones, and the weekdays that stand in for them.

Known limits: holidays of a region alone and days on which only banks or schools close are not counted; holidays that
follow the moon are the library's estimate until they are announced.
"""

from datetime import date


class Holidays:
    """A `ClosedDays`: the public holiday of a day in a country, in English, "" where it is none.

    The library is imported and a country's year made when first asked for (together up to a second, then milliseconds);
    after that an answer is a look into a table. A country that the library does not know has no holidays. May be shared
    by threads: at worst two of them make the same year.
    """

    def __init__(self) -> None:
        self._years: dict[tuple[str, int], dict[date, str]] = {}

    def __call__(self, country: str, day: date) -> str:
        """The holiday's name. `country` is ISO 3166 alpha-2, or "" for an office that keeps nobody's holidays."""
        year = self._years.get((country, day.year))
        if year is None:
            year = self._years[country, day.year] = _year(country, day.year)
        return year.get(day, "")


def _year(country: str, year: int) -> dict[date, str]:
    if not country:
        return {}
    from holidays import country_holidays

    try:
        return dict(country_holidays(country, years=year, expand=False, observed=True, language="en_US"))
    except NotImplementedError:  # how the library says that it does not know the country
        return {}
