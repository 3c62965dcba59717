"""How many queued letters stand in which span of due times, exactly, without counting a whole backlog.

How many letters of an addressee are queued is known from the counts. Spans share them out, so one span need never be
counted: it is what the others leave. All spans are probed up to a bound at once; where only one was not counted to its
end, it follows by subtraction, else the bound grows. A million letters due now, or none of a million due yet, costs a few
thousand steps of the index `letters_waiting`; the dear case is a backlog with two large spans, and costs the second largest.

Called within `Ledger.read`, whose snapshot the counts come from too: so the answer is that of a full count.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

FIRST_BOUND, GROWTH = 256, 32
PAGE = 2_000
"""Probes of one statement."""

_NEVER_US, _ALWAYS_US = -(2**62), 2**62


class Due(NamedTuple):
    """How many letters are due, and since when the first (microseconds since 1970)."""

    n: int
    first_us: int


# `state = 'queued'` stands as a literal: SQLite uses the partial index only where it reads the same words.
_PROBE = """
SELECT p.i, (SELECT count(*) FROM (
    SELECT 1 FROM letters
    WHERE state = 'queued' AND addressee = p.a AND due_at > p.lo AND due_at <= p.hi LIMIT :bound
) found) FROM p
"""
_FIRST = """
SELECT p.i, (SELECT due_at FROM letters WHERE state = 'queued' AND addressee = p.a ORDER BY due_at LIMIT 1) FROM p
"""
_LAST = """
SELECT p.i, (SELECT due_at FROM letters WHERE state = 'queued' AND addressee = p.a ORDER BY due_at DESC LIMIT 1) FROM p
"""
_BY_INDEX = """
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('jit', 'off', true)
"""
"""PostgreSQL would fetch a whole span before it heeds LIMIT. For the rest of the caller's transaction."""

_ROWS = {
    "sqlite": """
WITH p AS MATERIALIZED (
    SELECT json_extract(value, '$.i') AS i, json_extract(value, '$.a') AS a,
           json_extract(value, '$.lo') AS lo, json_extract(value, '$.hi') AS hi FROM json_each(:rows)
)""",
    "postgresql": """
WITH p AS MATERIALIZED (
    SELECT i, a, lo, hi FROM json_to_recordset(CAST(:rows AS json)) AS r(i int, a text, lo bigint, hi bigint)
)""",
}


def due(connection: Connection, at_us: int, queued: Mapping[str, int]) -> dict[str, Due]:
    """What is due at `at_us`, by addressee; those with nothing due are left out.

    `queued` is how many letters of each addressee are queued, by the counts of the same snapshot.
    """
    late = {addressee: n[0] for addressee, n in spread(connection, [at_us], queued).items() if n[0]}
    since = first(connection, late)
    return {addressee: Due(n, since[addressee]) for addressee, n in late.items()}


def first(connection: Connection, addressees: Mapping[str, Any] | Sequence[str]) -> dict[str, int]:
    """The earliest due time of each addressee's queued letters, where there are any."""
    return _edge(connection, _FIRST, list(addressees))


def last(connection: Connection, addressees: Mapping[str, Any] | Sequence[str]) -> dict[str, int]:
    """The latest due time of each addressee's queued letters, where there are any."""
    return _edge(connection, _LAST, list(addressees))


def spread(connection: Connection, bounds_us: Sequence[int], queued: Mapping[str, int]) -> dict[str, list[int]]:
    """How many of each addressee's queued letters are due in each span that the rising `bounds_us` part.

    With bounds [a, b]: those due at or before a, those after a up to b, those after b. Addressees without queued letters
    are left out.
    """
    edges = [_NEVER_US, *bounds_us, _ALWAYS_US]
    tables = [_Table(addressee, n, [None] * (len(edges) - 1)) for addressee, n in queued.items() if n > 0]
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(_BY_INDEX))
    bound, still = FIRST_BOUND, tables
    while still:
        for some in (slice(-1), slice(-1, None)):  # the last may follow from the others, at half the cost
            wanted = [(table, span) for table in still for span in table.unknown()[some]]
            for (table, span), n in zip(wanted, _probe(connection, wanted, edges, bound), strict=True):
                table.saw(span, n, bound)
        still = [table for table in still if table.unknown()]
        bound *= GROWTH
    return {table.addressee: [n or 0 for n in table.spans] for table in tables}


@dataclass(slots=True)
class _Table:
    """One addressee's spans; None where a span is not counted to its end yet."""

    addressee: str
    queued: int
    spans: list[int | None]

    def unknown(self) -> list[int]:
        """The spans that are not counted to their end."""
        return [span for span, n in enumerate(self.spans) if n is None]

    def saw(self, span: int, n: int, bound: int) -> None:
        """A probe of the span found `n` letters, or as many as it was bound to and maybe more."""
        if n < bound:
            self.spans[span] = n
        left = self.unknown()
        rest = self.queued - sum(n for n in self.spans if n is not None)
        if rest == 0 or len(left) == 1:
            for each in left:
                self.spans[each] = rest


def _probe(
    connection: Connection, wanted: Sequence[tuple[_Table, int]], edges: Sequence[int], bound: int
) -> Iterator[int]:
    for page in range(0, len(wanted), PAGE):
        rows = [
            {"i": i, "a": table.addressee, "lo": edges[span], "hi": edges[span + 1]}
            for i, (table, span) in enumerate(wanted[page : page + PAGE])
        ]
        found = dict(_ask(connection, _PROBE, rows, bound=bound))
        yield from (found[i] for i in range(len(rows)))


def _edge(connection: Connection, statement: str, addressees: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for page in range(0, len(addressees), PAGE):
        names = addressees[page : page + PAGE]
        rows = [{"i": i, "a": name, "lo": 0, "hi": 0} for i, name in enumerate(names)]
        found |= {names[i]: at for i, at in _ask(connection, statement, rows) if at is not None}
    return found


def _ask(connection: Connection, statement: str, rows: list[dict[str, Any]], **more: int) -> list[tuple[int, Any]]:
    if not rows:
        return []
    whole = sa.text(_ROWS[connection.dialect.name] + statement)
    return [(i, value) for i, value in connection.execute(whole, {"rows": json.dumps(rows), **more})]
