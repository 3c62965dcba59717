"""A worker's house: all that its rounds share."""

import os
import random
import socket
from collections.abc import Callable
from dataclasses import replace

from worker.delivery import Timeouts, load_rules
from worker.domain.clock import SystemClock
from worker.domain.tallying import UNTOLD, Tally
from worker.ledger.book import Ledger
from worker.ledger.hot import Committer
from worker.rendering import Renderer
from worker.rounds import House, Leases
from worker.rounds.relays import Connections
from worker.settings import Home
from worker.wiring.home import connect_hot
from worker.wiring.plan import plan_of
from worker.wiring.relays import relay_targets
from worker.wiring.servers import open_pacer


def build_house(home: Home, ledger: Ledger, draining: Callable[[], bool], tally: Tally = UNTOLD) -> House:
    """All that the rounds of one process share; `tally` counts their work. Call it on the event loop that will run them."""
    clock = SystemClock()
    url = home.settings.ledger.url
    return House(
        plan=plan_of(home),
        ledger_id=ledger.ledger_id,
        committer=Committer(lambda: connect_hot(url)),
        now_us=ledger.now_us,
        clock=clock,
        keys=ledger.keys,
        renderer=Renderer(),
        pacer=open_pacer(home, ledger),
        relays=Connections(relay_targets(home), Timeouts()),
        rules=load_rules(home.rules_text),
        leases=Leases(clock),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        random=random.random,
        draining=draining,
        tally=tally,
    )


def house_anew(house: House, home: Home) -> House:
    """`house` for a home that was read again: what a process has open stays; rounds under way keep the old one.

    Raises Failed and BadInput as `build_house` does.
    """
    relays = Connections(relay_targets(home), Timeouts())
    return replace(house, plan=plan_of(home), relays=relays, rules=load_rules(home.rules_text))
