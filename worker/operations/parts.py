"""Are broker and pacing there? Asked with a short patience, answered with a sentence: what `status` and `check` show."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from worker.domain.errors import LettershopError
from worker.pacing import Pacer

PATIENCE_S = 2.0


def ask_broker(url: str, patience_s: float = PATIENCE_S) -> str:
    """Why the broker at `url` (as kombu writes it) does not answer, or ""."""
    import kombu

    connect: Any = kombu.Connection  # type: ignore[attr-defined]  # it ships half of its types
    transport = {"socket_timeout": patience_s, "socket_connect_timeout": patience_s, "max_retries": 0}
    try:
        with connect(url, connect_timeout=patience_s, transport_options=transport) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=patience_s)
            connection.default_channel.close()
    except Exception as exc:  # noqa: BLE001 -- each transport raises its own driver's errors
        return f"the broker {shown(url)} does not answer: {_words(exc)}"
    return ""


def ask_pacing(pacer: Pacer, patience_s: float = PATIENCE_S) -> tuple[str, bool]:
    """Why pacing does not answer, or ""; and whether it could grant now (False: settling, or not refilled yet)."""

    async def ask() -> tuple[str, bool]:
        try:
            async with asyncio.timeout(patience_s):
                return "", await pacer.ready()
        except LettershopError as exc:
            return str(exc), False
        except TimeoutError:
            return f"Redis (pacing) did not answer within {patience_s:g} s", False
        finally:
            await pacer.aclose()

    return asyncio.run(ask())


def shown(url: str) -> str:
    """A broker's URL as it may be printed: no password."""
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":***@", 1)


def _words(exc: BaseException) -> str:
    while exc.__cause__ is not None:
        exc = exc.__cause__
    return str(exc) or type(exc).__name__
