"""A relay, which live letters and alarms are handed to, and the kinds of numbers that sections share."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.settings.fields import FileOrNone, Line, NeededLine, RateOrNone, Section, Slug

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Connections = Annotated[int, Field(ge=1, le=1000)]


class Relay(Section):
    """A submission server that live letters are handed to. The first is preferred, the others stand in."""

    name: Slug = Field(description="How the relay is called in holds, limits and status.")
    host: NeededLine = Field(description="Its host name or address.")
    port: Port = Field(default=587, description="Its port.")
    security: Literal["none", "starttls", "tls"] = Field(
        default="starttls",
        description="`starttls` (required, never given up), `tls` from the first byte, or `none`.",
    )
    username: Line = Field(default="", description='The login name; `""`: no login.')
    password_file: FileOrNone = Field(default=None, description="A file whose first line is the login's password.")
    password: SecretStr | None = Field(default=None, description="Read from `password_file`.", exclude=True)
    ca_file: FileOrNone = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's, for a relay of one's own."
    )
    helo: Line = Field(default="", description='The name given in EHLO; `""`: this machine\'s own.')
    rate: RateOrNone = Field(default=None, description='Letters in any window, like `"5/s"`; unset: no limit.')
    per_day: Count | None = Field(default=None, description="Letters in any 24 hours; unset: no limit.")
    connections: Connections = Field(default=20, description="Connections open at once, over the whole fleet.")

    @field_validator("password")
    @classmethod
    def _not_in_the_config(cls, _: SecretStr | None) -> SecretStr | None:
        raise ValueError("secrets stand in files of their own; write password_file")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.username) != bool(self.password_file):
            raise ValueError("a login needs both username and password_file, or neither")
        return self
