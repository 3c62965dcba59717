"""The round: up to a hundred due letters of one lane, in order, by one worker over one SMTP connection of one relay.

Read `round` first: it is the order of events that the promises rest on. `choose` says which lane a round takes, `making`
turns a claimed letter into bytes, `after` turns a verdict into what the ledger records, `pace` asks for leave, `relays`
keeps the open connections, `upkeep` renews and rescues. No Celery, no SQL and no Redis in this room: it is handed its
parts in a `House`.
"""

from worker.rounds.house import House, Plan, RelayPlan
from worker.rounds.round import Report, run_round
from worker.rounds.upkeep import Leases, clear_up, stage

__all__ = ["House", "Leases", "Plan", "RelayPlan", "Report", "clear_up", "run_round", "stage"]
