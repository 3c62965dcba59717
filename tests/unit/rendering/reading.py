"""Reading a rendered message back with the stdlib's strict parser: the judge of what the writer wrote."""

from dataclasses import dataclass
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parseaddr

STRICT = policy.default.clone(raise_on_defect=True)


@dataclass(frozen=True)
class Read:
    headers: list[str]
    mail: EmailMessage
    raw: Message
    text: str
    html: str

    def mailbox(self, name: str) -> tuple[str, str]:
        """Display name and address, as two readers of the stdlib agree on.

        The strict one of Python 3.11 and 3.12 puts a space between adjacent encoded-words of a display name, against
        RFC 2047 6.2 (CPython issue 92081), so spaces are compared by the older one only.
        """
        (address,) = self.mail[name].addresses
        shown, spec = parseaddr(self.raw[name].replace("\r\n", ""))
        display = str(make_header(decode_header(shown)))
        assert address.display_name.replace(" ", "") == display.replace(" ", "")
        assert address.addr_spec == spec
        return display, spec


def read(data: bytes) -> Read:
    """Parse strictly; any defect raises."""
    mail = BytesParser(policy=STRICT).parsebytes(data)
    assert isinstance(mail, EmailMessage)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    for part in (mail, plain, html):
        assert not part.defects
        assert not [defect for value in part.values() for defect in value.defects]
    return Read(mail.keys(), mail, BytesParser(policy=policy.compat32).parsebytes(data), _lines(plain), _lines(html))


def _lines(part: EmailMessage) -> str:
    text = part.get_content().replace("\r\n", "\n")
    assert "\r" not in text
    return text


def assert_on_the_wire(data: bytes) -> None:
    """RFC 5322 2.1: CRLF only, lines of at most 998, ASCII without NUL."""
    assert data.isascii()
    assert b"\0" not in data
    assert data.endswith(b"\r\n")
    lines = data.split(b"\r\n")
    assert all(b"\r" not in line and b"\n" not in line for line in lines)
    assert max(map(len, lines)) <= 998
