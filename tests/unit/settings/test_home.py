"""Offices, campaigns and templates of a home: what is read, and what is refused with which words."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from worker.domain.errors import BadInput
from worker.domain.hours import WORKING_WEEK
from worker.settings import address, is_placeholder, load_home

LIBRARY = "config/campaigns/town-library.toml"
OFFICES = "config/offices.toml"


def refused(draft, **environ):
    with pytest.raises(BadInput) as caught:
        draft.load(**environ)
    return str(caught.value)


# -- the sample


def test_the_sample_home(draft):
    home = draft.load()
    assert list(home.campaigns) == ["justice-for-khojaly", "town-library"]
    assert len(home.campaigns["justice-for-khojaly"].offices) == 11
    assert home.campaigns["town-library"].offices == ("sampleton-mayor", "sampleton-library-committee")
    assert home.rules_text == draft.root / "config/reply-rules.toml"
    assert (home.var, home.templates) == (draft.root / "var", draft.root / "templates")


def test_every_address_of_the_sample_is_a_placeholder(draft):
    home = draft.load()
    addresses = [office.mailbox for office in home.offices.values()]
    for campaign in home.campaigns.values():
        addresses += [campaign.contact, campaign.sender.address, campaign.sender.reply_to]
    assert all(each.endswith(".example") for each in addresses)


def test_no_letter_of_the_main_sample_names_a_holder(draft):
    home = draft.load()
    campaign = home.campaigns["justice-for-khojaly"]
    assert not [each for each in campaign.offices if home.offices[each].holder_on(date(2026, 11, 23))]
    assert all(home.offices[each].holders for each in campaign.offices)


def test_every_sample_letter_carries_the_line_that_says_who_and_whom_to_ask(draft):
    for campaign in draft.load().campaigns.values():
        for wording in campaign.text.wordings.values():
            for text in (wording.text, wording.html):
                assert "Sent by {{ campaign.controller }} for {{ signer.name }}, who confirmed this letter" in text
                assert "one joint letter or none" in text
                assert "campaign.contact" in text
                assert "for goal in goals" in text
                assert "in campaign.addressees" in text


def test_what_a_campaign_holds(draft):
    campaign = draft.load().campaigns["town-library"]
    assert campaign.sender.pattern == "{signer} via {campaign}"
    assert campaign.default_language == "en"
    assert set(campaign.notices) == {"confirm", "page", "imported", "announce"}
    assert campaign.text.wordings["en"].subject == "Please keep the library in Market Street open"
    assert len(campaign.text.wordings["en"].goals) == 3
    assert campaign.in_doubt == "ask"


# -- text versions


def test_line_ends_and_byte_order_marks_do_not_change_the_text_version(draft):
    before = draft.load().campaigns["town-library"].text.hash
    path = draft.root / "templates/town-library/en/letter.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert draft.load().campaigns["town-library"].text.hash == before
    draft.edit("templates/town-library/en/letter.txt", "Market Street", "High Street")
    assert draft.load().campaigns["town-library"].text.hash != before


@pytest.mark.parametrize("name", ["subject.txt", "letter.txt", "letter.html"])
def test_a_missing_or_empty_template_is_named(draft, name):
    path = draft.root / "templates/town-library/en" / name
    path.write_text(" \n")
    assert refused(draft) == f"templates/town-library/en/{name} is empty; write the text into it"
    path.unlink()
    assert refused(draft).startswith(f"templates/town-library/en/{name} is missing")


def test_a_missing_notice_is_named(draft):
    (draft.root / "templates/notices/en/confirm.html").unlink()
    assert refused(draft).startswith("templates/notices/en/confirm.html is missing")


# -- campaigns


def test_a_second_language(draft):
    draft.edit(LIBRARY, 'languages = ["en"]', 'languages = ["en", "ga"]')
    assert refused(draft).startswith(f"{LIBRARY}: goals: the campaign has several languages; write [goals]")
    text = (draft.root / LIBRARY).read_text()
    start, end = text.index("goals = ["), text.index("[sender]")
    goals = '[goals]\nen = ["One."]\nga = ["A haon.", "A dó."]\n'
    draft.write(LIBRARY, text[:start] + text[end:] + 'ga = "Aontaím."\n\n' + goals)
    files = ("subject.txt", "letter.txt", "letter.html")
    for folder, names in (("town-library", files), ("town-library/anniversary", files), ("notices", ())):
        for path in (draft.root / "templates" / folder / "en").iterdir():
            if not names or path.name in names:
                draft.write(f"templates/{folder}/ga/{path.name}", path.read_text())
    campaign = draft.load().campaigns["town-library"]
    assert campaign.languages == ("en", "ga")
    assert campaign.text.wordings["ga"].goals == ("A haon.", "A dó.")
    assert campaign.consent["ga"] == "Aontaím."


def test_offices_by_id_and_tag_each_once_in_order(draft):
    draft.edit(
        LIBRARY, '["sampleton-council"]', '["sampleton-library-committee", "sampleton-council", "sampleton-mayor"]'
    )
    assert draft.load().campaigns["town-library"].offices == ("sampleton-library-committee", "sampleton-mayor")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"sampleton-council"',
            '"sampleton-mayr"',
            f"{LIBRARY}:15: no office or tag in config/offices.toml is called 'sampleton-mayr'; did you mean \"sampleton-m",
        ),
        ('"sampleton-council"', '"zzz"', f"{LIBRARY}:15: no office or tag in config/offices.toml is called 'zzz'"),
        ('["sampleton-council"]', "[]", f"{LIBRARY}:15: offices: is empty; at least one is needed"),
        ('slug = "town-library"', 'slug = "library"', f"{LIBRARY}:2: slug is 'library', but the file is"),
        (
            'slug = "town-library"',
            'slug = "notices"',
            f"{LIBRARY}:2: slug: 'notices' is the folder of notice templates",
        ),
        ('slug = "town-library"', 'slug = "Town"', f"{LIBRARY}:2: slug: 'Town' is not an id"),
        ("contact =", "contct =", f'{LIBRARY}:8: contct is not a known key; did you mean "contact"?'),
        ('contact = "questions@', 'contact = "questions', f"{LIBRARY}:8: contact: not a usable e-mail address"),
        ('address = "letters@', 'address = "a\\r\\nb@', f"{LIBRARY}:23: sender.address: not a usable e-mail address"),
        (
            'pattern = "{signer} via',
            'pattern = "{name} via',
            f"{LIBRARY}:24: sender.pattern: {{name}} is not known here",
        ),
        ('pattern = "{signer} via', 'pattern = "{signer via', f"{LIBRARY}:24: sender.pattern: braces must be in pairs"),
        ("[Town Library]", "[Town\\nLibrary]", f"{LIBRARY}:11: subject_tag: holds a line break"),
        ('list_id = "letters.town', 'list_id = "<letters.town', f"{LIBRARY}:12: list_id: write it like a domain"),
        ('"letters.town-library.example"', '"letters"', f"{LIBRARY}:12: list_id: write it like a domain"),
        ('site = "https://', 'site = "', f"{LIBRARY}:4: site: write a whole address"),
        ('languages = ["en"]', 'languages = ["EN"]', f"{LIBRARY}:14: languages[0]: 'EN' is not a language"),
        ('languages = ["en"]', 'languages = ["en", "en"]', f"{LIBRARY}:14: languages: a language is given twice"),
        ("\nen = ", "\nfr = ", f"{LIBRARY}: consent: 'fr' is not one of the campaign's languages"),
        ("[sender]", "opens = 2026-01-01T00:00:00\n[sender]", f"{LIBRARY}:22: opens: needs a time zone"),
        (
            "[sender]",
            "opens = 2026-01-02T00:00:00Z\ncloses = 2026-01-01T00:00:00Z\n[sender]",
            f"{LIBRARY}: closes is not after opens",
        ),
        ("[sender]", 'per_office = "20"\n[sender]', f"{LIBRARY}:22: per_office: '20' is not a rate"),
        (
            "[sender]",
            'in_doubt = "resend"\n[sender]',
            f"{LIBRARY}:22: in_doubt: Input should be 'ask' or 'resend_once'",
        ),
        ("[sender]", 'confirm_link = "https://x"\n[sender]', f'{LIBRARY}:22: confirm_link: it must hold "{{token}}"'),
    ],
)
def test_campaigns_that_are_refused(draft, old, new, said):
    draft.edit(LIBRARY, old, new)
    assert refused(draft).startswith(said)


def test_what_may_be_set_besides(draft):
    draft.edit(
        LIBRARY,
        "[sender]",
        'opens = 2026-01-01T00:00:00Z\ncloses = 2027-01-01T00:00:00+01:00\nper_office = "20/h"\nin_doubt = "resend_once"\n'
        'confirm_link = "https://www.town-library.example/confirm/{token}"\n[sender]',
    )
    draft.edit(LIBRARY, 'reply_to = "answers@town-library.example"', "")
    campaign = draft.load().campaigns["town-library"]
    assert campaign.opens == datetime(2026, 1, 1, tzinfo=UTC)
    assert campaign.closes == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert (campaign.per_office, campaign.in_doubt, campaign.sender.reply_to) == ("20/h", "resend_once", "")
    assert campaign.confirm_link.endswith("{token}")


def test_a_home_without_campaigns(draft):
    for file in (draft.root / "config/campaigns").iterdir():
        file.unlink()
    assert refused(draft).startswith("config/campaigns/ holds no campaign")


def test_a_directory_that_is_no_home(tmp_path):
    with pytest.raises(BadInput, match=r"config/lettershop\.toml is missing; `lettershop init DIR`"):
        load_home(tmp_path, {})


# -- offices

OFFICE = """
[[offices]]
id = "mayor"
title = "Mayor"
organisation = "Sampleton"
time_zone = "Europe/Dublin"
language = "en"
mailbox = "mayor@sampleton.example"
"""


def only(draft, text):
    """The register holds this text alone, and each campaign writes to its mayor."""
    draft.write(OFFICES, text)
    for file in (draft.root / "config/campaigns").glob("*.toml"):
        rows = file.read_text()
        start = rows.index("\noffices = [")
        end = rows.index("]", start)
        file.write_text(rows[:start] + '\noffices = ["mayor"' + rows[end:])


def test_an_office_with_nothing_but_what_is_needed(draft):
    only(draft, OFFICE)
    office = draft.load().offices["mayor"]
    assert (office.hours, office.country, office.holders, office.tags) == (WORKING_WEEK, "", (), frozenset())
    assert office.zone == ZoneInfo("Europe/Dublin")
    assert office.accepts_letters


def test_an_office_with_everything(draft):
    only(
        draft,
        OFFICE
        + """
