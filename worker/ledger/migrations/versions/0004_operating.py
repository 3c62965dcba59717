"""Operating: users, sessions, changed limits, what processes say of themselves, samples, tallies, alarms, bulk acts.

Adds tables and an index, and gives one index another column; the program before it runs on beside them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ROLES = "role IN ('viewer', 'operator', 'admin')"
_LIMITS = "scope IN ('relay', 'relay-day', 'domain', 'mailbox', 'mailbox-day', 'campaign-office')"


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.drop_index("signatures_confirmed", "signatures")
    _partial("signatures_confirmed", "signatures", ["campaign_id", "id"], "state = 'confirmed'")
    _partial("letters_waiting", "letters", ["addressee", "due_at"], "state = 'queued'")
    _users()
    _limits()
    _processes()
    _history()
    _acts()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.CheckConstraint(_ROLES, name="role_known"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
    )
    op.create_index("sessions_user", "sessions", ["user_id"])
    op.create_table(
        "login_failures",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("login_failures_key", "login_failures", ["key", "at"])


def _limits() -> None:
    op.create_table(
        "limit_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.CheckConstraint(_LIMITS, name="scope_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    _partial("limit_changes_standing", "limit_changes", ["scope", "target"], "lifted_at IS NULL")


def _processes() -> None:
    op.create_table(
        "processes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("skew_us", sa.BigInteger(), nullable=False),
        sa.Column("disk_free", sa.BigInteger(), nullable=False),
        sa.Column("disk_size", sa.BigInteger(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("drain_asked_at", sa.BigInteger()),
        sa.Column("stopped_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name"),
    )


def _history() -> None:
    op.create_table(
        "samples",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("oldest_due", sa.BigInteger()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("at"),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels"),
    )
    op.create_table(
        "alarms",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("telling_until", sa.BigInteger()),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger()),
        sa.Column("clear_told_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
    _partial("alarms_open", "alarms", ["kind", "target"], "cleared_at IS NULL", unique=True)


def _acts() -> None:
    op.create_table(
        "bulk_acts",
        sa.Column("id", ID, nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("undoes", ID),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("up_to", ID, nullable=False),
        sa.Column("after", ID, nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("why_skipped", sa.Text(), server_default="{}", nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    _partial("bulk_acts_open", "bulk_acts", ["id"], "ended_at IS NULL")
