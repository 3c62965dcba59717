"""Whole messages, for any signer and any office, read back by the stdlib's strict parser."""

import html as html_escapes
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.factories import (
    make_frame,
    make_making,
    make_notice,
    make_office_block,
    make_person,
    make_text_version,
    make_wording,
)
from tests.unit.rendering.reading import assert_on_the_wire, read
from worker.rendering import (
    NUMBER,
    Renderer,
    TemplateFault,
    body_html,
    body_text,
    digest,
    needs_smtputf8,
    subject_line,
    wire_address,
)

LETTER_HEADERS = [
    "Date",
    "From",
    "Reply-To",
    "To",
    "Subject",
    "Message-ID",
    "List-Id",
    "MIME-Version",
    "Content-Type",
]

# Everything that Unicode has, halves of characters and controls included.
anything = st.text(st.characters(exclude_categories=()), max_size=120)
# What a person may be called: no controls, no blanks but the space, no signs that turn writing direction.
visible = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf", "Cn")),
        st.sampled_from(" ,.;:\"'\\<>()@=?_[]%"),
    ),
    max_size=120,
).map(lambda text: " ".join(text.split()))
names = visible.filter(bool)
render = Renderer().render


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@given(names, names, names, names)
@example("Müller, Jörg", 'the "Library"', "=?utf-8?q?x?=", "a, b")
@example("=?utf-8?q?x?= a", "x" * 120, "ж" * 120, "ж a ж")
@example("a =?utf-8?q?x?=", "a ?=", "é" * 70, "x" * 60 + " é")
@settings(max_examples=100, deadline=None)
def test_names_and_subject_come_back_as_they_went_in(signer, campaign, title, subject):
    # "{{ goals[0] }}" lets any text be the subject without it being read as a template.
    text = make_text_version(subject="{{ goals[0] }}", goals=(subject,))
    making = make_making(
        text=text,
        signer=make_person(name=signer),
        office=make_office_block(title=title, organisation=""),
        frame=make_frame(name=campaign, subject_tag=""),
    )
    data = render(making)
    assert_on_the_wire(data)
    found = read(data)
    assert found.headers == LETTER_HEADERS
    assert found.mailbox("From") == (on_one_line(f"{signer} via {campaign}"), "letters@library.example")
    assert found.mailbox("To") == (title, "council@millbrook.example")
    assert found.mail["Subject"] == subject == subject_line(making)
    assert max(map(len, data.split(b"\r\n"))) <= 200


@given(anything, anything, anything, anything)
@example("x\r\nBcc: a@b.example", "\n\n.\n", "\0\ud800", "From me\nFrom you \t\n.")
@example("", "", "", "From " * 40)
@example("", "", "", "=" * 80 + "From x" + " " * 90)
@settings(max_examples=100, deadline=None)
def test_any_data_at_all_stays_inside_its_place(name, city, title, comment):
    making = make_making(
        signer=make_person(name=name, city=city, comment=comment), office=make_office_block(title=title)
    )
    data = render(making)
    assert_on_the_wire(data)
    found = read(data)
    assert found.headers == LETTER_HEADERS
    assert found.text == body_text(making)
    assert found.html == body_html(making)
    assert max(map(len, data.split(b"\r\n"))) <= 200


def allowed(character: str) -> str:
    control = (character < " " and character not in "\t\n") or character == "\x7f"
    return "\ufffd" if control or "\ud800" <= character <= "\udfff" else character


@given(anything)
@settings(max_examples=100, deadline=None)
def test_a_comment_is_whole_in_both_parts(comment):
    text = make_text_version(text="<<{{ signer.comment }}>>", html="<<{{ signer.comment }}>>")
    making = make_making(text=text, signer=make_person(comment=comment))
    found = read(render(making))
    wanted = "".join(map(allowed, comment.replace("\r\n", "\n").replace("\r", "\n")))
    assert found.text == f"<<{wanted}>>\n"
    inside = found.html.removeprefix("<<").removesuffix(">>\n")
    assert "<" not in inside
    assert (
        inside.replace("&#39;", "'")
        .replace("&#34;", '"')
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        == wanted
    )


