"""`check`: every finding with file, line and what to do."""

from datetime import UTC, datetime

import pytest

from worker.ledger.keys import make_key_files
from worker.operations.check import check

LIBRARY = "config/campaigns/town-library.toml"
OFFICES = "config/offices.toml"
SETTINGS = "config/lettershop.toml"


class FixedClock:
    """The day on which the sample's mayor is freshly verified."""

    def now(self):
        return datetime(2026, 11, 23, 12, tzinfo=UTC)

    def monotonic(self):
        return 0.0


def found(draft, *, live=False, **environ):
    return [str(f) for f in check(draft.load(**environ), live=live, clock=FixedClock()).findings]


def errors(draft, *, live=False, **environ):
    return [line for line in found(draft, live=live, **environ) if line.startswith("error")]


def with_keys(draft):
    keys = draft.load().settings.keys
    make_key_files([keys.data, keys.lookup, keys.seal])
    return keys


def make_real(draft):
    """The library alone, with everything a live home needs."""
    (draft.root / "config/campaigns/justice-for-khojaly.toml").unlink()
    for name in (LIBRARY, OFFICES):
        text = (draft.root / name).read_text().replace("town-library.example", "town-library.test")
        draft.write(name, text.replace("sampleton.example", "sampleton.test"))
    draft.edit(SETTINGS, "# allow_test_domains = false", "allow_test_domains = true")
    draft.edit(SETTINGS, '# url = ""\n# host', 'url = "https://letters.library.test"\n# host')
    draft.edit(SETTINGS, "[rehearsal]", '[[relays]]\nname = "main"\nhost = "smtp.library.test"\n[rehearsal]')
    with_keys(draft)


def test_the_sample_passes_in_rehearsal(draft):
    report = check(draft.load(), clock=FixedClock())
    assert report.ok
    assert report.errors == ()
    assert report.body()["ok"] is True
    assert {f["level"] for f in report.body()["findings"]} == {"warning"}


def test_the_sample_is_refused_for_live_at_every_placeholder(draft):
    lines = errors(draft, live=True)
    assert f"error: {OFFICES}:16: office sampleton-mayor: mayor@sampleton.example is a placeholder; " in lines_of(
        lines, "mayor@"
    )
    assert len([line for line in lines if "enter the office's mailbox" in line]) == 13
    for key in ("contact", "sender.address", "sender.reply_to", "list_id", "site"):
        assert [line for line in lines if line.startswith(f"error: {LIBRARY}") and f": {key}: " in line], key
    assert [line for line in lines if "live mode needs a relay" in line]
    assert [line for line in lines if "key files are not made yet" in line]


def lines_of(lines, word):
    return next(line for line in lines if word in line)


def test_live_mode_is_checked_as_live_without_being_asked(draft):
    assert errors(draft, LETTERSHOP_MODE="live") == errors(draft, live=True)


def test_a_home_with_everything_real_passes_for_live(draft):
    make_real(draft)
    assert errors(draft, live=True) == []


def test_test_domains_without_leave_are_placeholders(draft):
    make_real(draft)
    home = draft.load()
    assert home.settings.allow_test_domains
    forbidden = home.settings.model_copy(update={"allow_test_domains": False})
    lines = check(type(home)(home.root, forbidden, home.campaigns, home.offices), live=True).errors
    assert any("mayor@sampleton.test is a placeholder" in f.message for f in lines)


# -- offices and holders


def test_holders_long_unverified_are_told_once_an_office(draft):
    lines = [line for line in found(draft) if "was not verified since 2015-12-31, so letters use the title" in line]
    assert len(lines) == 11
    assert lines[0].startswith(f"warning: {OFFICES}:54: office council-of-europe-secretary-general: ")


def test_a_holder_never_verified(draft):
    draft.edit(OFFICES, "verified = 2026-11-01\n", "")
    assert any("office sampleton-mayor: its holder was not verified so far" in line for line in found(draft))


def test_a_former_holder_is_no_finding(draft):
    draft.edit(OFFICES, "verified = 2026-11-01\n", "until = 2026-01-01\n")
    assert not any("sampleton-mayor" in line for line in found(draft))


def test_an_office_that_declined_is_told(draft):
    told = 'accepts_letters = false\nrefusal = { date = 2026-11-02, reason = "asked", evidence = "their mail" }\n'
    draft.edit(OFFICES, 'hours = "Mo-Fr 09:00-17:00"\n', told)
    line = f"warning: {OFFICES}:19: office sampleton-mayor asked not to be written to (2026-11-02: asked (their mail))"
    assert any(each.startswith(line) for each in found(draft))
    assert errors(draft) == []
    draft.edit(OFFICES, 'id = "sampleton-library-committee"\n', 'id = "sampleton-library-committee"\n' + told)
    assert [line for line in errors(draft) if line.startswith(f"error: {LIBRARY}:15: none of the campaign's offices")]


