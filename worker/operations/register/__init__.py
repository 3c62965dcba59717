"""The register of offices, looked at and changed by operators.

    proposal = propose(home, [set_mailbox(entry, ...)], now)    # checked, nothing written
    proposal.changes                                            # what it does, with sample letters
    take(proposal, ledger, By(who, "set-mailbox"))              # the file, the audit, letters of offices that decline

Workers read the register when they start: until then they work to the old one, but for an office that is retired, which
its hold stops at once. Afterwards `worker.intake.sync_register` moves queued letters to the lanes of changed mailboxes.
"""

from worker.operations.register.changing import By, Change, Proposal, Taken, propose, take
from worker.operations.register.entries import Entry
from worker.operations.register.exporting import as_csv, write_new
from worker.operations.register.file import RegisterFile, read_register
from worker.operations.register.importing import read_entries
from worker.operations.register.samples import Sample
from worker.operations.register.verbs import HolderChange, known, retire, set_holder, set_mailbox, unretire
from worker.operations.register.views import listed, look, shown

__all__ = [
    "By",
    "Change",
    "Entry",
    "HolderChange",
    "Proposal",
    "RegisterFile",
    "Sample",
    "Taken",
    "as_csv",
    "known",
    "listed",
    "look",
    "propose",
    "read_entries",
    "read_register",
    "retire",
    "set_holder",
    "set_mailbox",
    "shown",
    "take",
    "unretire",
    "write_new",
]