def test_html_escapes_what_signers_write_and_text_does_not():
    making = make_making(signer=make_person(name="<b>A & 'B'</b>", comment="{{ goals }}{% include 'x' %}\n</p>"))
    found = read(render(making))
    assert "&lt;b&gt;A &amp; &#39;B&#39;&lt;/b&gt;" in found.html
    assert "<b>" not in found.html
    assert "<blockquote>{{ goals }}{% include &#39;x&#39; %}<br>\n&lt;/p&gt;</blockquote>" in found.html
    assert "> {{ goals }}{% include 'x' %}" in found.text
    assert html_escapes.unescape("&lt;b&gt;") == "<b>"


@given(visible, visible)
@settings(max_examples=30, deadline=None)
def test_the_same_making_gives_the_same_bytes(name, comment):
    making = make_making(signer=make_person(name=name, comment=comment))
    assert render(making) == Renderer().render(make_making(signer=make_person(name=name, comment=comment)))


def test_a_body_that_holds_the_boundary_gets_another():
    plain = make_making(text=make_text_version(text="short"))
    mark = read(render(plain)).mail.get_boundary()
    found = read(render(make_making(text=make_text_version(text=f"--{mark}--"))))
    assert found.text == f"--{mark}--\n"
    assert found.mail.get_boundary() != mark


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("short and plain", "7bit"),
        ("x" * 76, "7bit"),
        ("x" * 77, "quoted-printable"),
        ("é", "quoted-printable"),
        ("From here on", "quoted-printable"),
        ("a\nFrom here on", "quoted-printable"),
        ("trailing \nblank", "quoted-printable"),
        (".", "7bit"),
        ("", "7bit"),
    ],
)
def test_bodies_go_as_they_stand_where_they_arrive_so(text, encoding):
    making = make_making(text=make_text_version(text="{{ goals[0] }}", goals=(text,)))
    data = render(making)
    assert_on_the_wire(data)
    found = read(data)
    assert next(found.mail.iter_parts())["Content-Transfer-Encoding"] == encoding
    assert found.text == text + "\n"
    assert b"\r\nFrom here" not in data


def test_the_headers_of_a_letter():
    found = read(render(make_making(date=datetime(2027, 2, 26, 16, 5, 9, tzinfo=timezone(timedelta(hours=4))))))
    mail = found.mail
    assert mail["Date"] == "Fri, 26 Feb 2027 12:05:09 +0000"
    assert mail["Date"].datetime == datetime(2027, 2, 26, 12, 5, 9, tzinfo=UTC)
    assert mail["Message-ID"] == "<town-library.1.town-council@library.example>"
    assert mail["List-Id"] == "<letters.library.example>"
    assert mail["Reply-To"] == "replies@library.example"
    assert mail["Subject"] == "[Millbrook Library] Please keep the Millbrook Library open"
    assert found.mailbox("To") == ("Chair of the Town Council, Town of Millbrook", "council@millbrook.example")
    assert "Auto-Submitted" not in mail


def test_a_named_holder_is_written_to_by_name():
    block = make_office_block(holder="Zoë Sample", form="Ms.")
    found = read(render(make_making(office=block)))
    assert found.mailbox("To")[0] == "Zoë Sample"
    assert "Ms. Zoë Sample" in found.text


def test_a_signer_called_like_a_place_in_the_pattern_stays_called_so():
    found = read(render(make_making(signer=make_person(name="{campaign} {signer.__class__}"))))
    assert found.mailbox("From")[0] == "{campaign} {signer.__class__} via Millbrook Library"


def test_the_headers_of_a_notice():
    found = read(render(make_notice(signer=make_person(name="Żaneta Sample"))))
    assert found.mailbox("From") == ("Millbrook Library", "letters@library.example")
    assert found.mail["To"] == "signer.01@people.example"
    assert found.mail["Auto-Submitted"] == "auto-generated"
    assert "List-Id" not in found.mail
    assert "https://library.example/confirm/abc" in found.text


def test_renderer_1_names_the_signer_in_a_notice():
    found = read(render(make_notice(renderer=1, signer=make_person(name="Żaneta Sample"))))
    assert found.mailbox("To") == ("Żaneta Sample", "signer.01@people.example")