def test_live_wants_to_know_where_a_mailbox_was_found(draft):
    make_real(draft)
    wanted = "say where and when its mailbox was found"
    assert any(wanted in line for line in found(draft, live=True))
    for _ in range(2):
        draft.edit(
            OFFICES,
            'source = "placeholder"\ntags = ["sampleton',
            'source = "web"\nas_of = 2026-11-01\ntags = ["sampleton',
        )
    assert not any(wanted in line for line in found(draft, live=True))


# -- campaigns


def test_empty_goals(draft):
    text = (draft.root / LIBRARY).read_text()
    start, end = text.index("goals = ["), text.index("[sender]")
    draft.write(LIBRARY, text[:start] + "goals = []\n\n" + text[end:])
    assert errors(draft) == [
        f"error: {LIBRARY}:16: goals are empty for language 'en'; write what the letter asks for",
    ]


def test_consent_without_words(draft):
    make_real(draft)
    text = (draft.root / LIBRARY).read_text()
    draft.write(LIBRARY, text[: text.index("[consent]")])
    assert errors(draft) == []
    assert errors(draft, live=True) == [
        f"error: {LIBRARY}: consent has no words for language 'en'; write what a signer agrees to"
    ]


def test_signing_that_is_over(draft):
    draft.edit(LIBRARY, "[sender]", "closes = 2026-11-23T12:00:00Z\n[sender]")
    assert f"warning: {LIBRARY}:22: signing is closed; move closes, or take the campaign away" in found(draft)


def test_a_confirmation_link_in_clear(draft):
    make_real(draft)
    draft.edit(LIBRARY, "[sender]", 'confirm_link = "http://www.town-library.test/{token}"\n[sender]')
    assert errors(draft, live=True) == [f"error: {LIBRARY}:22: confirm_link carries a secret; use https://"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "web.url is not set; enter the address of the pages, beginning with https://"),
        (
            "http://letters.library.test",
            "web.url: http://letters.library.test is in clear, and its links carry secrets; use https://",
        ),
        (
            "https://letters.example",
            "web.url: https://letters.example is a placeholder; enter the real address of the",
        ),
    ],
)
def test_live_asks_for_an_address_of_the_pages_that_keeps_secrets(draft, url, said):
    make_real(draft)
    draft.edit(SETTINGS, 'url = "https://letters.library.test"', f'url = "{url}"')
    (line,) = errors(draft, live=True)  # told once, not for each campaign's links
    assert line.startswith(f"error: {SETTINGS}:")
    assert f": {said}" in line
    assert not [each for each in found(draft) if "web.url" in each]  # rehearsal serves http on this machine


@pytest.mark.parametrize(
    ("first", "end", "said"),
    [
        ("[page.en]", "[form]", "the page has no words for language 'en'; write [page.en]"),
        ("[privacy.en]", "[consent]", "the privacy page has no words for language 'en'; write [privacy.en]"),
        ("minimum_age = ", "comment = ", "no minimum age is stated; set form.minimum_age"),
    ],
)
def test_live_asks_for_what_a_visitor_must_read(draft, first, end, said):
    make_real(draft)
    text = (draft.root / LIBRARY).read_text()
    draft.write(LIBRARY, text[: text.index(first)] + text[text.index(end) :])
    (line,) = errors(draft, live=True)
    assert line.startswith(f"error: {LIBRARY}")
    assert line.endswith(said)
    assert errors(draft) == []
    assert [each for each in found(draft) if each.startswith("warning") and each.endswith(said)]


def test_colours_that_cannot_be_read(draft):
    draft.edit(LIBRARY, "[consent]", '[look]\naccent = "#777777"\naccent_dark = "#333333"\n\n[consent]')
    lines = [line for line in found(draft) if "look." in line]
    assert [line.split(": ")[2] for line in lines] == ["look.accent", "look.accent_dark"]
    assert all(line.startswith(f"warning: {LIBRARY}:") for line in lines)
    assert "#777777 on the page's #f8f6f1 has a contrast of 4.1; 4.5 is needed" in lines[0]
    draft.edit(LIBRARY, "#777777", "#0b57a4")
    draft.edit(LIBRARY, "#333333", "#8ab4f8")
    assert not [line for line in found(draft) if "look." in line]


# -- templates and rules


