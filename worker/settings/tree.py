"""`config/lettershop.toml` as one frozen tree. The descriptions here are the configuration reference."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from worker.domain.limits import Rate
from worker.domain.retry import Retry
from worker.settings.fields import (
    DurationField,
    FileOrNone,
    Line,
    NeededLine,
    RateField,
    RateOrNone,
    Section,
    base_url,
)
from worker.settings.operating import AlarmKeys, LogKeys, OpsKeys
from worker.settings.relay import Connections, Count, Port, Relay


def _url_of(*forms: str, word: str = "") -> AfterValidator:
    """A URL of one of these schemes, or the one word allowed instead. The URL is never repeated: it may hold a secret."""
    wanted = ", ".join([*([f'"{word}"'] if word else []), *(f'"{form}..."' for form in forms)])

    def check(url: str) -> str:
        if url == word or url.startswith(forms):
            return url
        raise ValueError(f"not a place that is known here; write {wanted}")

    return AfterValidator(check)


class LedgerKeys(Section):
    """Where the truth is kept."""

    url: Annotated[str, _url_of("sqlite:///", "postgresql://")] = Field(
        default="sqlite:///var/ledger.db",
        repr=False,
        description='`"sqlite:///var/ledger.db"` (a relative path is relative to the home) or `"postgresql://user@host/name"`.',
    )
    password_file: FileOrNone = Field(
        default=None, description="A file whose first line is the password of a PostgreSQL `url`."
    )


class BrokerKeys(Section):
    """Where Celery's wake-ups go."""

    url: Annotated[str, _url_of("redis://", "rediss://", "amqp://", "amqps://", word="embedded")] = Field(
        default="embedded",
        repr=False,
        description='`"embedded"` (a private server under `var/`), `"redis://"`, `"rediss://"` or `"amqp://"`.',
    )
    password_file: FileOrNone = Field(default=None, description="A file whose first line is the password of `url`.")


class PacingKeys(Section):
    """The Redis that counts for every limit of the fleet."""

    url: Annotated[str, _url_of("redis://", "rediss://", word="embedded")] = Field(
        default="embedded",
        repr=False,
        description='`"embedded"` (the same private server as the broker\'s) or `"redis://"`, `"rediss://"`.',
    )
    password_file: FileOrNone = Field(default=None, description="A file whose first line is the password of `url`.")


class RehearsalKeys(Section):
    """Where rehearsal letters go."""

    relay: Literal["embedded", ""] = Field(
        default="embedded", description='`"embedded"`: the sink under `var/sink/`. Leave it out where `host` is given.'
    )
    host: Line = Field(
        default="", description="Instead of the embedded sink: the host of another sink, such as Mailpit."
    )
    port: Port | None = Field(default=None, description="Its port.")
    defer: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="The share of letters that the embedded sink defers at first try, to practise.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.host) != bool(self.port):
            raise ValueError("host and port belong together; give both, or neither")
        if self.host and self.relay and "relay" in self.model_fields_set:
            raise ValueError('give either relay = "embedded" or host and port, not both')
        return self

    @property
    def embedded(self) -> bool:
        """Whether letters go to the embedded sink."""
        return not self.host


class LimitKeys(Section):
    """How fast offices may be written to. A mailbox is a person's, not a data centre's."""

    mailbox: RateField = Field(default=Rate(30, 3600), description="Letters to one mailbox in any window.")
    mailbox_per_day: Count = Field(default=240, description="Letters to one mailbox in any 24 hours.")
    mailbox_connections: Connections = Field(
        default=1, description="Connections at once that carry letters to one mailbox."
    )
    domain: RateOrNone = Field(
        default=None,
        description='Letters to all mailboxes of one mail domain in any window, like `"120/h"`; unset: no limit.',
    )
    office_hours: Literal["observe", "ignore"] = Field(
        default="observe", description='`"ignore"` writes at any hour; rehearsal only.'
    )


