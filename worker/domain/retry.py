"""When a deferred letter is tried again, and when it has become too old.

Postfix's rule: wait as long as the letter has already been waiting, within bounds, with jitter so that letters deferred
together do not come back together. The base is pure; the random number is handed in.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retry:
    """The bounds. `jitter` is the share by which a wait may be longer or shorter (0.1: plus or minus 10 %)."""

    minimum: timedelta = timedelta(minutes=5)
    maximum: timedelta = timedelta(minutes=67)
    jitter: float = 0.1
    expire_after: timedelta = timedelta(days=5)

    def delay(self, age: timedelta, random: float) -> timedelta:
        """The wait before the next attempt of a letter first deferred `age` ago; `random` is uniform in [0, 1)."""
        base = min(max(age, self.minimum), self.maximum)
        return base * (1 + self.jitter * (2 * random - 1))

    def expired(self, age: timedelta) -> bool:
        """Whether the retry life, counted from the first deferral of letter scope, is over."""
        return age >= self.expire_after
