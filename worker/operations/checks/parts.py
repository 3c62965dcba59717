"""Keys, ledger, broker, pacing and relays: are they there, do they fit together, are secrets kept."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from worker.domain.errors import BadInput, LettershopError
from worker.ledger.engine import durability, failures, make_engine
from worker.ledger.keys import Keys
from worker.operations.checks.alarms import check_alarms
from worker.operations.checks.finding import SETTINGS, Finding, Question
from worker.settings import BrokerKeys, LedgerKeys, PacingKeys, Relay, is_loopback, is_placeholder

_SQLITE = "sqlite:///"
_READABLE_BY_OTHERS = stat.S_IROTH | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_parts(question: Question) -> Iterator[Finding]:
    """Findings about `config/lettershop.toml` and the files it names. Connects only to a PostgreSQL, and only for live."""
    yield from _keys(question)
    yield from _ledger(question)
    yield from _fleet(question)
    yield from _relays(question)
    if (relay := question.home.settings.alarms.relay) is not None:
        yield from _relay(question, relay, question.at(SETTINGS, "alarms", "relay"))
    yield from check_alarms(question)
    yield from _web(question)
    yield from _secret_files(question)


def _keys(question: Question) -> Iterator[Finding]:
    keys = question.home.settings.keys
    paths = {"data": keys.data, "lookup": keys.lookup, "seal": keys.seal}
    missing = {name: path for name, path in paths.items() if not path.is_file()}
    if len(missing) == len(paths) and not _ledger_made(question):
        yield question.if_live(
            question.at(SETTINGS, "keys"), "the key files are not made yet; `lettershop init` makes them"
        )
        return
    for name, path in missing.items():
        yield question.error(
            question.at(SETTINGS, "keys", name),
            f"the key file {path} is missing; put it back from its copy: it cannot be made anew",
        )
    loose = {name: path for name, path in paths.items() if name not in missing and path.stat().st_mode & _OTHERS}
    for name, path in loose.items():
        mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
        yield question.error(
            question.at(SETTINGS, "keys", name),
            f"the key file {path} is open to others (mode {mode}); run `chmod 600 {path}`",
        )
    if not missing and not loose:
        yield from _key_contents(question, paths)


def _ledger_made(question: Question) -> bool:
    """Whether a ledger may hold what lost keys have sealed. A PostgreSQL's is not asked."""
    url = question.home.settings.ledger.url
    return not url.startswith(_SQLITE) or Path(url.removeprefix(_SQLITE)).exists()


def _key_contents(question: Question, paths: Mapping[str, Path]) -> Iterator[Finding]:
    try:
        Keys.load(**paths)
    except BadInput as exc:
        yield question.error(question.at(SETTINGS, "keys"), str(exc))


def _ledger(question: Question) -> Iterator[Finding]:
    url = question.home.settings.ledger.url
    place = question.at(SETTINGS, "ledger", "url")
    if url.startswith(_SQLITE):
        folder = Path(url.removeprefix(_SQLITE)).parent
        if folder != question.home.var and not folder.is_dir():
            yield question.error(place, f"the ledger's directory {folder} is missing; make it")
    elif question.live:
        yield from _server(question, url, place)


def _server(question: Question, url: str, place: str) -> Iterator[Finding]:
    try:
        engine = make_engine(url)
        try:
            with failures(url), engine.connect() as connection:
                for sentence in durability(connection):
                    yield question.error(place, sentence)
        finally:
            engine.dispose()
    except LettershopError as exc:
        yield question.error(place, str(exc))


def _fleet(question: Question) -> Iterator[Finding]:
    settings = question.home.settings
    shared = settings.broker.url != "embedded"
    if shared and settings.pacing.url == "embedded":
        yield question.if_live(
            question.at(SETTINGS, "pacing", "url"),
            "the broker is shared but pacing is embedded: limits would hold on one machine only; give pacing a redis:// url",
        )
    if shared and settings.ledger.url.startswith(_SQLITE):
        yield question.warning(
            question.at(SETTINGS, "ledger", "url"),
            "the broker is shared but the ledger is SQLite: workers must all run on this machine; else use postgresql://",
        )
    if question.live and settings.limits.office_hours == "ignore":
        yield question.error(
            question.at(SETTINGS, "limits", "office_hours"), 'live letters keep office hours; set "observe"'
        )


