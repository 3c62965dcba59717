"""The watchdog of a home, and who writes to its operators."""

import contextlib
from collections.abc import Mapping
from functools import partial

from worker.domain.clock import SystemClock, from_us
from worker.domain.errors import LettershopError
from worker.ledger.book import Ledger
from worker.operations.forecast import forecast
from worker.operations.limits_view import days_of
from worker.operations.needs import Parts
from worker.operations.reload import Reloading
from worker.operations.watchdog import Mailer, Plan, Watchdog, ask_parts
from worker.settings import Home
from worker.wiring.home import open_ledger, read_home
from worker.wiring.plan import open_gauge
from worker.wiring.relays import alarm_targets
from worker.wiring.servers import broker_url, open_pacer


def open_watchdog(home: Home, look_s: float, environ: Mapping[str, str] | None = None) -> Watchdog:
    """The watchdog of a home; it opens the ledger when it looks. Raises BadInput for settings it cannot follow."""
    Plan.of(home.settings.alarms)

    def ask(of: Home, ledger: Ledger | None) -> Parts:
        pacer, days = None, {}
        if ledger is not None:
            with contextlib.suppress(LettershopError):  # the ledger has gone since, which the next reading says
                days = days_of(of, open_gauge(of, ledger))
                pacer = partial(open_pacer, of, ledger)
        return ask_parts(broker_url(of), pacer, days, of.var)

    return Watchdog(
        home=home,
        open_ledger=partial(open_ledger, home),
        ask=ask,
        mailer_of=mailer_of,
        clock=SystemClock(),
        look_s=look_s,
        config=Reloading(home, partial(read_home, home.root, environ)),
        foresee=_foresee,
    )


def _foresee(home: Home, ledger: Ledger) -> str:
    """Until when what waits will be done, in a sentence."""
    return str(forecast(home, ledger, open_gauge(home, ledger), from_us(ledger.now_us()))["sentence"])


def mailer_of(home: Home) -> Mailer | None:
    """Who writes to the operators of a home; None where nobody is to be told."""
    keys, mode = home.settings.alarms, home.settings.mode
    if not keys.to:
        return None
    return Mailer(mode, keys.sender or "lettershop@rehearsal.invalid", keys.to, partial(alarm_targets, home))
