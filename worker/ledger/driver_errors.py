"""What the drivers of the two databases raise.

PostgreSQL's driver takes a tenth of a second to import, which a process on SQLite need not pay: only what opens a
connection to PostgreSQL imports it, and before that nobody can be given an error of it.
"""

import sqlite3
import sys
from typing import TYPE_CHECKING, TypeGuard

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg


def driver_errors() -> tuple[type[Exception], ...]:
    """The base classes of all that a driver in use may raise, by itself or through SQLAlchemy, for an `except`."""
    return DBAPIError, sqlite3.Error, *_of_postgresql()


def is_of_postgresql(exc: BaseException | None) -> "TypeGuard[psycopg.Error]":
    """Whether PostgreSQL's driver raised it."""
    return isinstance(exc, _of_postgresql())


def _of_postgresql() -> tuple[type[Exception], ...]:
    error = getattr(sys.modules.get("psycopg"), "Error", None)  # a module on its way in may lack it still
    return () if error is None else (error,)