def _relays(question: Question) -> Iterator[Finding]:
    relays = question.home.settings.relays
    if question.live and not relays:
        yield question.error(question.at(SETTINGS, "relays"), "live mode needs a relay; add a [[relays]] table")
    for index, relay in enumerate(relays):
        yield from _relay(question, relay, question.at(SETTINGS, "relays", index))
        if relay.rate is not None and relay.rate.window_s == 1:
            yield question.warning(
                question.at(SETTINGS, "relays", index, "rate"),
                f"relay {relay.name}: of a rate per second about a sixth is reached, so that no single second has more;"
                f' where the provider counts minutes, write "{60 * relay.rate.count}/min"',
            )


def _relay(question: Question, relay: Relay, place: str) -> Iterator[Finding]:
    if question.live and is_placeholder(relay.host, allow_test_domains=True) and not is_loopback(relay.host):
        yield question.error(place, f"relay {relay.name}: {relay.host} is a placeholder; enter the real server")
    yield from _in_clear(question, place, relay)
    if relay.ca_file and not relay.ca_file.is_file():
        yield question.error(place, f"relay {relay.name}: ca_file {relay.ca_file} is missing")


def _web(question: Question) -> Iterator[Finding]:
    """Where supporters see the pages: its links carry secrets, and stand in mail that cannot be taken back."""
    settings = question.home.settings
    place, url = question.at(SETTINGS, "web", "url"), settings.web.url
    if not question.live:
        return
    if not url:
        yield question.error(place, "web.url is not set; enter the address of the pages, beginning with https://")
    elif not url.startswith("https://"):
        yield question.error(place, f"web.url: {url} is in clear, and its links carry secrets; use https://")
    if is_placeholder(urlsplit(url).hostname or "", allow_test_domains=settings.allow_test_domains):
        yield question.error(place, f"web.url: {url} is a placeholder; enter the real address of the pages")


def _in_clear(question: Question, place: str, relay: Relay) -> Iterator[Finding]:
    if relay.security != "none" or is_loopback(relay.host):
        return
    if relay.username:
        yield question.if_live(
            place, f"relay {relay.name}: its password would cross the network in clear; use starttls or tls"
        )
    else:
        yield question.warning(place, f"relay {relay.name}: letters cross the network in clear; use starttls or tls")


def _secret_files(question: Question) -> Iterator[Finding]:
    settings = question.home.settings
    sections: dict[str, LedgerKeys | BrokerKeys | PacingKeys] = {
        "ledger": settings.ledger,
        "broker": settings.broker,
        "pacing": settings.pacing,
    }
    for name, section in sections.items():
        place = question.at(SETTINGS, name, "url")
        if section.password_file:
            yield from _open_to_others(question, question.at(SETTINGS, name, "password_file"), section.password_file)
        elif urlsplit(section.url).password:
            yield question.warning(
                place, f"{name}.url holds a password; move it into a file named by {name}.password_file"
            )
    for index, relay in enumerate(settings.relays):
        if relay.password_file:
            place = question.at(SETTINGS, "relays", index, "password_file")
            yield from _open_to_others(question, place, relay.password_file)
    own = settings.alarms.relay
    if own is not None and own.password_file:
        yield from _open_to_others(question, question.at(SETTINGS, "alarms", "relay"), own.password_file)


def _open_to_others(question: Question, place: str, path: Path) -> Iterator[Finding]:
    if path.stat().st_mode & _READABLE_BY_OTHERS:
        yield question.warning(place, f"{path} can be read by every user of this machine; run `chmod 600 {path}`")
