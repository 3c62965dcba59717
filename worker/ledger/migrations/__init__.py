"""The ledger's schema, step by step. Numbered; each step runs on SQLite and PostgreSQL, in one transaction.

A step that has been released is never edited. It must be safe while the program before it still runs: add first, use
in the next release, remove in the one after. `KNOWN` lists the steps in order; `HEAD` is where this program stands.
`ROWS_SINCE` is the last step that changed tables or rows: a backup since then holds the rows of today.
"""

KNOWN = ("0001", "0002", "0003", "0004", "0005")
HEAD = KNOWN[-1]
ROWS_SINCE = "0004"
