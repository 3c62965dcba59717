"""A home: the directory that holds `config/`, `templates/` and `var/`, read once and handed down as values."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.domain.campaign import Campaign
from worker.domain.drip import ClosedDays
from worker.domain.errors import BadInput
from worker.domain.office import Office
from worker.settings.campaigns import read_campaign
from worker.settings.holidays import Holidays
from worker.settings.offices import read_offices
from worker.settings.overlay import overlay
from worker.settings.problems import validated
from worker.settings.secrets import with_secrets
from worker.settings.toml import read_toml
from worker.settings.tree import KeyFiles, Settings

SETTINGS = "config/lettershop.toml"
OFFICES = "config/offices.toml"
CAMPAIGNS = "config/campaigns"
RULES = "config/reply-rules.toml"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Home:
    """All that a home's files say, and the public holidays that its offices keep.

    `rules_text` is the path of the reply rules, `var` where running parts write.
    """

    root: Path
    settings: Settings
    campaigns: Mapping[str, Campaign]
    offices: Mapping[str, Office]
    closed: ClosedDays = field(default_factory=Holidays, compare=False)

    @property
    def rules_text(self) -> Path:
        """The reply rules' file."""
        return self.root / RULES

    @property
    def var(self) -> Path:
        """Where the ledger, the sink and the private server live."""
        return self.root / "var"

    @property
    def templates(self) -> Path:
        """The template folder."""
        return self.root / "templates"


def load_home(path: Path, environ: Mapping[str, str]) -> Home:
    """Read and validate everything under `path`; `environ` is laid over `config/lettershop.toml`.

    Opens no connection. Relative paths in the settings come back absolute. Raises BadInput that names file, line and key.
    """
    home, trouble = load_as_far(path, environ)
    if trouble is not None:
        raise trouble
    return home


def load_as_far(path: Path, environ: Mapping[str, str]) -> tuple[Home, BadInput | None]:
    """What can be read of a home, and the first thing that is wrong with the rest.

    For who must look, or stop everything, while an edit is broken. Without a register there are no campaigns either. Raises
    BadInput where the settings cannot be read: nothing can be opened without them.
    """
    root = path.resolve()
    settings = load_settings(root, environ)
    test = settings.allow_test_domains
    campaigns: dict[str, Campaign] = {}
    try:
        offices = read_offices(read_toml(root / OFFICES, OFFICES), allow_test_domains=test)
    except BadInput as exc:
        return Home(root, settings, campaigns, {}), exc
    files, trouble = sorted((root / CAMPAIGNS).glob("*.toml")), None
    for file in files:
        try:
            document = read_toml(file, f"{CAMPAIGNS}/{file.name}")
            campaigns[file.stem] = read_campaign(
                document, file.stem, root / "templates", offices, base=settings.base_url, allow_test_domains=test
            )
        except BadInput as exc:
            trouble = trouble or exc
    if not files:
        trouble = BadInput(f"{CAMPAIGNS}/ holds no campaign; write one, or take a sample from `lettershop init DIR`")
    return Home(root, settings, campaigns, offices), trouble


def load_settings(root: Path, environ: Mapping[str, str]) -> Settings:
    """`config/lettershop.toml` alone, with the environment laid over it. Raises BadInput."""
    document = read_toml(root / SETTINGS, SETTINGS)
    data, variables = overlay(document.data, environ)
    settings = validated(Settings, dataclasses.replace(document, data=data), variables=variables)
    return with_secrets(_absolute(settings, root), root)


def _absolute(settings: Settings, root: Path) -> Settings:
    ledger, keys = settings.ledger, settings.keys
    if ledger.url.startswith(_SQLITE):
        file = ledger.url.removeprefix(_SQLITE)
        if not file or ":memory:" in file or "?" in file:
            raise BadInput(f'{SETTINGS}: ledger.url must name a file, like "sqlite:///var/ledger.db"')
        ledger = ledger.model_copy(update={"url": f"{_SQLITE}{root / file}"})
    files = KeyFiles(data=root / keys.data, lookup=root / keys.lookup, seal=root / keys.seal)
    return settings.model_copy(update={"ledger": ledger, "keys": files})
