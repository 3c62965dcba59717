"""Template files as text versions.

A campaign's letter: `templates/<slug>/<language>/subject.txt`, `letter.txt` and `letter.html`; that of one of its
occasions: the same under `templates/<slug>/<occasion>/`. Notices to signers:
`templates/notices/<language>/<kind>.subject.txt`, `<kind>.txt` and `<kind>.html`; the English ones where a language has none
of that kind. Read as UTF-8; a byte order mark and CRLF are not part of the text, so that its hash does not depend on the
editor.
"""

from collections.abc import Mapping
from pathlib import Path

from worker.domain.campaign import TextVersion, Wording
from worker.domain.errors import BadInput
from worker.settings.toml import read_text

LETTER_FILES = ("subject.txt", "letter.txt", "letter.html")
_OTHERWISE = "en"
_NEEDED = {
    False: "each language of a campaign needs its own",
    True: "a notice needs all three of its files, in English at least",
}


def notice_files(kind: str) -> tuple[str, str, str]:
    """The three files of one kind of notice."""
    return f"{kind}.subject.txt", f"{kind}.txt", f"{kind}.html"


def signed_text(slug: str, goals: Mapping[str, tuple[str, ...]], templates: Path, *, occasion: str = "") -> TextVersion:
    """The text version of a campaign or of an occasion; `goals` are by language. Raises BadInput naming the file."""
    folder = f"{slug}/{occasion}" if occasion else slug
    return TextVersion(
        slug, {each: _wording(templates, f"{folder}/{each}", LETTER_FILES, goals[each]) for each in sorted(goals)}
    )


def notice_text(slug: str, kind: str, languages: tuple[str, ...], templates: Path) -> TextVersion:
    """A notice of a campaign, in each of its languages. Raises BadInput naming the file."""
    files = notice_files(kind)
    folders = {each: f"notices/{notice_language(kind, each, templates)}" for each in sorted(languages)}
    return TextVersion(slug, {each: _wording(templates, folder, files, ()) for each, folder in folders.items()})


def notice_language(kind: str, language: str, templates: Path) -> str:
    """Whose templates are used in `language`: its own ("fr" for "fr-ca") where it has any of this kind, else "en"."""
    for own in (language, language.split("-", maxsplit=1)[0]):
        if any((templates / "notices" / own / name).is_file() for name in notice_files(kind)):
            return own
    return _OTHERWISE


def _wording(templates: Path, folder: str, files: tuple[str, str, str], goals: tuple[str, ...]) -> Wording:
    subject, text, html = (_template(templates, f"{folder}/{name}") for name in files)
    return Wording(subject.strip(), text, html, goals)


def _template(templates: Path, name: str) -> str:
    shown = f"templates/{name}"
    path = templates / name
    if not path.is_file():
        raise BadInput(f"{shown} is missing; {_NEEDED[name.startswith('notices/')]}")
    text = read_text(path, shown)
    if not text.strip():
        raise BadInput(f"{shown} is empty; write the text into it")
    return text