class RetryKeys(Section):
    """When a deferred letter is tried again: after its age, within bounds."""

    minimum: DurationField = Field(default=timedelta(minutes=5), description="The shortest wait.")
    maximum: DurationField = Field(default=timedelta(minutes=67), description="The longest wait.")
    jitter: float = Field(default=0.1, ge=0, le=0.5, description="A wait may be longer or shorter by this share.")
    expire_after: DurationField = Field(
        default=timedelta(days=5), description="A letter is given up this long after its first deferral."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.minimum <= self.maximum <= self.expire_after:
            raise ValueError("minimum, maximum and expire_after must be above zero and in this order")
        return self


class KeyFiles(Section):
    """The ledger's keys, made by `lettershop init` with mode 0600. Back them up apart from the ledger."""

    data: Path = Field(default=Path("var/keys/data.key"), description="Wraps each signer's own key.")
    lookup: Path = Field(default=Path("var/keys/lookup.key"), description="For the keyed hash of addresses.")
    seal: Path = Field(default=Path("var/keys/seal.key"), description="For the seal on each letter.")


class WorkerKeys(Section):
    """One worker process."""

    connections: Connections = Field(
        default=20, description="SMTP connections, which is rounds at once, of one process."
    )
    express_connections: Connections = Field(default=4, description="The same for the express worker.")


class WebKeys(Section):
    """The pages for supporters, served by `lettershop web`."""

    url: Annotated[Line, AfterValidator(base_url)] = Field(
        default="",
        description='The address that supporters see, like `"https://letters.town-library.example"`; '
        '`""`: `http://host:port`, for rehearsal only.',
    )
    host: NeededLine = Field(default="127.0.0.1", description="The address to listen on.")
    port: Port = Field(default=8480, description="The port to listen on.")
    trusted_proxies: tuple[NeededLine, ...] = Field(
        default=(),
        description="Addresses or networks of the proxies in front, whose X-Forwarded-For is believed.",
    )


class FormLimitKeys(Section):
    """How often the public form may be sent. Windows are those of a rate; who is over a limit is asked to wait."""

    per_ip: RateField = Field(default=Rate(20, 3600), description="From one address (IPv6: one /64).")
    per_network: RateField = Field(default=Rate(200, 3600), description="From one network (IPv4: /24, IPv6: /48).")
    per_address: RateField = Field(
        default=Rate(5, 86_400),
        description="For one mailbox, whatever its `+tag`; beyond it the form is answered as usual and recorded nowhere.",
    )
    per_domain: RateField = Field(
        default=Rate(2000, 3600), description="For all addresses of one mail domain; beyond it signatures are held."
    )
    per_campaign: RateField = Field(
        default=Rate(20_000, 3600), description="For one campaign; beyond it signatures are held."
    )
    challenge_above: RateField = Field(
        default=Rate(60, 60), description="A campaign's rate above which the form asks for a proof of work."
    )
    least_seconds: int = Field(
        default=3, ge=0, le=60, description="A form that comes back sooner was filled by no person; it is asked again."
    )


class SigningKeys(Section):
    """What happens between signing and sending."""

    confirm_within: DurationField = Field(
        default=timedelta(days=7), description="How long a confirmation link may be followed."
    )
    remind_after: DurationField = Field(
        default=timedelta(days=3), description="When an unconfirmed signature is reminded of, once."
    )
    import_wait: DurationField = Field(
        default=timedelta(hours=24),
        description="How long the letters of imported signers wait after their notice, so that an import can be stopped.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(days=1) <= self.remind_after < self.confirm_within <= timedelta(days=90):
            raise ValueError(
                "remind_after must be at least a day and less than confirm_within, which is at most 90 days"
            )
        if not timedelta(0) <= self.import_wait <= timedelta(days=90):
            raise ValueError("import_wait must be from 0 s to 90 days")
        return self


class SendoutKeys(Section):
    """What happens before a yearly send-out begins. A lead that is past already is due at once."""

    preflight: tuple[DurationField, ...] = Field(
        default=(timedelta(days=30), timedelta(days=7), timedelta(days=1)),
        description="So long before its start each send-out is looked over; what is found wrong holds it.",
    )
    announce: DurationField = Field(
        default=timedelta(days=14), description="So long before its start its supporters are told what will be written."
    )
    announced_for: DurationField = Field(
        default=timedelta(days=7),
        description="Nobody is written for whose announcement was not accepted by their mail server so long before.",
    )
    announce_rate: RateField = Field(
        default=Rate(3600, 3600), description="Announcements in any window, over all campaigns."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) <= self.announced_for <= self.announce <= timedelta(days=300):
            raise ValueError("announce must not be less than announced_for, and at most 300 days")
        if any(not timedelta(0) <= lead <= timedelta(days=300) for lead in self.preflight):
            raise ValueError("preflight: each lead must be from 0 s to 300 days")
        return self


class Settings(Section):
    """All of `config/lettershop.toml`."""

    mode: Literal["rehearsal", "live"] = Field(
        default="rehearsal",
        description="`rehearsal`: every letter goes to the sink, addressed to `<office>@rehearsal.invalid`. "
        "`live`: to the relays; starts only if `lettershop check --live` passes.",
    )
    allow_test_domains: bool = Field(
        default=False,
        description="Permits addresses under `.test`, for trials of live mode against a relay of one's own.",
    )
    ledger: LedgerKeys = LedgerKeys()
    broker: BrokerKeys = BrokerKeys()
    pacing: PacingKeys = PacingKeys()
    relays: tuple[Relay, ...] = ()
    rehearsal: RehearsalKeys = RehearsalKeys()
    limits: LimitKeys = LimitKeys()
    retry_keys: RetryKeys = Field(default=RetryKeys(), alias="retry")
    keys: KeyFiles = KeyFiles()
    worker: WorkerKeys = WorkerKeys()
    web: WebKeys = WebKeys()
    form: FormLimitKeys = FormLimitKeys()
    signing: SigningKeys = SigningKeys()
    sendouts: SendoutKeys = SendoutKeys()
    ops: OpsKeys = OpsKeys()
    alarms: AlarmKeys = AlarmKeys()
    log: LogKeys = LogKeys()

    @field_validator("relays")
    @classmethod
    def _names_differ(cls, relays: tuple[Relay, ...]) -> tuple[Relay, ...]:
        names = [relay.name for relay in relays]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two relays are called {twice[0]!r}; each needs a name of its own")
        return relays

    @model_validator(mode="after")
    def _hours_hold_in_live(self) -> Self:
        if self.mode == "live" and self.limits.office_hours == "ignore":
            raise ValueError('limits.office_hours = "ignore" is for rehearsal only; live letters keep office hours')
        return self

    @property
    def base_url(self) -> str:
        """Where the pages are, without a slash at the end; "" in live mode as long as `web.url` is not set."""
        host = f"[{self.web.host}]" if ":" in self.web.host else self.web.host
        return self.web.url or (f"http://{host}:{self.web.port}" if self.mode == "rehearsal" else "")

    @property
    def retry(self) -> Retry:
        """The retry bounds as the domain knows them."""
        keys = self.retry_keys
        return Retry(keys.minimum, keys.maximum, keys.jitter, keys.expire_after)


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def masked(url: str) -> str:
    """`url` without its password, fit for a screen or a log."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":***@", 1)
