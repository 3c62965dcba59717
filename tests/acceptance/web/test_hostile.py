"""Hostile strings through every field of the form, down to the messages that arrive."""

import unicodedata
from email.header import decode_header, make_header
from email.utils import parseaddr

import httpx
import pytest
from playwright.sync_api import expect

from tests.acceptance.web.house import FEW, parsed, plain, token_in
from tests.acceptance.web.posts import Poster, Read
from tests.acceptance.web.steps import Person, confirm, fill, open_message, read_confirmation, send, watch_all_sent
from tests.support import until

SLUG = "hostile-library"
OFFICES = {"sampleton-mayor@rehearsal.invalid", "sampleton-library-committee@rehearsal.invalid"}
FIELDS = ("name", "city", "comment")
EVERYWHERE, COMMENT, NOWHERE = set(FIELDS), {"comment"}, set()

HOSTILE = {
    # what is typed, and the fields that take it; the others say what is wrong with it
    "script": ("<script>alert(1)</script>", EVERYWHERE),
    "handler": ('"><img src=x onerror=alert(1)>', EVERYWHERE),
    "quotes": ('O\'Sample "Sam" `x` \\', EVERYWHERE),
    "entity": ("&lt;b&gt; &amp;amp; &#x41;", EVERYWHERE),
    "template": ("{{7*7}} {% raise %} ${7*7} #{7}x", EVERYWHERE),
    "format": ("%(name)s {signer} %s {0.__class__}", EVERYWHERE),
    "sql": ("Robert'); DROP TABLE letters;--", EVERYWHERE),
    "formula": ("=HYPERLINK(\"x\")+cmd|'/C'!A0", EVERYWHERE),
    "encoded word": ("=?utf-8?q?=0D=0ABcc:x?=", EVERYWHERE),
    "emoji": ("Zoë 🕊️ 👩‍👩‍👧", EVERYWHERE),
    "right to left": ("שלום דוגמה مثال", EVERYWHERE),
    "combining": ("Ze\u0301 Z\u0335\u0336\u0337algo", EVERYWHERE),
    "the end of a message": ("Sample\n.\nQUIT", COMMENT),
    "header": ("Sample\r\nBcc: victim", COMMENT),
    "link": ("Buy at https://spam.example", COMMENT),
    "direction override": ("Sample \u202egnp.exe", NOWHERE),
    "nul": ("Sample\x00Signer", NOWHERE),
    "terminal": ("Sample \x1b[31mred\x07", NOWHERE),
    "long": ("Sample " * 400, NOWHERE),
    "enormous": ("x" * 30_000, NOWHERE),
}
ADDRESSES = [
    *("nobody", "a@b@c.example", "sample signer@mail.example", "<script>@mail.example", '"quoted"@mail.example'),
    *("one@mail.example,two@mail.example", "one@mail.example\r\nBcc: two@mail.example", "one\x00@mail.example"),
    *("one@mail.example%0d%0aBcc:two@mail.example", "one@[127.0.0.1]", "one@localhost", "one@-mail-.example"),
    *(f"{'x' * 65}@mail.example", f"one@{'mail.' * 60}example", "\u202eone@mail.example", "Sample <one@mail.example>"),
]
COUNTRIES = ["", "XX", "ie'--", "<b>", "I\x00E", "IE" * 999, "\uff29\uff25"]


@pytest.fixture(scope="module")
def poster(house):
    found = Poster(house.base, SLUG)
    yield found
    found.client.close()


def told_at(answer, field, typed):
    """The form comes again, says at the field what is wrong, and keeps what was typed; nothing of it is markup."""
    assert answer.status_code == 422
    page = Read(answer.text)
    assert page.has_id(f"{field}-error")
    assert page.value_of(field) == typed
    harmless(page)


def harmless(page):
    assert "img" not in page.names()
    assert all(attributes.get("src") for name, attributes in page.tags if name == "script"), "a script of no file"
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]


def written(typed):
    """As a letter says it: composed (NFC), with line ends of one kind."""
    return unicodedata.normalize("NFC", typed).replace("\r\n", "\n")


def test_letters_carry_exactly_what_a_field_took(house, poster):
    wanted = {}
    for number, (typed, fields) in enumerate(HOSTILE.values()):
        for field in FIELDS:
            email = f"hostile.{number}.{field}@mail.example"
            given = {"name": f"Signer {number} {field}", "city": f"Town {number}", "comment": "", field: typed}
            answer = poster.post(email=email, **given)
            if field in fields:
                assert (answer.status_code, answer.headers.get("location")) == (303, f"/c/{SLUG}/sent"), (typed, field)
                wanted[email] = given
            else:
                told_at(answer, field, typed)
    confirm_all(house, poster, wanted)
    house.home.run("signatures", "approve", "--all", "--reason-was", "comment", "--reason", "read", "--yes")
    until(lambda: house.letters_in(SLUG, "sent") == 4 * len(wanted), "all letters and notices to be sent", 90)
    letters = our_letters(house)
    came = [(*signed_with(plain(letter)), to) for letter, to in letters]
    expected = [(*map(written, given.values()), to) for given in wanted.values() for to in OFFICES]
    assert sorted(came) == sorted(expected)
    for letter, _ in letters:
        says_the_same(letter)


