"""How much work one rendering may do, counted instead of timed.

A count is the same on every machine and in every run, so that a letter is faulty everywhere or nowhere; a watchdog on the
clock would refuse good letters on a busy machine, and alarms do not reach an asyncio loop's thread.

One unit is about one evaluated expression, or `CHARACTERS_A_UNIT` characters handled by an operator or filter. A long
letter with eleven addressees spends some hundred units. The whole budget is spent in about 0.1 s.
"""

from collections.abc import Sized
from typing import Any, Final

from jinja2.runtime import Context

from worker.rendering.faults import Flaw

UNITS: Final = 200_000
CHARACTERS_A_UNIT: Final = 16
MAX_VALUE: Final = 20_000  # characters or items of any value that a template builds
MAX_OUTPUT: Final = 262_144  # characters of one rendered template
MAX_NUMBER: Final = 10**15
MAX_RANGE: Final = 1_000


class BoundedContext(Context):
    """Jinja2's context of one rendering, with the units that are left."""

    units: int = UNITS

    def spend(self, units: int) -> None:
        """Take `units`. Raises Flaw when the rendering has done too much."""
        self.units -= units
        if self.units < 0:
            raise Flaw("the template does too much work; make its loops and lists smaller")

    def handled(self, value: Any) -> Any:
        """Charge for `value`, which an operator or filter made. Raises Flaw where it is too large."""
        size = size_of(value)
        if size > MAX_VALUE:
            raise Flaw(f"a value grows beyond {MAX_VALUE:,} characters or items")
        self.spend(1 + size // CHARACTERS_A_UNIT)
        return value


def size_of(value: Any) -> int:
    """Characters of a text, items of a list with what they hold. Raises Flaw for a number with too many digits."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return len(value) + sum(size_of(item) for item in value)
    if isinstance(value, int | float):
        # Also catches infinity and NaN, which no letter needs.
        if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise Flaw("a number is too large")
        return 1
    return len(value) if isinstance(value, Sized) else 1
