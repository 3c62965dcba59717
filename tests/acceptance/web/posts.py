"""Forms as programs send them: plain HTTP, whatever stands in a field."""

import re
from html.parser import HTMLParser

import httpx


class Poster:
    """One program at the form of one campaign."""

    def __init__(self, base: str, slug: str) -> None:
        self.client = httpx.Client(base_url=base, timeout=60, headers={"Origin": base})
        self.path = f"/c/{slug}"
        page = self.client.get(self.path).text
        self.hidden = {name: _hidden(page, name) for name in ("stamp", "version")}

    def post(self, **fields: str | list[str]) -> httpx.Response:
        """Send the form with these fields; `consent` is ticked where nothing else is said."""
        whole = {
            **self.hidden,
            "language": "en",
            "country": "IE",
            "consent": "send",
            "office": ["sampleton-mayor", "sampleton-library-committee"],
            **fields,
        }
        return self.client.post(self.path, data=whole)

    def confirm(self, place: str) -> httpx.Response:
        """Follow the link of a notice and press its button."""
        return self.client.post(place, data={"seen": _hidden(self.client.get(place).text, "seen")})


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, name
    return found[1]


class Read(HTMLParser):
    """What a page or a message says, and the elements it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.values: dict[str, str] = {}
        self._area = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag in {"input", "textarea"}:
            self.values.setdefault(found.get("name") or "", found.get("value") or "")
        self._area = (found.get("name") or "") if tag == "textarea" else ""

    def handle_endtag(self, tag: str) -> None:
        self._area = "" if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._area:
            self.values[self._area] += data

    def text(self) -> str:
        return "".join(self.texts)

    def names(self) -> set[str]:
        """Which elements there are."""
        return {name for name, _ in self.tags}

    def value_of(self, name: str) -> str:
        """What the field of this name holds."""
        return self.values[name]

    def has_id(self, wanted: str) -> bool:
        return any(attrs.get("id") == wanted for _, attrs in self.tags)
