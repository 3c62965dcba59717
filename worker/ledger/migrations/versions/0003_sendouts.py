"""Yearly send-outs: occurrences with their preflights, agreements to new texts, holds on one send-out.

Adds tables and columns, and one word to the scopes of holds; the program before it runs on beside them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SCOPES = "scope IN ('lane', 'office', 'campaign', 'sendout', 'relay', 'everything')"
_STATES = "state IN ('planned', 'announced', 'approved', 'expanding', 'sending', 'done', 'held', 'missed', 'cancelled')"


def upgrade() -> None:
    op.add_column("sendouts", sa.Column("text_id", ID))
    op.add_column("sendouts", sa.Column("consent", sa.Text(), nullable=False, server_default=""))
    op.add_column("sendouts", sa.Column("facts", sa.Text(), nullable=False, server_default="{}"))
    _widen_holds()
    op.create_table(
        "occurrences",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("run_at", sa.BigInteger()),
        sa.Column("ends_at", sa.BigInteger()),
        sa.Column("text_id", ID),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("told_to", ID, nullable=False),
        sa.Column("announced_at", sa.BigInteger()),
        sa.Column("approved_at", sa.BigInteger()),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger()),
        sa.Column("sendout_id", ID),
        sa.Column("audience", sa.BigInteger()),
        sa.Column("written_to", ID, nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(_STATES, name="state_known"),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"]),
        sa.ForeignKeyConstraint(["text_id"], ["pins.id"]),
        sa.ForeignKeyConstraint(["sendout_id"], ["sendouts.id"]),
        sa.UniqueConstraint("campaign_id", "occasion", "period"),
    )
    still_open = sa.text("state NOT IN ('done', 'cancelled')")
    op.create_index(
        "occurrences_open", "occurrences", ["starts_at"], sqlite_where=still_open, postgresql_where=still_open
    )
    op.create_table(
        "preflights",
        sa.Column("occurrence_id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("occurrence_id", "name"),
        sa.ForeignKeyConstraint(["occurrence_id"], ["occurrences.id"]),
    )
    op.create_table(
        "agreements",
        sa.Column("signature_id", ID, autoincrement=False, nullable=False),
        sa.Column("text_id", ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("signature_id", "text_id"),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"]),
        sa.ForeignKeyConstraint(["text_id"], ["pins.id"]),
    )


def _widen_holds() -> None:
    """SQLite cannot change a CHECK: the table, which is small, is made anew."""
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("scope_known", "holds", type_="check")
        op.create_check_constraint("scope_known", "holds", _SCOPES)
        return
    op.drop_index("holds_standing", "holds")
    op.rename_table("holds", "holds_before")
    op.create_table(
        "holds",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.CheckConstraint(_SCOPES, name="scope_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO holds SELECT id, scope, target, reason, who, since, until, lifted_at FROM holds_before")
    op.drop_table("holds_before")
    standing = sa.text("lifted_at IS NULL")
    op.create_index("holds_standing", "holds", ["scope", "target"], sqlite_where=standing)
