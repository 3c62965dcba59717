"""A town in live mode against two submission servers of our own: offices that refuse, that are slow, a login that fails.

with Servers() as servers, a_town(tmp_path / "home", servers) as home:
    servers.refused.add("mayor@sampleton.test")
    home.up()
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.acceptance.command import Home, free_port

OFFICES = ("mayor", "library-committee", "school-board")
USER, PASSWORD = "town", "correct horse"
SETTINGS = """\
mode = "live"
allow_test_domains = true
[limits]
mailbox = "10000/min"
mailbox_per_day = 100000
[retry]
minimum = "1 s"
maximum = "2 s"
[web]
port = {port}
url = "https://letters.sampleton.test"
[alarms]
to = ["night@sampleton.test"]
sender = "alarms@sampleton.test"
stalled_after = "10 s"
relay = {{ name = "alarms", host = "127.0.0.1", port = {alarms}, security = "none" }}
"""
RELAY = """
[[relays]]
name = "{name}"
host = "127.0.0.1"
port = {port}
security = "none"
username = "{user}"
password_file = "relay.password"
"""
OFFICE = """\
[[offices]]
id = "{id}"
title = "Chair"
organisation = "Town of Sampleton"
country = "IE"
time_zone = "Europe/Dublin"
language = "en"
mailbox = "{id}@sampleton.test"
source = "https://www.sampleton.test/offices"
as_of = 2026-11-01
tags = ["council"]
hours = "always"

"""


def mailbox(office: str) -> str:
    return f"{office}@sampleton.test"


class Servers:
    """Two submission servers, `main` and `backup`, and one for alarms. What they do may be changed at any time."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        """Recipients that are told that there is no such user."""
        self.slow: set[str] = set()
        """Recipients that wait for their answer until `let_go`."""
        self.waiting: set[str] = set()
        """Those of them that wait, or have waited."""
        self.password = {"main": PASSWORD, "backup": PASSWORD}
        """What each takes for the right password."""
        self.letters: list[tuple[str, tuple[str, ...], bytes]] = []
        """Server, recipients and content of all that was accepted."""
        self.let_go = threading.Event()
        self._controllers = {name: self._controller(name) for name in ("main", "backup", "alarms")}

    def port(self, name: str) -> int:
        return self._controllers[name].port

    def to(self, office: str) -> int:
        """How many letters this office got."""
        return sum(mailbox(office) in recipients for _, recipients, _ in self.letters)

    def mails(self) -> list[bytes]:
        """Alarms, in their order."""
        return [content for name, _, content in self.letters if name == "alarms"]

    def _controller(self, name: str) -> Controller:
        login: dict[str, Any] = {} if name == "alarms" else {
            "auth_required": True,
            "auth_require_tls": False,
            "authenticator": lambda *arguments: self._login(name, arguments[-1]),
        }  # fmt: skip
        return Controller(_Handler(self, name), hostname="127.0.0.1", port=free_port(), **login)

    def _login(self, name: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and given.password.decode() == self.password[name]
        return AuthResult(success=right, handled=False)

    def __enter__(self) -> Self:
        for controller in self._controllers.values():
            controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        for controller in self._controllers.values():
            controller.stop()


class _Handler:
    def __init__(self, servers: Servers, name: str) -> None:
        self._servers, self._name = servers, name

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self._servers.refused:
            return "550 5.1.1 no such user here"
        if address in self._servers.slow:
            import asyncio

            self._servers.waiting.add(address)
            await asyncio.to_thread(self._servers.let_go.wait)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        self._servers.letters.append((self._name, tuple(envelope.rcpt_tos), envelope.original_content or b""))
        return "250 2.0.0 taken"


class Town(Home):
    """A live home with three offices that keep all hours, and two relays."""

    signers_at = "signers.test"

    def __init__(self, root: Path, servers: Servers) -> None:
        super().__init__(root)
        (root / "config" / "campaigns" / "justice-for-khojaly.toml").unlink()
        campaign = root / "config" / "campaigns" / "town-library.toml"
        campaign.write_text(campaign.read_text().replace(".example", ".test").replace("sampleton-council", "council"))
        (root / "config" / "offices.toml").write_text("".join(OFFICE.format(id=each) for each in OFFICES))
        password = root / "relay.password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        relays = [RELAY.format(name=name, port=servers.port(name), user=USER) for name in ("main", "backup")]
        settings = SETTINGS.format(port=self.port, alarms=servers.port("alarms"))
        (root / "config" / "lettershop.toml").write_text(settings + "".join(relays))
        self.run("check", "--live")
        self.run("migrate")


@contextlib.contextmanager
def a_town(root: Path, servers: Servers) -> Iterator[Town]:
    """A town whose stack is down in the end, whatever the test did."""
    home = Town(root, servers)
    try:
        yield home
    finally:
        servers.let_go.set()
        home.down()