@pytest.mark.parametrize(
    ("name", "old", "new", "place", "said"),
    [
        ("letter.txt", "{{ office.title }}", "{{ office.titel }}", ":2", "titel"),
        ("letter.html", "{{ signer.name }}", "{{ signer.email }}", "", "email"),
        ("letter.txt", "{% for goal in goals -%}", "{% for goal in goals -%", ":", ""),
        ("subject.txt", "Please", "{{ missing }}", ":1", "missing"),
        ("letter.txt", "{{ signer.name }}", "{{ signer.name.__class__ }}", "", "__class__"),
        ("letter.txt", "{{ signer.name }}", "{% for i in range(100000000) %}x{% endfor %}", "", ""),
    ],
)
def test_template_faults_are_placed(draft, name, old, new, place, said):
    file = f"templates/town-library/en/{name}"
    draft.edit(file, old, new)
    lines = errors(draft)
    assert lines
    assert all(line.startswith(f"error: {file}{place}") for line in lines)
    assert said in lines[0]


def test_a_notices_fault_is_told_once_for_all_campaigns(draft):
    draft.edit("templates/notices/en/confirm.txt", "{{ token }}", "{{ tokn }}")
    lines = errors(draft)
    assert len(lines) == 1
    assert lines[0].startswith("error: templates/notices/en/confirm.txt:14: ")
    assert "tokn" in lines[0]


def test_a_notice_that_shows_what_was_typed_before_anybody_confirmed_it(draft):
    draft.edit("templates/notices/en/confirm.txt", "{{ token }}", "{{ token }} {{ signer.name }}")
    (line,) = errors(draft)
    assert line.startswith("error: templates/notices/en/confirm.txt:14: signer: ")
    draft.edit("templates/notices/en/confirm.txt", " {{ signer.name }}", "")
    draft.edit("templates/notices/en/page.txt", "{{ link }}", "{{ link }} {{ signer.name }}")
    assert errors(draft) == []


def test_a_fault_in_a_notice_of_another_language_names_the_file_that_is_there(draft):
    draft.edit(LIBRARY, 'languages = ["en"]', 'languages = ["en", "ga"]')
    text = (draft.root / LIBRARY).read_text()
    start, end = text.index("goals = ["), text.index("[sender]")
    draft.write(LIBRARY, text[:start] + text[end:] + '\n[goals]\nen = ["One."]\nga = ["A haon."]\n')
    for folder in ("town-library", "town-library/anniversary"):
        for path in (draft.root / "templates" / folder / "en").iterdir():
            draft.write(f"templates/{folder}/ga/{path.name}", path.read_text())
    draft.edit("templates/notices/en/page.txt", "{{ link }}", "{{ lnk }}")
    lines = errors(draft)
    assert len(lines) == 1
    assert lines[0].startswith("error: templates/notices/en/page.txt:")


def test_reply_rules_that_are_missing_or_broken(draft):
    draft.write("config/reply-rules.toml", "[[rule]\n")
    assert [line for line in errors(draft) if line.startswith("error: config/reply-rules.toml")]
    (draft.root / "config/reply-rules.toml").unlink()
    assert [line for line in errors(draft) if line.startswith("error: config/reply-rules.toml")]


def test_reply_rules_with_a_gap(draft):
    text = (draft.root / "config/reply-rules.toml").read_text()
    draft.write("config/reply-rules.toml", text[: text.rindex("[[rule]]")])
    assert [
        line for line in errors(draft) if line.startswith("error: config/reply-rules.toml: no rule decides every reply")
    ]


# -- keys


def test_one_key_missing(draft):
    keys = with_keys(draft)
    keys.seal.unlink()
    assert errors(draft) == [
        f"error: {SETTINGS}:67: the key file {keys.seal} is missing; put it back from its copy: it cannot be made anew"
    ]


def test_all_keys_missing_beside_a_ledger(draft):
    draft.write("var/ledger.db", "")
    assert len(errors(draft)) == 3


def test_a_key_open_to_others(draft):
    keys = with_keys(draft)
    keys.data.chmod(0o644)
    assert errors(draft) == [
        f"error: {SETTINGS}:67: the key file {keys.data} is open to others (mode 0644); run `chmod 600 {keys.data}`"
    ]


def test_a_key_file_that_holds_no_key(draft):
    keys = with_keys(draft)
    keys.lookup.write_text("not a key")
    assert len(errors(draft)) == 1
    assert "must hold 32 bytes" in errors(draft)[0]


# -- ledger, broker, pacing, relays


def test_shared_broker_with_private_limits(draft):
    make_real(draft)
    environ = {"LETTERSHOP_BROKER__URL": "redis://queue.test"}
    lines = found(draft, live=True, **environ)
    assert [x for x in lines if x.startswith("error") and "limits would hold on one machine only" in x]
    assert [x for x in lines if x.startswith("warning") and "the ledger is SQLite" in x]


def test_a_ledger_in_a_directory_that_is_missing(draft):
    assert (
        "the ledger's directory /nowhere is missing; make it"
        in errors(draft, LETTERSHOP_LEDGER__URL="sqlite:////nowhere/l.db")[0]
    )


