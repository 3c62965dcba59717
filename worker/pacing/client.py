"""The connection to Redis as the pacer needs it."""

from typing import TYPE_CHECKING

from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from redis.asyncio.client import Redis as RedisClient

TIMEOUT_S = 5.0
"""A grant that takes longer to arrive is dead on arrival (see `GRANT_LIFE_S`)."""


def connect(url: str) -> "RedisClient":
    """A client for `redis://`, `rediss://`, `unix://` or Celery's `redis+socket://`. Dials at the first call, not here.

    A connection that turns out dead (a server that was restarted) is dialled once more, at once: a call repeated so
    wastes grants at worst. A time-out is not tried again. RESP2 is named because redis-py 8 otherwise opens with
    HELLO 3 and asks TCP servers for maintenance notices; nothing here needs either. Raises BadInput for a URL that is
    none of these (the message does not quote it: it may hold a password).
    """
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError  # noqa: A004 - redis-py's own

    try:
        client: Redis = Redis.from_url(
            url.replace("redis+socket://", "unix://", 1),
            protocol=2,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1, (ConnectionError,)),
        )
    except ValueError:
        raise BadInput(
            "[pacing] url is not an address of a Redis: write redis://HOST:PORT/0, rediss://..., unix:///path or embedded"
        ) from None
    return client
