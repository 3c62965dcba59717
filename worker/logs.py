"""What running parts write to standard error: text, or one JSON object a line for a log collector.

    logs.set_up(settings.log.format, "watchdog")             # a part that has its logging to itself
    logs.set_up_celery(settings.log.format, "worker")        # before Celery makes its own
    logs.config(settings.log.format, "web", filters)         # for whoever wants logging.config's dictionary

Either way an exception is told by its kind, its files and its lines, never by its message, which may quote a request or
a signer (`Discreet`). A JSON object has time (ISO 8601, UTC), level, logger, message, process (kind and name) and
whatever a line gave as `extra`: letter, round, kind, target and the like.
"""

import copy
import logging
import logging.config
import os
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

_NOT_GIVEN = frozenset({"message", "exc_info", "stack_info"})

_STDERR = 2

TEXT = "%(asctime)s %(levelname)s %(message)s"

_QUIET = {
    "celery": "INFO",
    "kombu": "WARNING",
    "amqp": "WARNING",
    "uvicorn.error": "WARNING",
    "uvicorn.access": "WARNING",
}


class Discreet(logging.Formatter):
    """Exceptions without their messages: kind, files and lines only."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(_shortened(record)).replace("\n\n", "\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return told(ei)


class Json(JsonFormatter):
    """One object a line. `kind` is that of the process."""

    def __init__(self, kind: str) -> None:
        super().__init__(json_ensure_ascii=False)
        self._process = {"kind": kind, "name": f"{socket.gethostname()}:{os.getpid()}"}

    def format(self, record: logging.LogRecord) -> str:
        return super().format(_shortened(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return told(ei)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        ours = record.name.partition(".")[0] == "lettershop"  # what others give along, nobody has looked through
        given = {name: value for name, value in log_data.items() if ours and name not in _NOT_GIVEN}
        head: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": self._process,
        }
        exception = {"exception": log_data["exc_info"]} if log_data.get("exc_info") else {}
        log_data.clear()
        log_data.update({**given, **head, **exception})


def _shortened(record: logging.LogRecord) -> logging.LogRecord:
    """Lines of asyncio say what happened first; its further lines show tasks with all they hold."""
    if record.name != "asyncio":
        return record
    record = copy.copy(record)
    record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return record


def told(exc_info: Any) -> str:
    """An exception, and what led to it, without any message."""
    kind, error, trace = exc_info
    return "\n".join(_told(kind, error, trace)) if kind is not None else ""


def _told(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__) if error else None
    if cause is not None:
        yield from _told(type(cause), cause, cause.__traceback__)
        yield "which led to"
    yield f"{kind.__module__}.{kind.__qualname__}"
    for frame in traceback.extract_tb(trace):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def config(form: str, kind: str, filters: dict[str, Any] | None = None) -> dict[str, Any]:
    """For logging.config: everything to standard error as `form` ("text" or "json") says. `filters`: by name."""
    formatter = {"()": Json, "kind": kind} if form == "json" else {"()": Discreet, "fmt": TEXT}
    filters = filters or {}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"out": formatter},
        "filters": filters,
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "out", "filters": list(filters)}},
        "root": {"level": "WARNING", "handlers": ["out"]},
        "loggers": {"lettershop": {"level": "INFO"}, **{name: {"level": level} for name, level in _QUIET.items()}},
    }


def set_up(form: str, kind: str) -> None:
    """Set the process's logging up."""
    logging.config.dictConfig(config(form, kind))
    logging.captureWarnings(capture=True)


def set_up_celery(form: str, kind: str) -> None:
    """Let Celery write as `form` says; its own format where that is text."""
    if form != "json":
        return
    from celery.apps import worker
    from celery.signals import setup_logging

    def ours(**_: Any) -> None:
        set_up(form, kind)

    def say(message: str, *_: Any) -> None:
        """What Celery says from a signal handler, where nothing may wait for a lock: one write, as a line of ours."""
        told = {"name": "celery.worker", "levelname": "INFO", "levelno": logging.INFO, "msg": str(message).strip()}
        os.write(_STDERR, (formatter.format(logging.makeLogRecord(told)) + "\n").encode())

    formatter = Json(kind)
    worker.safe_say = say
    worker.Worker.emit_banner = lambda _: None
    ours()  # what is said before Celery gets there
    setup_logging.connect(ours, weak=False)


def part(name: str) -> logging.Logger:
    """The logger of a part."""
    return logging.getLogger(f"lettershop.{name}")
