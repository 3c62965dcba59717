"""Messages as they are shown: ours, and whatever else may lie in the Maildir."""

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.web.mail import MOST_READ, Heading, clean, read_heading, read_mail
from worker.web.mail_views import frame_policy, framed, linked

GOLDEN = Path(__file__).resolve().parents[1] / "rendering" / "golden"


def message(*headers, body=b"", kind="text/plain; charset=utf-8"):
    lines = [*headers, f"Content-Type: {kind}"]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


# -- reading -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.eml")), ids=lambda path: path.stem)
def test_every_message_of_ours_has_its_parts(path):
    content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    mail = read_mail(content)
    assert mail.heading == read_heading(content)
    assert all((mail.heading.subject, mail.heading.sender, mail.heading.to))
    assert mail.text
    assert "\ufffd" not in mail.text + mail.html
    assert dict(mail.headers)["Message-ID"].startswith("<")
    assert "=_" in dict(mail.headers).get("Content-Type", "=_")


def test_a_letter_of_ours():
    mail = read_mail((GOLDEN / "1-plain-letter.eml").read_bytes())
    assert mail.heading == Heading(
        "[Millbrook Library] Please keep the Millbrook Library open",
        "Sample Signer 01 via Millbrook Library",
        '"Chair of the Town Council, Town of Millbrook" <council@millbrook.example>',
    )
    assert "In the last year it lent 41,000 books" in mail.text
    assert "<li>Keep it free of charge.</li>" in mail.html
    assert mail.others == ()


def test_encoded_words_are_decoded():
    subject = read_heading((GOLDEN / "1-unicode-letter.eml").read_bytes()).subject
    assert subject.startswith("[Bücherei Öffnen]")


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Sample Signer <one@mail.example>", "Sample Signer"),
        ('"Signer, Sample" <one@mail.example>', "Signer, Sample"),
        ("one@mail.example", "one@mail.example"),
        ("<one@mail.example>", "one@mail.example"),
        ("", ""),
    ],
)
def test_a_sender_by_name(sender, name):
    assert read_heading(message(f"From: {sender}")).sender == name


def test_attachments_are_named_and_not_shown():
    parts = (
        b"--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnot this\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nthis\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\na second one\r\n"
        b"--x\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n"
    )
    mail = read_mail(message(kind='multipart/mixed; boundary="x"', body=parts))
    assert (mail.text, mail.html) == ("this", "")
    assert mail.others == ("text/plain", "text/plain", "image/png")


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
        ("text/plain; charset=no-such-thing", "café".encode(), "café"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=hex", b"zz", "zz"),
        ("text/plain; charset=utf-8", b"a\x00b\x1bc\xff", "a\ufffdb\ufffdc\ufffd"),
        ("text/plain", b"a\r\nb\rc", "a\nb\nc"),
    ],
)
def test_bytes_of_a_text(kind, body, text):
    assert read_mail(message("Content-Transfer-Encoding: 8bit", kind=kind, body=body)).text == text


def test_a_text_without_an_end_is_cut():
    assert len(read_mail(message(body=b"x" * (2 * MOST_READ))).text) < MOST_READ


def test_a_header_that_is_too_long_is_not_decoded():
    value = "=?utf-8?q?a?= " * 1000
    shown = dict(read_mail(message(f"X-Long: {value}")).headers)["X-Long"]
    assert shown.startswith("=?utf-8?q?a?= ")
    assert len(shown) < 2100


HOSTILE = [
    b"",
    b"\x00",
    b"\xff" * 100,
    b"Subject",
    b"Subject: \xff\xfe\r\n\r\n\xff",
    b"Subject: =?utf-8?b?////?= =?x?q?=ff?= =?utf-8?q?=ED=A0=80?=\r\n\r\n",
    b"From: " + b"(" * 1500 + b"\r\n\r\n",
    b"From: " + b"<" * 1500 + b"\r\n\r\n",
    b'To: "\\\r\n\r\n',
    b"To: a@[\r\n\r\n",
    b"To: @,;:<>\r\nCc: :;,\r\n\r\n",
    b"Date: Thu, 99 Foo 99999 99:99:99 +9999\r\n\r\n",
    b"Message-ID: <\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary",
    b"Content-Type: ;;;=\r\nContent-Disposition: ;=\r\nContent-Transfer-Encoding: =?\r\n\r\n",
    b"Content-Type: text/plain; charset*0*=x''%ff; charset*1=\r\n\r\nhello",
    b"Content-Type: text/plain; charset*=\xff''%\r\n\r\nhello",
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!=a",
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin \r\n\xff",
    b"Content-Type: message/rfc822\r\n\r\n" * 3000,
    b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)),
    b"Content-Type: message/delivery-status\r\n\r\n:\r\n\r\n:",
    b"MIME-Version: \xff(\r\n\r\n",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_shown(content):
    for each in (content, content.replace(b"\r\n", b"\n")):
        sound(each)