def test_a_name_of_nothing_is_left_out():
    found = read(render(make_notice(renderer=1, signer=make_person(name=" \u202e\0"))))
    assert found.mail["To"] == "signer.01@people.example"


def test_an_office_answers_the_signer_who_lets_it():
    signer = make_person(answer=True)
    assert read(render(make_making(signer=signer))).mail["Reply-To"] == "signer.01@people.example"
    assert read(render(make_making(signer=make_person()))).mail["Reply-To"] == "replies@library.example"
    assert read(render(make_making(signer=signer, renderer=1))).mail["Reply-To"] == "replies@library.example"
    assert read(render(make_notice(signer=signer))).mail["Reply-To"] == "replies@library.example"


def test_an_answer_beyond_ascii_needs_smtputf8_in_letters_alone():
    signer = make_person(answer=True, email="zoë@straße.example")
    assert needs_smtputf8(make_making(signer=signer))
    assert "Reply-To: zoë@xn--strae-oqa.example\r\n".encode() in render(make_making(signer=signer))
    quiet = make_person(email="zoë@straße.example")
    for making in (make_making(signer=quiet), make_making(signer=signer, renderer=1)):
        assert not needs_smtputf8(making)
        assert render(making).isascii()


@given(anything)
@example("a@b.example\r\nBcc: x@y.example")
@example("a@b.example, c@d.example")
@settings(max_examples=50, deadline=None)
def test_no_address_to_answer_to_writes_a_field_of_its_own(address):
    try:
        data = render(make_making(signer=make_person(answer=True, email=address)))
    except TemplateFault as fault:
        assert fault.template == "header Reply-To"  # noqa: PT017
    else:
        assert data.split(b"\r\n\r\n")[0].count(b"\r\n") == render(make_making()).split(b"\r\n\r\n")[0].count(b"\r\n")


def test_a_subject_that_has_the_tag_gets_no_second_one():
    text = make_text_version(subject="Open [Millbrook Library] letter")
    assert subject_line(make_making(text=text)) == "Open [Millbrook Library] letter"


def test_no_reply_to_and_no_list_id_where_none_are_set():
    found = read(render(make_making(frame=make_frame(reply_to="", list_id=""))))
    assert not {"Reply-To", "List-Id"} & set(found.headers)


def test_an_international_domain_is_written_in_ascii():
    block = make_office_block(mailbox="rat@straße.example")
    making = make_making(office=block)
    assert not needs_smtputf8(making)
    assert read(render(making)).mailbox("To")[1] == "rat@xn--strae-oqa.example"
    assert wire_address("rat@BÜCHER.example") == "rat@xn--bcher-kva.example"


def test_a_local_part_beyond_ascii_stands_in_utf8_and_only_there():
    making = make_making(office=make_office_block(mailbox="rådet@straße.example", title="Råd"))
    assert needs_smtputf8(making)
    data = render(making)
    head, _, body = data.partition(b"\r\n\r\n")
    (line,) = [line for line in head.split(b"\r\n") if not line.isascii()]
    assert line.endswith("<rådet@xn--strae-oqa.example>".encode())
    assert body.isascii()


@pytest.mark.parametrize("local", ["ordinary", "o'neil+tag", "a.b"])
def test_plain_addresses_need_no_smtputf8(local):
    assert not needs_smtputf8(make_making(office=make_office_block(mailbox=f"{local}@council.example")))


@pytest.mark.parametrize(
    "mailbox",
    [
        "",
        "council",
        "@council.example",
        "council@",
        "a@b@council.example",
        "a b@council.example",
        "a\r\nBcc: x@council.example",
        "a@council.example\r\nBcc: x@y.example",
        "a@council.example\n",
        "a\0@council.example",
        "a\ud800@council.example",
        "a\u202e@council.example",
        "a\u00a0b@council.example",
        "a..b@council.example",
        '"a b"@council.example',
        "<a@council.example>",
        "a@[192.0.2.1]",
        "a@-council.example",
        "a@council..example",
        "a@\ud800.example",
        "a@ж ж.example",
        "a" * 65 + "@council.example",
        "é" * 33 + "@council.example",
        "a@" + "b" * 64 + ".example",
        "a@" + "b." * 130 + "example",
    ],
)
def test_an_address_that_is_none_makes_no_message(mailbox):
    with pytest.raises(TemplateFault) as caught:
        render(make_making(office=make_office_block(mailbox=mailbox)))
    assert caught.value.template == "header To"
    with pytest.raises(TemplateFault):
        render(make_notice(signer=make_person(email=mailbox)))
    with pytest.raises(TemplateFault):
        render(make_making(frame=make_frame(sender=mailbox)))


