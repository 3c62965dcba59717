"""The home that the browser tests share: several campaigns, the stack up, and a look into its sink and ledger."""

import email
import email.policy
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from tests.acceptance.command import Home, a_home
from tests.support import until
from worker.domain.clock import SystemClock, to_us
from worker.embedded.maildir import Maildir, Stored

MANY = "justice-for-khojaly"  # eleven offices, no comments
FEW = "town-library"  # two offices, comments
FRENCH = "bibliotheque"
COPIES = (
    *("held-library", "shown-library", "closed-library", "busy-library", "flooded-library"),
    *("hostile-library", "victim-library", "victim-archive", "yearly-library"),
)
"""`FEW` under other names, for tests that hold a campaign, let others frame it, or send it very many forms."""

FORM = """
[form]
per_ip = "1000000/h"
per_network = "1000000/h"
per_address = "1000000/h"
per_domain = "1000000/h"
per_campaign = "1000000/h"
challenge_above = "1000000/min"
least_seconds = 0
"""

FRENCH_CAMPAIGN = """\
slug = "bibliotheque"
name = "Pour la bibliothèque"
site = "https://www.bibliotheque.example"
controller = "Les amis de la bibliothèque, 1 rue de la Poste, Villexemple"
contact = "questions@bibliotheque.example"
subject_tag = "[Bibliothèque]"
list_id = "lettres.bibliotheque.example"
languages = ["fr", "en"]
offices = ["sampleton-mayor", "villexemple-maire"]
closes = 2199-03-01T12:00:00Z

[goals]
fr = ["Que la bibliothèque reste ouverte."]
en = ["Keep the library open."]

[sender]
address = "lettres@bibliotheque.example"
pattern = "{signer} par {campaign}"

[page.fr]
title = "Gardons la bibliothèque ouverte"
lead = ["Le conseil veut fermer la bibliothèque."]

[page.en]
title = "Keep the library open"

[form]
comment = true

[privacy.fr]
purpose = "Envoyer votre lettre, avec votre consentement."
recipients = "Les destinataires nommés."
retention = "Deux ans."
complaint = "La CNIL de votre pays."

[look]
accent = "#8a1c1c"
accent_dark = "#ff9d9d"

[consent]
fr = "Je demande que cette lettre soit envoyée en mon nom."
en = "I ask for this letter to be sent in my name."
"""


FRENCH_OFFICE = """
[[offices]]
id = "villexemple-maire"
title = "Maire"
organisation = "Commune de Villexemple"
country = "FR"
time_zone = "Europe/Paris"
language = "fr"
mailbox = "maire@villexemple.example"
source = "placeholder"
"""


