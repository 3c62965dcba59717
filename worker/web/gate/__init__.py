"""The gate: the form must not become a mail cannon.

| file | keeps out | says |
|---|---|---|
| `client.py` | forged `X-Forwarded-For`, IPv6 by the /64 | whose request it is |
| `traps.py` | programs that fill everything, or at once | what to do with the form |
| `limits.py` | floods | allowed, held, or asked to wait |
| `challenge.py` | cheap floods | whether work was done |
| `typos.py` | letters to nobody | the address that was meant |

Nothing here refuses for Redis's sake: while it is away each process counts by itself, and stricter.
"""

from worker.web.gate.challenge import Challenges
from worker.web.gate.client import ClientAddress, Networks, client_of
from worker.web.gate.door import Door, form_pacer
from worker.web.gate.limits import FormLimits, Leave, Rates, Visit
from worker.web.gate.traps import HONEYPOT, STAMP, Stamps, Trapped, trapped
from worker.web.gate.typos import suggestion

__all__ = [
    "HONEYPOT",
    "STAMP",
    "Challenges",
    "ClientAddress",
    "Door",
    "FormLimits",
    "Leave",
    "Networks",
    "Rates",
    "Stamps",
    "Trapped",
    "Visit",
    "client_of",
    "form_pacer",
    "suggestion",
    "trapped",
]