def confirm_all(house, poster, emails):
    """Follow each one's notice, which carries nothing that was typed but the address it went to."""

    until(lambda: house.letters_in(SLUG, "sent") == len(emails), "all notices to be sent", 90)
    notices = {message["To"]: message for message in map(parsed, house.mail()) if message["To"] in emails}
    assert len(notices) == len(emails)
    for to, notice in notices.items():
        assert not any(word in plain(notice) for word in filter(None, emails[to].values()) if len(word) > 4)
        place = f"/confirm/{token_in(notice)}"
        harmless(Read(poster.client.get(place).text))
        assert poster.confirm(place).status_code == 303


def our_letters(house):
    """What was signed here, and where each letter went: its place is a town that nobody else has, or its name is."""
    letters = [(parsed(each), each.recipients) for each in house.mail() if OFFICES.issuperset(each.recipients)]
    signers = [signed_with(plain(letter)) for letter, _ in letters]
    ours = [city.startswith("Town ") or name.startswith("Signer ") for name, city, _ in signers]
    return [(letter, to) for (letter, (to,)), mine in zip(letters, ours, strict=True) if mine]


def signed_with(text):
    """Name, town and comment as they stand in a letter."""
    comment = text.partition("\nIn my own words:\n\n")[2].partition("\n\nYours sincerely,\n")[0]
    name, _, place = text.partition("\nYours sincerely,\n\n")[2].partition("\n\n---")[0].partition("\n")
    return name, place.removesuffix("IE").removesuffix(", "), comment


def says_the_same(letter):
    """Headers and HTML part hold what the text does, and nothing more."""
    name, city, comment = signed_with(plain(letter))
    display, address = parseaddr(dict(letter.raw_items())["From"])
    # not by letter["From"]: Python 3.11 keeps the blank between two encoded words of a display name (RFC 2047, 6.2)
    assert str(make_header(decode_header(display))) == f"{name} via Keep the Town Library Open"
    assert address == "letters@town-library.example"
    assert len(letter["To"].addresses) == 1
    assert not {"bcc", "cc"} & {key.lower() for key in letter}
    html = Read(letter.get_body(("html",)).get_content().replace("\r\n", "\n"))
    harmless(html)
    assert "script" not in html.names()
    assert all(words in html.text() for words in (name, city, comment))


@pytest.mark.parametrize(("field", "values"), [("email", ADDRESSES), ("country", COUNTRIES)], ids=["email", "country"])
def test_what_is_no_address_or_no_country_is_told_at_its_field(house, poster, field, values):
    before = house.newest_signer()
    for number, typed in enumerate(values):
        given = {"name": "Sample Signer", "email": f"fine.{number}@mail.example", field: typed}
        answer = poster.post(**given)
        assert answer.status_code == 422, typed
        page = Read(answer.text)
        assert page.has_id(f"{field}-error"), typed
        harmless(page)
    assert house.newest_signer() == before


def test_what_no_browser_sends(house, poster):
    before = house.newest_signer()
    fine = {"name": "Sample Signer", "email": "no.browser@mail.example"}
    for changed in ({"stamp": "x"}, {"stamp": ""}, {"version": "0"}, {"consent": []}, {"office": ["nobody"]}):
        answer = poster.post(**{**fine, **changed})
        assert answer.status_code == 422, changed
        harmless(Read(answer.text))
    fields = {**poster.hidden, **fine, "country": "IE", "consent": "send", "office": "sampleton-mayor", "city": "CITY"}
    body = httpx.QueryParams(fields)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = poster.client.post(poster.path, content=str(body).replace("CITY", "%ff%fe"), headers=kind)
    assert raw.status_code == 400
    foreign = poster.client.post(poster.path, content=str(body), headers={**kind, "Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert poster.client.post(poster.path, content="x" * 70_000, headers=kind).status_code == 413
    assert poster.client.post(poster.path, json={**fine}).status_code == 415
    assert house.newest_signer() == before
    split = poster.client.post(f"{poster.path}?ui=en%0d%0aSet-Cookie:%20x=1", content=str(body), headers=kind)
    assert (split.status_code, split.headers["location"]) == (303, f"/c/{SLUG}/sent")
    assert "set-cookie" not in split.headers


def test_nothing_typed_runs_in_any_page(visitors, house):
    page = visitors.page(house.base)
    page.on("dialog", lambda dialog: pytest.fail(f"it ran: {dialog.message}"))
    handler, script = HOSTILE["handler"][0], HOSTILE["script"][0]
    person = Person(f"Sam {handler}", "hostile.browser@mail.example", city=script)
    page.goto(f"/c/{FEW}")
    fill(page, person)
    expect(page.locator("#sheet [data-fill=name]").first).to_have_text(person.name)
    before = house.newest_signer()
    send(page)
    signer = house.newcomer(before)
    read_confirmation(page, house, signer)
    expect(page.locator(".lede bdi")).to_have_text(person.name)
    confirm(page)
    watch_all_sent(page, house, 2)
    expect(page.locator(".lede bdi")).to_have_text(person.name)
    open_message(page, house, "sampleton-mayor", "Please keep the library")
    expect(page.locator(".envelope")).to_contain_text(person.name)
    framed = page.frame_locator("iframe")
    expect(framed.get_by_text(person.name).first).to_be_visible()
    expect(framed.locator("img, script")).to_have_count(0)
