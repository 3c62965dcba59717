"""The watchdog: looks, keeps the book of alarms, tells operators. Independent of the workers' way."""

from worker.operations.watchdog.asking import ask_parts
from worker.operations.watchdog.looking import LOOK_S, Watchdog, keep_looking
from worker.operations.watchdog.summary import Plan
from worker.operations.watchdog.telling import Mailer, recipients

__all__ = ["LOOK_S", "Mailer", "Plan", "Watchdog", "ask_parts", "keep_looking", "recipients"]
