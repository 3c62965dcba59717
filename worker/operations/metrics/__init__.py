"""Numbers for a monitoring system: what each process counts (`tally`), and what a scrape is told (`collect`).

Gauges are read from the ledger at the moment of the scrape. Counters and histograms are added up in the ledger by all
processes together, so that whichever web process is asked tells the same. `docs/monitoring.md` lists them all.
"""

from worker.operations.metrics.asking import Answers
from worker.operations.metrics.collect import collect
from worker.operations.metrics.tally import Counters

__all__ = ["Answers", "Counters", "collect"]
