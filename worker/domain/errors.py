"""Errors that reach a person. Each says whose fault it is by its class, and in its message what to do next."""


class LettershopError(Exception):
    """The base of every error the house raises on purpose."""

    exit_status = 1


class Failed(LettershopError):
    """Something we tried did not work: a server away, a full disk. Exit status 1."""


class BadInput(LettershopError):
    """What came from outside is not usable: a config file, an option, a CSV row. Exit status 2."""

    exit_status = 2


class RefusedByState(LettershopError):
    """The request is well formed, but the state of things forbids it: the other mode, a held lane. Exit status 3."""

    exit_status = 3