def sound(content):
    mail = read_mail(content)
    heading = read_heading(content)
    texts = [mail.text, mail.html, *mail.others, heading.subject, heading.sender, heading.to]
    for text in [*texts, *(word for header in mail.headers for word in header)]:
        text.encode()
        assert clean(text) == text
    str(linked(mail.text)).encode()
    frame_policy(mail.html).encode("ascii")
    framed(mail.html).encode()


NAMES = st.sampled_from(
    ["From", "To", "Subject", "Date", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Message-ID",
     "MIME-Version", "Reply-To", "Sender"]
)  # fmt: skip
SCRAPS = st.sampled_from(
    [b"=?utf-8?q?", b"?=", b"<", b">", b'"', b"\\", b"(", b")", b"@", b";", b":", b",", b"=", b"*0*", b"charset", b"''",
     b"%", b"\xff", b"multipart/mixed", b"boundary=x", b"text/html", b"base64", b" ", b"\r\n ", b"a", b"\x00", b"[", b"."]
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, st.lists(SCRAPS, max_size=12)), max_size=5), st.binary(max_size=60))
@example([("Content-Type", [b"text/html", b";", b"charset", b"*0*", b"=", b"''"])], b"\xff")
def test_no_header_confuses_it(headers, body):
    sound(b"".join(name.encode() + b": " + b"".join(scraps) + b"\r\n" for name, scraps in headers) + b"\r\n" + body)


@given(st.text(alphabet=st.characters()))
def test_clean_text_is_text(text):
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


# -- links -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("see https://letters.example/confirm/abc_-", ["https://letters.example/confirm/abc_-"]),
        ("(https://letters.example/a).", ["https://letters.example/a"]),
        ("HTTP://a.example, http://b.example?x=1&y=2!", ["HTTP://a.example", "http://b.example?x=1&amp;y=2"]),
        ("javascript:alert(1) ftp://a.example mailto:a@b.example //c.example", []),
        ("https:// http://... https", []),
        ('https://a.example/"onmouseover="x', ["https://a.example/"]),
        ("https://a.example/'><script>", ["https://a.example/"]),
        ("<https://a.example>", ["https://a.example"]),
    ],
)
def test_addresses_become_links(text, urls):
    shown = str(linked(text))
    link = '<a href="{0}" rel="noreferrer noopener">{0}</a>'
    for url in urls:
        assert link.format(url) in shown
    assert shown.count("<a ") == shown.count("<") - shown.count("</a>") == len(urls)


@given(st.text(max_size=80) | st.from_regex(r"(https?://[a-z&<>\"'.]{0,9} ?){0,4}"))
def test_text_stays_what_it_was(text):
    assert html.unescape(re.sub(r"</?a[^>]*>", "", str(linked(text)))) == text


# -- the frame ---------------------------------------------------------------------------------------------------------
def digest(style):
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def test_exactly_the_styles_of_the_message_are_allowed():
    page = '<style>p { color: "&amp;" }</style>\r\n<p style="margin:0&quot;" class=x>a</p><b STYLE=\'x\ny\'>b</b>'
    policy = frame_policy(page)
    for style in ('p { color: "&amp;" }', 'margin:0"', "x\ny"):
        assert digest(style) in policy
    assert policy.count("sha256-") == 3
    assert "'unsafe-inline'" not in policy
    assert policy.startswith("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-hashes' 'sha256-")
    assert policy.endswith("; base-uri 'none'; frame-ancestors 'self'")


def test_without_styles_none_is_allowed():
    assert "style-src 'none'" in frame_policy("<p>plain</p>")


def test_styles_have_an_end():
    page = "".join(f'<p style="margin:{n}px">' for n in range(1000))
    assert frame_policy(page).count("sha256-") == 100


def test_line_ends_are_those_that_a_browser_hashes():
    assert framed("a\r\nb\rc\n") == "a\nb\nc\n"
    assert digest("a\nb") in frame_policy("<style>a\r\nb</style>")
