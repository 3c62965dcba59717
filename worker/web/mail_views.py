"""A message's text and HTML as they may stand in a page.

`linked` makes the addresses in a text clickable. `framed` and `frame_policy` are for the frame in which a message's HTML
is shown: sandboxed, without scripts, without a request to anywhere, and with exactly the styles that stand in it, each
allowed by its hash (CSP 3, 'unsafe-hashes'), so that 'unsafe-inline' is nowhere needed. A style that a browser reads
otherwise than we do is not applied; nothing else comes of it.
"""

import base64
import hashlib
import re
from html.parser import HTMLParser

from markupsafe import Markup, escape

_URL = re.compile(r"https?://[^\s<>\"'`\\^{|}]+", re.IGNORECASE)
_AFTER = ".,;:!?)]"  # of a sentence around it; a token may end with "_" or "-"
_MOST_STYLES = 100


def linked(text: str) -> Markup:
    """`text` escaped, its http and https addresses as links that tell nobody where they were followed from."""
    pieces: list[Markup] = []
    place = 0
    for found in _URL.finditer(text):
        url = found[0].rstrip(_AFTER)
        if url.endswith("//"):
            continue
        pieces += [escape(text[place : found.start()]), _LINK.format(url, url)]
        place = found.start() + len(url)
    return Markup("").join([*pieces, escape(text[place:])])


_LINK = Markup('<a href="{}" rel="noreferrer noopener">{}</a>')


def framed(html: str) -> str:
    """The HTML as it is served: with the line ends that a browser hashes (HTML, 13.2.3.5)."""
    return html.replace("\r\n", "\n").replace("\r", "\n")


def frame_policy(html: str) -> str:
    """The Content-Security-Policy under which `framed(html)` is shown."""
    reader = _Styles()
    reader.feed(framed(html))
    reader.close()
    hashes = sorted(f"'sha256-{_digest(style)}'" for style in reader.found)
    styles = f"'unsafe-hashes' {' '.join(hashes)}" if hashes else "'none'"
    return f"sandbox; default-src 'none'; img-src data:; style-src {styles}; base-uri 'none'; frame-ancestors 'self'"


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode("utf-8", "replace")).digest()).decode()


class _Styles(HTMLParser):
    """Collects the contents of style elements and attributes, up to `_MOST_STYLES` different ones."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self._element: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "style" and value:
                self._add(value)
        if tag == "style":
            self._element = []

    def handle_data(self, data: str) -> None:
        if self._element is not None:
            self._element.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "style" and self._element is not None:
            self._add("".join(self._element))
            self._element = None

    def _add(self, style: str) -> None:
        if len(self.found) < _MOST_STYLES:
            self.found.add(style)
