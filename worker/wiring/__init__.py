"""Composition: opens the parts of a home and puts them together. The only place that knows them all.

Each function opens what its name says when it is called; nothing is opened or read at import. `embedded` URLs resolve to
the private server's socket under the home's `var/`, so that every verb finds the stack that `lettershop up` started. Each
file imports what it puts together, so that a verb that only looks into the ledger (`home`) does not import a worker.
"""
