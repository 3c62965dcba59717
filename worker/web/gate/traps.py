"""The two traps that cost a person nothing: a field that only programs fill, and a form that comes back too soon.

**Honeypot.** The form holds a field named `HONEYPOT` that no person sees (moved out of sight by the stylesheet, out of
the tab order and the accessibility tree, `autocomplete="off"`, labelled "leave this empty" for whoever meets it anyhow).
A filled one is answered exactly like a success and recorded nowhere: a program that is told no learns what to change.

**Time trap.** The form holds a stamp: the moment it was handed out, with a MAC over it and the campaign. A form that
comes back sooner than `least_seconds` is shown again, politely, with its input kept and the *same* stamp, so that a person
whom the browser helped only presses the button once more. A stamp that is missing, forged, of another campaign, from the
future or older than a day is answered the same way with a *new* stamp: a person may well have left the page open.

The stamp is also the form's token against cross-site posts. The form knows no cookie and no session, so a foreign site
can use nothing of the visitor's; what the stamp shows is that the form was fetched from here within the day. It is not
tied to one browser, and anybody may fetch one: the Origin check and the limits stand beside it.
"""

import hmac
import re
from datetime import datetime
from typing import Literal

from worker.domain.clock import to_us
from worker.web.gate.keyed import mac, sub_key

HONEYPOT = "website"
"""The field that must stay empty. A name that programs like and that no browser fills by itself."""

STAMP = "stamp"
"""The field that carries the stamp."""

OLDEST_S = 24 * 3600.0

_SHAPE = re.compile(r"([0-9a-f]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)

Trapped = Literal["", "filled", "expired", "hasty"]
"""What the traps say: nothing; answer as a success and record nothing; ask again with a new stamp; ask again."""


class Stamps:
    """Makes and reads stamps. `key`: at least 16 random bytes, the same in all processes."""

    def __init__(self, key: bytes) -> None:
        self._key = sub_key(key, "stamps")

    def issue(self, campaign: str, now: datetime) -> str:
        """A stamp for a form of `campaign` handed out at `now` (aware): 55 characters, safe in HTML and in URLs."""
        moment = f"{to_us(now) // 1000:x}"
        return f"{moment}.{mac(self._key, campaign, moment)}"

    def read(self, stamp: str, campaign: str, now: datetime) -> float | None:
        """The age of the stamp in seconds, or None for one that is not ours, of another campaign, too old or not yet."""
        shape = _SHAPE.fullmatch(stamp)
        if shape is None or not hmac.compare_digest(mac(self._key, campaign, shape[1]), shape[2]):
            return None
        age = (to_us(now) // 1000 - int(shape[1], 16)) / 1000
        return age if 0 <= age <= OLDEST_S else None


def trapped(honeypot: str, age_s: float | None, least_s: float) -> Trapped:
    """What to do with a form: `honeypot` is that field's value, `age_s` what `Stamps.read` said."""
    if honeypot:
        return "filled"
    if age_s is None:
        return "expired"
    return "hasty" if age_s < least_s else ""