def test_a_postgresql_that_does_not_answer(draft, tmp_path):
    make_real(draft)
    url = f"postgresql://letters@/letters?host={tmp_path}"
    assert errors(draft, LETTERSHOP_LEDGER__URL=url) == []  # only live connects
    lines = errors(draft, live=True, LETTERSHOP_LEDGER__URL=url)
    assert len(lines) == 1
    assert "is away" in lines[0]


@pytest.mark.parametrize(
    ("relay", "live", "said"),
    [
        ({"host": "smtp.town.example"}, True, "error: {}: relay main: smtp.town.example is a placeholder"),
        ({"security": "none"}, True, "warning: {}: relay main: letters cross the network in clear"),
        ({"ca_file": "/nowhere.pem"}, False, "error: {}: relay main: ca_file /nowhere.pem is missing"),
        ({"rate": "5/s"}, False, "warning: {}: relay main: of a rate per second about a sixth is reached"),
    ],
)
def test_relays(draft, relay, live, said):
    make_real(draft)
    environ = {f"LETTERSHOP_RELAYS__0__{key.upper()}": value for key, value in relay.items()}
    expected = said.format(f"{SETTINGS}:42")
    assert [line for line in found(draft, live=live, **environ) if line.startswith(expected)]


def test_a_login_in_clear_is_refused_but_on_this_machine(draft):
    make_real(draft)
    (draft.root / "secret").write_text("hush\n")
    (draft.root / "secret").chmod(0o644)
    environ = {
        "LETTERSHOP_RELAYS__0__SECURITY": "none",
        "LETTERSHOP_RELAYS__0__USERNAME": "letters",
        "LETTERSHOP_RELAYS__0__PASSWORD_FILE": "secret",
    }
    lines = found(draft, live=True, **environ)
    assert [line for line in lines if line.startswith("error") and "password would cross the network in clear" in line]
    assert [line for line in lines if line.startswith("warning") and "secret can be read by every user" in line]
    assert "hush" not in "".join(lines)
    (draft.root / "secret").chmod(0o600)
    assert errors(draft, live=True, LETTERSHOP_RELAYS__0__HOST="127.0.0.1", **environ) == []


def test_a_password_in_a_url(draft):
    lines = found(draft, LETTERSHOP_PACING__URL="redis://:hush@count.test")
    assert [line for line in lines if "pacing.url holds a password; move it into a file" in line]
    assert "hush" not in "".join(lines)
    (draft.root / "secret").write_text("hush\n")
    (draft.root / "secret").chmod(0o600)
    environ = {"LETTERSHOP_PACING__URL": "redis://count.test", "LETTERSHOP_PACING__PASSWORD_FILE": "secret"}
    assert not [line for line in found(draft, **environ) if "password" in line or "can be read" in line]


def test_hours_that_are_ignored_are_refused_for_live(draft):
    make_real(draft)
    lines = errors(draft, live=True, LETTERSHOP_LIMITS__OFFICE_HOURS="ignore")
    assert [line for line in lines if 'live letters keep office hours; set "observe"' in line]


# -- occasions


@pytest.mark.parametrize("name", ["subject.txt", "letter.txt", "letter.html"])
def test_a_fault_in_the_text_of_an_occasion(draft, name):
    file = f"templates/town-library/anniversary/en/{name}"
    draft.write(file, (draft.root / file).read_text() + "{{ signer.nme }}")
    (line,) = errors(draft)
    assert line.startswith(f"error: {file}:")
    assert "did you mean signer.name?" in line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{{ day }}", "{{ dya }}"),
        ("You need do nothing", "{{ range(2000) }}You need do nothing"),  # a branch of its own
        ("The text is not one", "{{ range(2000) }}The text is not one"),
    ],
)
def test_a_fault_in_either_branch_of_an_announcement(draft, old, new):
    draft.edit("templates/notices/en/announce.txt", old, new)
    (line,) = errors(draft)
    assert line.startswith("error: templates/notices/en/announce.txt:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("first_year = 2027", 'first_year = 2027\ntags = ["nobody"]', "none of the campaign's offices with one of its"),
        ("first_year = 2027", 'first_year = 2027\nlanguages = ["fr"]', "'fr' is not one of the campaign's languages"),
        (
            "[form]\n",
            '[form]\noffers = ["copy"]\n',
            "the form does not ask for the consent 'yearly'; add it to form.offers",
        ),
    ],
)
def test_an_occasion_that_would_reach_nobody(draft, old, new, said):
    draft.edit(LIBRARY, old, new)
    (line,) = [line for line in found(draft) if "occasions.anniversary" in line]
    assert f"{LIBRARY}:" in line
    assert said in line
