"""The first schema: a frozen copy of `worker.ledger.schema` as it was released, which a test compares with it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite numbers rows by itself only in a column typed INTEGER.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "count_deltas",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("sendout_id", ID, nullable=False),
        sa.Column("addressee", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "counts",
        sa.Column("campaign_id", ID, autoincrement=False, nullable=False),
        sa.Column("sendout_id", ID, autoincrement=False, nullable=False),
        sa.Column("addressee", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "sendout_id", "addressee", "state"),
    )
    op.create_table(
        "gates",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("opens_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key"),
    )
    op.create_table(
        "holds",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("scope IN ('lane', 'office', 'campaign', 'relay', 'everything')", name="scope_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    _partial("holds_standing", "holds", ["scope", "target"], "lifted_at IS NULL")
    op.create_table(
        "lanes",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("served_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "meta",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("ledger_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("key_checks", sa.Text(), nullable=False),
        sa.Column("rounds_from", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "pins",
        sa.Column("id", ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "signers",
        sa.Column("id", ID, nullable=False),
        sa.Column("address_key", sa.LargeBinary(), nullable=True),
        sa.Column("key_version", sa.SmallInteger(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address_key"),
    )
    op.create_table(
        "imports",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("file_hash", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("repeated", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "file_hash"),
    )
    op.create_table(
        "rounds",
        sa.Column("id", ID, nullable=False),
        sa.Column("lane_id", ID, nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("lone", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    _partial("rounds_slot", "rounds", ["lane_id", "slot"], "closed_at IS NULL", unique=True)
    op.create_table(
        "sendouts",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "name"),
    )
    op.create_table(
        "signatures",
        sa.Column("id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("signer_id", ID, nullable=False),
        sa.Column("signer_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("person_key", sa.LargeBinary(), nullable=False),
        sa.Column("text_id", ID, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('unconfirmed', 'confirmed', 'withdrawn', 'erased')", name="state_known"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"]),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"]),
        sa.ForeignKeyConstraint(["text_id"], ["pins.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "request_key"),
    )
    op.create_index("signatures_person", "signatures", ["person_key"])
    op.create_index("signatures_signer", "signatures", ["signer_id"])
    _partial(
        "signatures_standing",
        "signatures",
        ["campaign_id", "person_key"],
        "state IN ('unconfirmed', 'confirmed')",
        unique=True,
    )
    op.create_table(
        "signer_versions",
        sa.Column("signer_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"]),
        sa.PrimaryKeyConstraint("signer_id", "version"),
    )
    op.create_table(
        "consents",
        sa.Column("id", ID, nullable=False),
        sa.Column("signature_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wording_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("consents_signature", "consents", ["signature_id"])
    op.create_table(
        "letters",
        sa.Column("id", ID, nullable=False),
        sa.Column("signature_id", ID, nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("sendout_id", ID, nullable=False),
        sa.Column("addressee", sa.Text(), nullable=False),
        sa.Column("lane_id", ID, nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("life_us", sa.BigInteger(), nullable=False),
        sa.Column("claim", ID, nullable=True),
        sa.Column("suspect", sa.SmallInteger(), nullable=False),
        sa.Column("doubts", sa.SmallInteger(), nullable=False),
        sa.Column("resend_of", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'sending', 'sent', 'refused', 'held', 'expired', 'in_doubt', 'faulty', 'bounced', 'cancelled', 'suppressed', 'bound')",  # noqa: E501
            name="state_known",
        ),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"]),
        sa.ForeignKeyConstraint(["sendout_id"], ["sendouts.id"]),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("signature_id", "addressee", "sendout_id"),
    )
    _partial("letters_claim", "letters", ["claim"], "claim IS NOT NULL")
    _partial("letters_due", "letters", ["lane_id", "campaign_id", "rank", "due_at", "id"], "state = 'queued'")
    _partial("letters_unusual", "letters", ["state", "id"], "state NOT IN ('queued', 'sent', 'claimed', 'sending')")
    op.create_table(
        "tokens",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signature_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"]),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("tokens_signature", "tokens", ["signature_id"])
    op.create_table(
        "attempts",
        sa.Column("letter_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("round_id", ID, nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("lane_id", ID, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("addressee_pin", ID, nullable=True),
        sa.Column("frame_pin", ID, nullable=True),
        sa.Column("signer_version", sa.Integer(), nullable=True),
        sa.Column("date_us", sa.BigInteger(), nullable=True),
        sa.Column("renderer", sa.SmallInteger(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("code", sa.SmallInteger(), nullable=True),
        sa.Column("enhanced", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["letter_id"], ["letters.id"]),
        sa.PrimaryKeyConstraint("letter_id", "number"),
    )
    _partial("attempts_started", "attempts", ["started_at"], "started_at IS NOT NULL")
