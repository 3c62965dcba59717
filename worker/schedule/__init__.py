"""The schedule: which send-out of a campaign falls due when, and how it is announced, approved, begun and spread.

    tick(board)                     plan what is ahead and do what is due: any number of processes, any number of times
    approve(board, number, order)   and hold, resume, cancel, run, move_end, preflight: what operators do

What is computed of dates and hours alone stands in `domain.occasion` and `domain.drip`, the life of one year's send-out in
`domain.occurrence`; here stands what needs the ledger or a library. `holidays` knows the public holidays of each country.
"""

from worker.schedule.board import Board, Fault, Leads
from worker.schedule.life import begins_at, lead_name, tick
from worker.schedule.preflight import Preflight, look_over
from worker.schedule.verbs import Order, approve, cancel, hold, move_end, preflight, resume, run

__all__ = [
    "Board",
    "Fault",
    "Leads",
    "Order",
    "Preflight",
    "approve",
    "begins_at",
    "cancel",
    "hold",
    "lead_name",
    "look_over",
    "move_end",
    "preflight",
    "resume",
    "run",
    "tick",
]
