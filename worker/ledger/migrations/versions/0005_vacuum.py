"""PostgreSQL tidies the letters after hundreds of changes instead of after a fifth of them all.

How many are due is told from an index; until a page with a changed letter is tidied, its letters must be fetched beside it.
No table and no row is changed, and nothing on SQLite.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

CHANGED, ADDED = 500, 5_000


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        "ALTER TABLE letters SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_scale_factor = 0,"
        f" autovacuum_vacuum_threshold = {CHANGED}, autovacuum_vacuum_insert_threshold = {ADDED})"
    )