@pytest.mark.parametrize(
    "given_id", ["", "x", "a@b>\r\nX: y", "a b@c", "<a@b>", "a@b@c", "é@b.example", "a@" + "b" * 250]
)
def test_an_id_that_could_be_misread_makes_no_message(given_id):
    with pytest.raises(TemplateFault, match="Message-ID"):
        render(make_making(message_id=given_id))


def test_a_list_id_that_could_be_misread_makes_no_message():
    with pytest.raises(TemplateFault, match="List-Id"):
        render(make_making(frame=make_frame(list_id="a\r\nX: b")))


def test_a_header_of_endless_length_makes_no_message():
    with pytest.raises(TemplateFault, match="header From: a header of more than 1,000 characters"):
        render(make_making(signer=make_person(name="x" * 1001)))
    with pytest.raises(TemplateFault, match="header Subject"):
        subject_line(make_making(text=make_text_version(subject="x" * 1001)))


def test_an_empty_subject_makes_no_message():
    with pytest.raises(TemplateFault, match="the subject is empty"):
        render(make_making(text=make_text_version(subject=" {{ signer.city }} "), signer=make_person(city="")))


def test_a_date_without_zone_makes_no_message():
    with pytest.raises(TemplateFault, match="time zone"):
        render(make_making(date=datetime(2027, 1, 1)))  # noqa: DTZ001


def test_a_letter_recorded_by_a_later_release_is_not_guessed_at():
    with pytest.raises(TemplateFault, match="install a newer one"):
        render(make_making(renderer=NUMBER + 1))


def test_the_wording_falls_back_to_the_default_language():
    text = make_text_version(
        wordings={"en": make_wording(text="English"), "fr": make_wording(text="Français {{ date }}")}
    )
    assert body_text(make_making(text=text, language="fr")) == "Français 26 février 2027\n"
    assert body_text(make_making(text=text, language="xx")) == "English\n"
    with pytest.raises(TemplateFault, match="no wording in 'xx'"):
        render(make_making(text=text, language="xx", frame=make_frame(default_language="de")))


@pytest.mark.parametrize(
    ("language", "day", "written"),
    [
        ("en-GB", 1, "1 February 2027"),
        ("fr", 1, "1er février 2027"),
        ("de", 3, "3. Februar 2027"),
        ("es", 3, "3 de febrero de 2027"),
        ("ru", 3, "3 февраля 2027"),
        ("az", 3, "3 fevral 2027"),
        ("zh", 3, "2027-02-03"),
    ],
)
def test_the_date_is_written_in_the_letters_language(language, day, written):
    text = make_text_version(wordings={language: make_wording(text="{{ date }}")})
    making = make_making(text=text, language=language, date=datetime(2027, 2, day, tzinfo=UTC))
    assert body_text(making) == f"{written}\n"


def test_the_digest_is_salted():
    assert len(digest(b"salt", b"data")) == 32
    assert digest(b"salt", b"data") == digest(b"sal", b"tdata") != digest(b"other", b"data")


def test_faults_quote_no_signer():
    for making in (
        make_making(text=make_text_version(text="{{ signer.name | int }}"), signer=make_person(name="Zoë Secret")),
        make_notice(signer=make_person(name="Zoë Secret", email="zoë secret@people.example")),
        make_making(signer=make_person(name="Zoë Secret" * 101)),
    ):
        with pytest.raises(TemplateFault) as caught:
            render(making)
        assert "ecret" not in f"{caught.value}{caught.value.__cause__}"
        assert caught.value.__suppress_context__