@dataclass(frozen=True)
class House:
    """The home with its stack up. `site`: an origin elsewhere that `shown-library` lets in."""

    home: Home
    site: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.home.port}"

    @property
    def var(self) -> Path:
        return self.home.root / "var"

    # -- the sink
    def mail(self) -> list[Stored]:
        """All that arrived, oldest first."""
        return list(Maildir(self.var / "sink").messages())

    def mail_to(self, recipient: str, *words: str) -> list[EmailMessage]:
        """What an envelope brought to `recipient` (before the @), if its text holds `words`."""
        wanted = [each for each in self.mail() if f"{recipient}@rehearsal.invalid" in each.recipients]
        return [found for found in map(parsed, wanted) if all(word in plain(found) for word in words)]

    def letters_of(self, name: str) -> list[EmailMessage]:
        """Letters to offices that `name` signed."""
        letters = [parsed(each) for each in self.mail() if not each.recipients[0].startswith("signer-")]
        return [letter for letter in letters if f"\n{name}\n" in plain(letter)]

    # -- the ledger
    def ask(self, query: str, *values: object) -> list[tuple]:
        """What the ledger says. A reading of its own; the stack goes on meanwhile."""
        with closing(sqlite3.connect(f"file:{self.var}/ledger.db?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def letters_in(self, slug: str, state: str) -> int:
        """How many letters and notices of a campaign are in this state."""
        query = (
            "SELECT count(*) FROM letters JOIN campaigns ON campaigns.id = letters.campaign_id"
            " WHERE slug = ? AND letters.state = ?"
        )
        return self.ask(query, slug, state)[0][0]

    def all_sent(self) -> None:
        """Wait until nothing that is due waits any more."""
        query = "SELECT count(*) FROM letters WHERE state IN ('queued', 'claimed', 'sending') AND due_at <= ?"
        until(lambda: self.ask(query, to_us(SystemClock().now())) == [(0,)], "all that is due to be sent", 60)

    def newest_signer(self) -> int:
        """The id of the signer who came last; 0 before anybody came."""
        return self.ask("SELECT coalesce(max(id), 0) FROM signers")[0][0]

    def newcomer(self, since: int) -> str:
        """How the sink calls the one signer who came after the signer `since`."""
        (found,) = until(lambda: self.ask("SELECT id FROM signers WHERE id > ?", since), "the signature to be recorded")
        return f"signer-{found[0]}"


def parsed(stored: Stored) -> EmailMessage:
    message = email.message_from_bytes(stored.content(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def plain(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return body.get_content().replace("\r\n", "\n")


def token_in(message: EmailMessage, kind: str = "confirm") -> str:
    """The token of the link of this kind."""
    found = re.search(rf"/{kind}/([A-Za-z0-9_-]+)", plain(message))
    assert found, f"no {kind} link"
    return found[1]


@contextmanager
def a_house(root: Path, site: str) -> Iterator[House]:
    """Lay out the home, start its stack, and stop it in the end."""
    with a_home(root) as home:
        _open_form(root)
        for slug in COPIES:
            copy_campaign(root, FEW, slug)
        _allow(root / "config" / "campaigns" / "shown-library.toml", site)
        _close(root / "config" / "campaigns" / "closed-library.toml")
        _far(root / "config" / "campaigns" / "yearly-library.toml")
        _add_french(root)
        home.up()
        yield House(home, site)


def _open_form(root: Path) -> None:
    settings = root / "config" / "lettershop.toml"
    settings.write_text(settings.read_text() + FORM)


def copy_campaign(root: Path, slug: str, copy: str) -> None:
    """The campaign `slug` once more, as `copy`."""
    campaigns = root / "config" / "campaigns"
    text = (campaigns / f"{slug}.toml").read_text().replace(f'slug = "{slug}"', f'slug = "{copy}"')
    (campaigns / f"{copy}.toml").write_text(text)
    shutil.copytree(root / "templates" / slug, root / "templates" / copy)


def _allow(campaign: Path, site: str) -> None:
    campaign.write_text(campaign.read_text().replace("languages =", f'sites = ["{site}"]\nlanguages =', 1))


def _close(campaign: Path) -> None:
    campaign.write_text(campaign.read_text().replace("languages =", "closes = 2020-01-01T00:00:00Z\nlanguages =", 1))


def _far(campaign: Path) -> None:
    """Its anniversary is so far away that nothing is done for it while tests look at it, on whatever day they run."""
    campaign.write_text(campaign.read_text().replace("first_year = 2027", "first_year = 2190", 1))


def _add_french(root: Path) -> None:
    (root / "config" / "campaigns" / f"{FRENCH}.toml").write_text(FRENCH_CAMPAIGN)
    offices = root / "config" / "offices.toml"
    offices.write_text(offices.read_text() + FRENCH_OFFICE)
    english, templates = root / "templates" / FEW / "en", root / "templates" / FRENCH
    shutil.copytree(english, templates / "en")
    shutil.copytree(english, templates / "fr")
    for part in ("letter.txt", "letter.html"):
        path = templates / "fr" / part
        path.write_text(path.read_text().replace("Yours sincerely", "Veuillez agréer mes salutations distinguées"))
    (templates / "fr" / "subject.txt").write_text("Pour que la bibliothèque reste ouverte\n")
