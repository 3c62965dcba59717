"""Kinds of notices, what they say of themselves, and what was recorded before there were several."""

import json

import pytest

from tests.factories import make_frame, make_person
from worker.domain.campaign import canonical
from worker.domain.making import encloses, frame, notice_kind, notice_values, pin_body, token_kind
from worker.domain.person import Person


@pytest.mark.parametrize(
    ("sendout", "kind"),
    [
        ("confirm-1", "confirm"),
        ("confirm-2", "confirm"),
        ("page-12", "page"),
        ("imported-1", "imported"),
        ("announce-anniversary-2027-1", "announce"),
        ("announce-anniversary-2027-1-ask", "announce"),
        ("signing", "signing"),
    ],
)
def test_a_kind_is_the_first_word_of_its_send_outs_name(sendout, kind):
    assert notice_kind(sendout) == kind


def test_each_kind_carries_its_token_in_its_links():
    part = make_frame(
        confirm_link="https://x/c/{token}", page_link="https://x/p/{token}", never_link="https://x/n/{token}"
    )
    assert [token_kind(kind) for kind in ("confirm", "page", "imported")] == ["confirm", "page", "page"]
    assert notice_values(part, "confirm", "T", {}) == {
        "token": "T",
        "link": "https://x/c/T",
        "never_link": "https://x/n/T",
    }
    assert (
        notice_values(part, "page", "T", {})["link"]
        == notice_values(part, "imported", "T", {})["link"]
        == "https://x/p/T"
    )
    assert notice_values(part, "announce", "T", {"day": "2027-02-26"})["day"] == "2027-02-26"
    assert notice_values(make_frame(), "page", "T", {}) == {"token": "T", "link": ""}


def test_a_copy_is_never_enclosed_before_confirming():
    wants = make_person(copy=True)
    assert [encloses(kind, wants) for kind in ("confirm", "page", "imported")] == [False, True, True]
    assert not encloses("page", make_person())
    assert encloses("announce", make_person())  # it shows what will be written


def test_a_frame_pinned_before_there_were_pages_is_read_as_it_was():
    body = json.loads(canonical(pin_body(make_frame(confirm_link="https://x/{token}"))))
    old = {name: value for name, value in body.items() if name not in {"page_link", "never_link"}}
    assert frame(old) == frame(body) == make_frame(confirm_link="https://x/{token}")
    assert notice_values(frame(old), "confirm", "T", {}) == {"token": "T", "link": "https://x/T"}


def test_a_person_sealed_before_there_were_answers_and_copies_wants_neither():
    body = json.loads(json.dumps(make_person().body()))
    old = {name: value for name, value in body.items() if name not in {"answer", "copy"}}
    assert Person(**old) == Person(**body)
    assert (Person(**old).answer, Person(**old).copy) == (False, False)
    kept = Person(**json.loads(json.dumps(make_person(answer=True, copy=True).body())))
    assert (kept.answer, kept.copy) == (True, True)
