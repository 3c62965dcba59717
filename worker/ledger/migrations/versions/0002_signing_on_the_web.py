"""Signing on the web: offices left out, reviews, reminders, addresses that asked for quiet, API keys.

Adds tables and one index; the program before it runs on beside them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _signature() -> tuple[sa.Column[int], sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.Column("signature_id", ID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("signature_id"),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"]),
    )


def upgrade() -> None:
    _partial("signatures_confirmed", "signatures", ["campaign_id"], "state = 'confirmed'")
    column, *rules = _signature()
    op.create_table("choices", column, sa.Column("left_out", sa.Text(), nullable=False), *rules)
    column, *rules = _signature()
    op.create_table(
        "reviews",
        column,
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("decision", sa.Text(), nullable=False),
        *rules,
    )
    _partial("reviews_open", "reviews", ["since"], "decided_at IS NULL")
    column, *rules = _signature()
    op.create_table(
        "lapses",
        column,
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("reminded", sa.Boolean(), nullable=False),
        *rules,
    )
    op.create_index("lapses_next", "lapses", ["next_at"])
    op.create_table(
        "quiet",
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address_key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    _partial("api_keys_name", "api_keys", ["name"], "expires_at IS NULL", unique=True)
