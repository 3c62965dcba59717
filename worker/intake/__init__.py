"""Intake: how signatures come in, and how they end. `docs/producers.md` shows each call with an example.

    intake = Intake(ledger, keys, campaigns, offices, clock, wake)
    receipt = intake.sign("save-the-library", PersonInput("Sample Signer 01", "one@mail.example", "GB"), source="web")
    intake.confirm(token)                     # the token came by mail
    intake.submit(..., evidence="paper lists, folder 3")   # confirmed elsewhere

What a call acknowledges is committed. Each call is idempotent: by (campaign, canonical address) while the signature
stands, and by `request_key` for ever. After withdrawing or erasing the same person may sign again; an office that was
written to for them in a send-out is not written to again in it.

Nothing personal is logged, and no message of an error repeats what was written.
"""

from worker.intake.bulk import Row
from worker.intake.consent import SEND, YEARLY, Consent
from worker.intake.desk import Asked, Terms
from worker.intake.doors import Intake, Ready
from worker.intake.importing import Progress, Report, import_file
from worker.intake.receipt import Ended, Outcome, Receipt, Tally
from worker.intake.register import sync_register
from worker.intake.validate import BadPerson, PersonInput

__all__ = [
    "SEND",
    "YEARLY",
    "Asked",
    "BadPerson",
    "Consent",
    "Ended",
    "Intake",
    "Outcome",
    "PersonInput",
    "Progress",
    "Ready",
    "Receipt",
    "Report",
    "Row",
    "Tally",
    "Terms",
    "import_file",
    "sync_register",
]