country = "IE"
source = "https://www.sampleton.example/contact"
as_of = 2026-10-01
hours = "always"
salutation = "Dear Mayor"
tags = ["council"]
accepts_letters = false
refusal = { date = 2026-11-02, reason = "asked for one joint letter", evidence = "their mail of that day" }
[[offices.holders]]
name = "Alex Sample"
form = "H.E."
salutation = "Dear Mayor Sample"
from = 2025-01-01
until = 2029-12-31
verified = 2026-10-01
""",
    )
    office = draft.load().offices["mayor"]
    assert office.refusal == "2026-11-02: asked for one joint letter (their mail of that day)"
    assert not office.accepts_letters
    assert str(office.hours) == "always"
    assert office.as_of == date(2026, 10, 1)
    holder = office.holders[0]
    assert (holder.since, holder.until, holder.verified) == (date(2025, 1, 1), date(2029, 12, 31), date(2026, 10, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OFFICE.replace('"mayor"', '"Mayor"'), f"{OFFICES}:3: offices[0].id: 'Mayor' is not an id"),
        (OFFICE.replace('"mayor"', '"signer"'), f"{OFFICES}:3: offices[0].id: 'signer' is the addressee of notices"),
        (OFFICE.replace('"mayor"', '"' + "a" * 61 + '"'), f"{OFFICES}:3: offices[0].id: 'aaaa"),
        (OFFICE.replace("Dublin", "Dublim"), f"{OFFICES}:6: offices[0].time_zone: 'Europe/Dublim' is not a time zone"),
        (OFFICE.replace("Europe/Dublin", "../../etc/passwd"), f"{OFFICES}:6: offices[0].time_zone"),
        (OFFICE.replace("mayor@", "ma yor@"), f"{OFFICES}:8: offices[0].mailbox: not a usable e-mail address"),
        (OFFICE.replace("sampleton.example", "sampleton.test"), f"{OFFICES}:8: offices[0].mailbox: not a usable"),
        (
            OFFICE.replace("title", "titel"),
            f'{OFFICES}:4: offices[0].titel is not a known key; did you mean "title"?\n{OFFICES}:2: offices[0].title is',
        ),
        (OFFICE.replace('"Mayor"', '"May\\nor"'), f"{OFFICES}:4: offices[0].title: holds a line break"),
        (OFFICE + 'hours = "9-17"', f"{OFFICES}:9: offices[0].hours: '9-17' are not office hours"),
        (OFFICE + "hours = 9", f"{OFFICES}:9: offices[0].hours: write it in quotes"),
        (OFFICE + 'country = "Ireland"', f"{OFFICES}:9: offices[0].country: 'Ireland' is not a country"),
        (OFFICE + "accepts_letters = false", f"{OFFICES}:2: offices[0]: accepts_letters = false and refusal"),
        (
            OFFICE + "[[offices.holders]]\nname='A'\nfrom = 2026-01-02\nuntil = 2026-01-01",
            f"{OFFICES}:9: offices[0].holders[0]: until is before from",
        ),
        (
            OFFICE + "[[offices.holders]]\nname='A'\nsince = 2026-01-02",
            f"{OFFICES}:11: offices[0].holders[0].since is not a known key",
        ),
        (OFFICE + OFFICE, f"{OFFICES}:11: office 'mayor' is given twice; keep one"),
        ("", f"{OFFICES}: offices is missing"),
        ("offices = []", f"{OFFICES}:1: offices: is empty; at least one is needed"),
    ],
)
def test_offices_that_are_refused(draft, text, said):
    only(draft, text)
    assert refused(draft).startswith(said)


def test_test_domains_need_leave(draft):
    only(draft, OFFICE.replace("sampleton.example", "sampleton.test"))
    home = draft.load(LETTERSHOP_ALLOW_TEST_DOMAINS="true")
    assert home.offices["mayor"].mailbox == "mayor@sampleton.test"


# -- addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("office@NATO.example", "office@nato.example"),
        ("büro@köln.example", "büro@köln.example"),
        ("office@köln.example", "office@xn--kln-sna.example"),
    ],
)
def test_addresses_are_normalised(text, expected):
    assert address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a@b",
        "a b@c.example",
        '"a b"@c.example',
        "a@c.invalid",
        "a@c.test",
        "a\x00@c.example",
        "A <a@c.example>",
    ],
)
def test_addresses_that_are_refused(text):
    with pytest.raises(ValueError, match="not a usable e-mail address"):
        address(text)


@pytest.mark.parametrize(
    ("domain", "test", "placeholder"),
    [
        ("nato.example", False, True),
        ("Example.COM", False, True),
        ("mail.example.org", False, True),
        ("x.invalid", False, True),
        ("x.test", False, True),
        ("x.test", True, False),
        ("example.town", False, False),
        ("notexample.com", False, False),
    ],
)
def test_placeholders(domain, test, placeholder):
    assert is_placeholder(domain, allow_test_domains=test) is placeholder
