"""Dates in letters and headers, without the machine's locale: the same bytes everywhere."""

from datetime import UTC, date, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# In the case that follows a day's number.
_LONG = {
    "en": "January February March April May June July August September October November December",
    "az": "yanvar fevral mart aprel may iyun iyul avqust sentyabr oktyabr noyabr dekabr",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",  # noqa: RUF001
}
_NAMES = {language: tuple(names.split()) for language, names in _LONG.items()}
_FORMS = {"de": "{day}. {month} {year}", "es": "{day} de {month} de {year}"}


def header_date(moment: datetime) -> str:
    """RFC 5322 3.3, in UTC; `moment` is aware."""
    at = moment.astimezone(UTC)
    day = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d}"
    return f"{day} {at.hour:02d}:{at.minute:02d}:{at.second:02d} +0000"


@lru_cache(maxsize=64)
def long_date(day: date, language: str) -> str:
    """The day as "26 February 2027" in a language that has its months here, else ISO 8601 ("2027-02-26")."""
    base = language.partition("-")[0].lower()
    if base not in _NAMES:
        return day.isoformat()
    first = "1er" if base == "fr" and day.day == 1 else str(day.day)
    return _FORMS.get(base, "{day} {month} {year}").format(
        day=first, month=_NAMES[base][day.month - 1], year=f"{day.year:04d}"
    )
