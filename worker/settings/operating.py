"""What operators have settings for: the dashboard, the watchdog's alarms, the logs."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from worker.settings.fields import DurationField, Line, NeededLine, Section, base_url
from worker.settings.relay import Port, Relay


class OpsKeys(Section):
    """The dashboard for operators, under `/ops`. It is off until `lettershop users add` has made somebody."""

    host: Line = Field(
        default="", description='An address of its own to listen on; `""`: it is served with the pages for supporters.'
    )
    port: Port | None = Field(default=None, description="The port there.")
    url: Annotated[Line, AfterValidator(base_url)] = Field(
        default="", description='The address that operators see; `""`: that of `host` and `port`. Only with these two.'
    )
    idle: DurationField = Field(
        default=timedelta(hours=12), description="A session that was not used for so long is over."
    )
    longest: DurationField = Field(default=timedelta(days=7), description="A session lasts no longer than this.")

    @model_validator(mode="after")
    def _address_is_whole(self) -> Self:
        if bool(self.host) != bool(self.port):
            raise ValueError("host and port belong together; give both, or neither")
        if self.url and not self.host:
            raise ValueError("url is for an address of their own: give host and port, too, or leave url out")
        if not timedelta(minutes=5) <= self.idle <= self.longest <= timedelta(days=31):
            raise ValueError("idle must be at least 5 min and not more than longest, which is at most 31 days")
        return self


class AlarmKeys(Section):
    """What the watchdog looks for, and whom it tells. It says everything in its log and on the dashboard besides."""

    to: tuple[NeededLine, ...] = Field(
        default=(), description="Addresses of operators. In rehearsal their mails go to the sink."
    )
    sender: Line = Field(default="", description="The address that alarms come from; needed where `to` is given.")
    relay: Relay | None = Field(
        default=None, description="A submission server for alarms alone; unset: the first of `relays`."
    )
    repeat: DurationField = Field(
        default=timedelta(hours=4),
        description="An alarm that lasts is told again after this, then after twice as long.",
    )
    summary: Line = Field(default="07:00", description='When the daily summary is sent; `""`: never.')
    time_zone: Line = Field(default="UTC", description="The zone of that time.")
    stalled_after: DurationField = Field(
        default=timedelta(minutes=5),
        description="Letters are due, nothing is in their way, and none is tried for so long.",
    )
    confirm_within: DurationField = Field(
        default=timedelta(minutes=1), description="A confirmation mail that waits longer is an alarm."
    )
    clock_skew: DurationField = Field(
        default=timedelta(seconds=5), description="Two machines' clocks that differ by more are an alarm."
    )
    disk_free: float = Field(default=0.1, ge=0, lt=1, description="Less of the disk left than this share is an alarm.")


class LogKeys(Section):
    """What running parts write to standard error."""

    format: Literal["text", "json"] = Field(
        default="text", description="`json`: one object a line, for a log collector."
    )
