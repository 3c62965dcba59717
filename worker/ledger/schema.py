"""The ledger's tables. Every moment (`*_at`) is microseconds since 1970 UTC, so that both databases hold the same.

Personal data stands in `signer_versions.sealed` and `tokens.sealed` alone, each encrypted with its signer's own key.
The state CHECK is made from `worker.domain.states`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

from worker.domain.occurrence import Life
from worker.domain.states import State

metadata = MetaData()

# SQLite numbers rows by itself only in a column typed INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _one_of(column: str, values: list[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(v) for v in values)})", name=f"{column}_known")


def _partial_index(name: str, table: Table, columns: tuple[str, ...], where: str, *, unique: bool = False) -> None:
    Index(name, *(table.c[c] for c in columns), unique=unique, info={"where": where})


@compiles(CreateIndex)
def _create_index(element: CreateIndex, compiler: Any, **options: Any) -> str:
    """Both databases write WHERE alike. SQLAlchemy's own options for it import both dialects into every process."""
    statement: str = compiler.visit_create_index(element, **options)
    where = element.element.info.get("where")
    return f"{statement} WHERE {where}" if where else statement


meta = Table(
    "meta",
    metadata,
    Column("id", SmallInteger, primary_key=True),  # always 1
    Column("ledger_id", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("epoch", Integer, nullable=False),  # raised by accept-restore
    Column("key_checks", Text, nullable=False),  # JSON: a MAC of a constant under each key; tells a wrong key file
    Column("rounds_from", BigInteger, nullable=False),  # no round up to this one is missed: set by accept-restore
    Column("made_at", BigInteger, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
)

pins = Table(
    "pins",
    metadata,
    Column("id", Id, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 (hex) of body
    Column("kind", Text, nullable=False),  # text | office | frame | consent
    Column("body", Text, nullable=False),  # canonical JSON
    Column("made_at", BigInteger, nullable=False),
)

signers = Table(
    "signers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_key", LargeBinary, unique=True),  # keyed hash of the canonical address; NULL once erased
    Column("key_version", SmallInteger, nullable=False),  # of the canonicalisation
    Column("wrapped_key", LargeBinary),  # the signer's own key, wrapped by the data key; NULL once erased
    Column("version", Integer, nullable=False),  # the current row of signer_versions
    Column("made_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger),
)

signer_versions = Table(
    "signer_versions",
    metadata,
    Column("signer_id", Id, ForeignKey("signers.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # JSON {"person": {...}, "salt": hex}, AES-GCM
    Column("made_at", BigInteger, nullable=False),
)

signatures = Table(
    "signatures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("signer_id", Id, ForeignKey("signers.id"), nullable=False),
    # whose words these are: another campaign's signing, or an unconfirmed one, must not change them
    Column("signer_version", Integer, nullable=False, server_default="1"),
    Column("person_key", LargeBinary, nullable=False),  # keyed hash of (campaign, canonical address); survives erasing
    Column("text_id", Id, ForeignKey("pins.id"), nullable=False),
    Column("language", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),  # cli | api | import:<id> | ...
    Column("evidence", Text, nullable=False),  # where and how this person agreed; "" while unconfirmed
    Column("request_key", Text),  # a producer's idempotency key
    Column("made_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("ended_at", BigInteger),
    UniqueConstraint("campaign_id", "request_key"),
    _one_of("state", ["unconfirmed", "confirmed", "withdrawn", "erased"]),
)
_partial_index(
    "signatures_standing",
    signatures,
    ("campaign_id", "person_key"),
    "state IN ('unconfirmed', 'confirmed')",
    unique=True,
)
Index("signatures_person", signatures.c.person_key)
Index("signatures_signer", signatures.c.signer_id)

# with the number: a yearly send-out goes through them in its order, page by page
_partial_index("signatures_confirmed", signatures, ("campaign_id", "id"), "state = 'confirmed'")

choices = Table(  # only of signers who left out offices
    "choices",
    metadata,
    Column("signature_id", Id, ForeignKey("signatures.id"), primary_key=True, autoincrement=False),
    Column("left_out", Text, nullable=False),  # JSON: ids of offices that this signature's letter does not go to
)

reviews = Table(  # only of signatures that wait, or waited, for an operator's look
    "reviews",
    metadata,
    Column("signature_id", Id, ForeignKey("signatures.id"), primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),  # comment | no proof of work | over the limit of ...
    Column("since", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    Column("decision", Text, nullable=False),  # "" | approved | rejected | ended
)
_partial_index("reviews_open", reviews, ("since",), "decided_at IS NULL")

lapses = Table(  # only of unconfirmed signatures
    "lapses",
    metadata,
    Column("signature_id", Id, ForeignKey("signatures.id"), primary_key=True, autoincrement=False),
    Column("next_at", BigInteger, nullable=False),  # when it is reminded of, then when it lapses
    Column("reminded", Boolean, nullable=False),
)
Index("lapses_next", lapses.c.next_at)

quiet = Table(
    "quiet",
    metadata,
    Column("address_key", LargeBinary, primary_key=True),  # an address that asked never to be written to again
    Column("since", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the key
    Column("scopes", Text, nullable=False),  # words with a space between
    Column("campaign", Text, nullable=False),  # the slug of the only campaign it is for; "" for all
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # the last moment of a key that was rotated or revoked
    Column("used_at", BigInteger),  # to the hour
)
_partial_index("api_keys_name", api_keys, ("name",), "expires_at IS NULL", unique=True)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("signature_id", Id, ForeignKey("signatures.id"), nullable=False),
    Column("kind", Text, nullable=False),  # confirm | page
    Column("sealed", LargeBinary, nullable=False),  # the token, for the notice that carries it
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
Index("tokens_signature", tokens.c.signature_id)

consents = Table(
    "consents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("signature_id", Id, ForeignKey("signatures.id"), nullable=False),
    Column("kind", Text, nullable=False),  # send | yearly | yearly_joint | named | answer | copy
    Column("wording_hash", Text, nullable=False),  # of the words agreed to (a pin)
    Column("language", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("given_at", BigInteger, nullable=False),
    Column("withdrawn_at", BigInteger),
)
Index("consents_signature", consents.c.signature_id)

sendouts = Table(
    "sendouts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("name", Text, nullable=False),  # signing | confirm-1 | anniversary-2027
    Column("rank", SmallInteger, nullable=False),  # 0 goes first
    Column("not_after", BigInteger),
    Column("made_at", BigInteger, nullable=False),
    Column("text_id", Id),  # a text of its own (a pin); NULL: each letter has the text that was signed
    Column("consent", Text, nullable=False, server_default=""),  # the kind that must stand when content is written
    Column("facts", Text, nullable=False, server_default="{}"),  # JSON: what its notices say besides their links
    UniqueConstraint("campaign_id", "name"),
)

occurrences = Table(  # one for each year of an occasion; states are those of `domain.occurrence`
    "occurrences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("occasion", Text, nullable=False),
    Column("period", Integer, nullable=False),  # the year
    Column("state", Text, nullable=False),
    Column("was", Text, nullable=False),  # where it stood before it was held, "" where it is not
    Column("reason", Text, nullable=False),  # why it is where it is
    Column("starts_at", BigInteger, nullable=False),
    Column("run_at", BigInteger),  # an operator's own start, instead of the day's
    Column("ends_at", BigInteger),  # where an operator moved the end
    Column("text_id", Id, ForeignKey("pins.id")),  # the text that was announced
    Column("edition", Integer, nullable=False),  # how many announcements there were: an edited text is announced anew
    Column("told_to", Id, nullable=False),  # signatures up to this one have their announcement; -1: not begun
    Column("announced_at", BigInteger),
    Column("approved_at", BigInteger),
    Column("approved_by", Text, nullable=False),
    Column("begun_at", BigInteger),
    Column("sendout_id", Id, ForeignKey("sendouts.id")),
    Column("audience", BigInteger),  # signatures that are written for, counted when it began
    Column("written_to", Id, nullable=False),  # signatures up to this one have their letters
    Column("written", BigInteger, nullable=False),  # signatures that have them
    Column("done_at", BigInteger),
    Column("made_at", BigInteger, nullable=False),
    UniqueConstraint("campaign_id", "occasion", "period"),
    _one_of("state", [life.value for life in Life]),
)
_partial_index("occurrences_open", occurrences, ("starts_at",), "state NOT IN ('done', 'cancelled')")

preflights = Table(
    "preflights",
    metadata,
    Column("occurrence_id", Id, ForeignKey("occurrences.id"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),  # "30 days before" | "asked for at ..."
    Column("at", BigInteger, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("report", Text, nullable=False),  # JSON: a list of findings
)

agreements = Table(  # of supporters who agreed to a text that was not shown when they signed
    "agreements",
    metadata,
    Column("signature_id", Id, ForeignKey("signatures.id"), primary_key=True, autoincrement=False),
    Column("text_id", Id, ForeignKey("pins.id"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
)

lanes = Table(
    "lanes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # mailbox:<address> | signers:confirm
    Column("kind", Text, nullable=False),  # office | signers
    Column("domain", Text, nullable=False),  # "" for signers' lanes
    Column("served_at", BigInteger, nullable=False),  # when a round was last opened: lanes are taken in turn
)

gates = Table(
    "gates",
    metadata,
    Column("kind", Text, primary_key=True),  # lane | domain | relay | campaign-lane
    Column("key", Text, primary_key=True),
    Column("opens_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("strikes", Integer, nullable=False),  # troubles in a row: the back-off, and the fuse
)

letters = Table(
    "letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("signature_id", Id, ForeignKey("signatures.id"), nullable=False),
    Column("campaign_id", Id, nullable=False),
    Column("sendout_id", Id, ForeignKey("sendouts.id"), nullable=False),
    Column("addressee", Text, nullable=False),  # an office's id, or "signer"
    Column("lane_id", Id, ForeignKey("lanes.id"), nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("not_after", BigInteger),
    Column("ended_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("life_us", BigInteger, nullable=False),  # retry waits of letter scope given so far
    Column("claim", Id),  # the round that has it
    Column("suspect", SmallInteger, nullable=False),  # 0: no; 1: a round died with it; 2: so did its first lone trial
    Column("doubts", SmallInteger, nullable=False),  # how often it was in doubt
    Column("resend_of", Integer),  # the attempt whose recorded inputs the next one must use
    Column("reason", Text, nullable=False),  # why it is where it is, in a word
    Column("mac", LargeBinary, nullable=False),  # over (signature, text version, addressee) with the seal key
    UniqueConstraint("signature_id", "addressee", "sendout_id"),
    _one_of("state", [s.value for s in State]),
)
_partial_index("letters_due", letters, ("lane_id", "campaign_id", "rank", "due_at", "id"), "state = 'queued'")
# what is due, and what is not yet, of one addressee: `operations` counts the smaller of both
_partial_index("letters_waiting", letters, ("addressee", "due_at"), "state = 'queued'")
_partial_index("letters_claim", letters, ("claim",), "claim IS NOT NULL")
_partial_index("letters_unusual", letters, ("state", "id"), "state NOT IN ('queued', 'sent', 'claimed', 'sending')")

attempts = Table(
    "attempts",
    metadata,
    Column("letter_id", Id, ForeignKey("letters.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("round_id", Id, nullable=False),
    Column("relay", Text, nullable=False),
    Column("lane_id", Id, nullable=False),
    # what the bytes are made from; NULL where no content was started
    Column("started_at", BigInteger),
    Column("addressee_pin", Id),  # an office's block, or the text of a notice
    Column("frame_pin", Id),
    Column("signer_version", Integer),
    Column("date_us", BigInteger),
    Column("renderer", SmallInteger),
    Column("hash", LargeBinary),  # SHA-256(salt + bytes)
    # how it ended; NULL while nobody knows
    Column("ended_at", BigInteger),
    Column("kind", Text),
    Column("scope", Text),
    Column("stage", Text),
    Column("code", SmallInteger),
    Column("enhanced", Text),
    Column("text", Text),
    Column("rule", Text),
    Column("steps", Text),  # JSON: microseconds spent in each SMTP step
)
_partial_index("attempts_started", attempts, ("started_at",), "started_at IS NOT NULL")

rounds = Table(
    "rounds",
    metadata,
    Column("id", Id, primary_key=True),  # never used twice: the witness compares it
    Column("lane_id", Id, ForeignKey("lanes.id"), nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("relay", Text, nullable=False),
    Column("lone", Boolean, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("ended", Text, nullable=False),  # "" | done | died | drained
    sqlite_autoincrement=True,
)
_partial_index("rounds_slot", rounds, ("lane_id", "slot"), "closed_at IS NULL", unique=True)

holds = Table(
    "holds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("target", Text, nullable=False),  # lane key, office id, campaign slug, send-out's number, relay name; ""
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("lifted_at", BigInteger),
    _one_of("scope", ["lane", "office", "campaign", "sendout", "relay", "everything"]),
)
_partial_index("holds_standing", holds, ("scope", "target"), "lifted_at IS NULL")

counts = Table(
    "counts",
    metadata,
    Column("campaign_id", Id, primary_key=True, autoincrement=False),
    Column("sendout_id", Id, primary_key=True, autoincrement=False),
    Column("addressee", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

count_deltas = Table(
    "count_deltas",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, nullable=False),
    Column("sendout_id", Id, nullable=False),
    Column("addressee", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),  # canonical JSON
    Column("previous", Text, nullable=False),  # the hash of the row before, "" for the first
    Column("hash", Text, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("file_hash", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("rows_done", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    UniqueConstraint("campaign_id", "file_hash"),
)

# -- operating -----------------------------------------------------------------------------------------------------------
users = Table(  # operators: who may look and act on the pages
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),  # an Argon2id hash
    Column("made_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),  # sessions from before it are no longer good
    Column("disabled_at", BigInteger),
    _one_of("role", ["viewer", "operator", "admin"]),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of what the cookie holds
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("csrf", Text, nullable=False),  # what its forms must bring along
    Column("made_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # to the minute
    Column("expires_at", BigInteger, nullable=False),
)
Index("sessions_user", sessions.c.user_id)

login_failures = Table(  # of the last day: what the limits of logging in count
    "login_failures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", LargeBinary, nullable=False),  # keyed hash of a user's name, or of a network
    Column("at", BigInteger, nullable=False),
)
Index("login_failures_key", login_failures.c.key, login_failures.c.at)

limit_changes = Table(  # a limit that an operator changed for a while
    "limit_changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Text, nullable=False),  # relay | relay-day | domain | mailbox | mailbox-day | campaign-office
    Column("target", Text, nullable=False),  # a relay's name, a mail domain, a lane's key, "<campaign>:<lane's key>"
    Column("count", BigInteger, nullable=False),
    Column("window_s", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("lifted_at", BigInteger),
    _one_of("scope", ["relay", "relay-day", "domain", "mailbox", "mailbox-day", "campaign-office"]),
)
_partial_index("limit_changes_standing", limit_changes, ("scope", "target"), "lifted_at IS NULL")

processes = Table(  # workers, web processes and watchdogs, as each says of itself every few seconds
    "processes",
    metadata,
    Column("name", Text, primary_key=True),  # host:pid
    Column("kind", Text, nullable=False),  # worker | express | web | watchdog
    Column("host", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # the ledger's clock
    Column("skew_us", BigInteger, nullable=False),  # its host's clock less the ledger's
    Column("disk_free", BigInteger, nullable=False),  # bytes, where its home is
    Column("disk_size", BigInteger, nullable=False),
    Column("config", Text, nullable=False),  # a hash of the config that it works to
    Column("trouble", Text, nullable=False),  # why it does not take the config that there is, or does nothing; "" else
    Column("drain_asked_at", BigInteger),
    Column("stopped_at", BigInteger),
)

samples = Table(  # one a minute: what the curves are drawn from
    "samples",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # a whole minute
    Column("due", BigInteger, nullable=False),
    Column("oldest_due", BigInteger),  # since when the first of them is due
    Column("body", Text, nullable=False),  # JSON: letters per state
)

tallies = Table(  # what happened, added up by every process: the counters of /metrics
    "tallies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", Text, primary_key=True),  # canonical JSON, never of a person
    Column("n", BigInteger, nullable=False),
)

alarms = Table(  # what the watchdog told operators
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # when a watchdog last found it so
    Column("telling_until", BigInteger),  # one is writing the mail about it, and has until then
    Column("told_at", BigInteger),  # the last time a mail about it was accepted
    Column("told", Integer, nullable=False),  # how many there were
    Column("cleared_at", BigInteger),
    Column("clear_told_at", BigInteger),
)
_partial_index("alarms_open", alarms, ("kind", "target"), "cleared_at IS NULL", unique=True)

bulk_acts = Table(  # an operator's verb over many letters, done page by page
    "bulk_acts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("verb", Text, nullable=False),  # hold | resume | cancel | requeue | resolve-sent | resolve-queued
    Column("filter", Text, nullable=False),  # JSON: which letters
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("undoes", Id),  # the act that this one takes back
    Column("expected", BigInteger, nullable=False),  # as the preview said
    Column("up_to", Id, nullable=False),  # letters made later are not meant
    Column("after", Id, nullable=False),  # letters up to this one are done
    Column("moved", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),  # their state, or their signature's, does not allow it
    Column("why_skipped", Text, nullable=False, server_default="{}"),  # JSON: how many for which reason
    Column("began_at", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),  # whoever is at it says so with every page
    Column("ended_at", BigInteger),
    Column("ended_by", Text, nullable=False, server_default=""),  # who stopped it; "" where it came to its end
)
_partial_index("bulk_acts_open", bulk_acts, ("id",), "ended_at IS NULL")
