"""From the form to the signer's own page."""

import logging
import re

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.integration.web.site import CAMPAIGN, OFFICES, Site, home_for, open_site
from tests.support import until
from worker.embedded.server import RedisServer
from worker.ledger import people, quiet
from worker.ledger.book import Ledger
from worker.ledger.schema import consents, letters, reviews, signatures, tokens

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # SQL is tested where it is written


@pytest.fixture
def site(draft: Draft, ledger: Ledger, redis_server: RedisServer):
    with open_site(home_for(draft), ledger, redis_server) as opened:
        yield opened


def count(site: Site) -> int:
    return int(site.rows(sa.select(sa.func.count()).select_from(signatures))[0][0])


def test_the_way_of_a_signature(site: Site) -> None:
    answer = site.post(f"/c/{CAMPAIGN}", site.form(consent=["send", "yearly", "answer"]))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/c/{CAMPAIGN}/sent")
    until(lambda: site.rings == ["ding"], "the workers to be woken")
    assert site.letters_of(1) == {("confirm-1", "signer"): "queued"}
    link = f"/confirm/{site.token(1)}"
    shown = site.get(link)
    assert shown.status_code == 200
    assert "Sample Signer 01" in shown.text
    assert site.letters_of(1) == {("confirm-1", "signer"): "queued"}, "following the link changes nothing"
    unseen = site.post(link, {"seen": "0" * 20})
    assert unseen.headers["location"] == link, "it is not what was shown, so it is shown again"
    assert site.letters_of(1) == {("confirm-1", "signer"): "queued"}
    confirmed = site.confirm(link)
    own = confirmed.headers["location"]
    assert own.startswith("/me/")
    assert site.letters_of(1) == {
        ("confirm-1", "signer"): "cancelled",
        ("page-1", "signer"): "queued",
        **{("signing", office): "queued" for office in OFFICES},
    }
    page = site.get(own)
    assert "Mayor" in page.text
    assert site.post(link).headers["location"] == own, "confirming twice is confirming once"
    followed = site.get(link)
    assert own.rpartition("/")[2] not in followed.text + str(followed.headers), (
        "a program that follows it learns nothing"
    )
    given = {row.kind for row in site.rows(sa.select(consents.c.kind))}
    assert given == {"send", "yearly", "answer"}
    with site.shop.ledger.read() as connection:
        person = people.opened(connection, site.shop.ledger.keys, 1).person
    assert (person.answer, person.copy) == (True, False)


def test_the_answer_is_the_same_for_everybody(site: Site) -> None:
    new = site.post(f"/c/{CAMPAIGN}", site.form())
    repeated = site.post(f"/c/{CAMPAIGN}", site.form())
    site.confirm(f"/confirm/{site.token(1)}")
    confirmed = site.post(f"/c/{CAMPAIGN}", site.form())
    site.post(f"/never/{site.token(1)}")
    hushed = site.post(f"/c/{CAMPAIGN}", site.form())
    robot = site.post(f"/c/{CAMPAIGN}", site.form(website="http://x.example"))
    answers = [(a.status_code, a.headers["location"], a.content) for a in (new, repeated, confirmed, hushed, robot)]
    assert len(set(answers)) == 1
    assert count(site) == 1


def test_what_a_program_fills_is_recorded_nowhere(site: Site) -> None:
    assert site.post(f"/c/{CAMPAIGN}", site.form(website="x")).status_code == 303
    assert count(site) == 0


def test_errors_stand_beside_their_fields_and_input_is_kept(site: Site) -> None:
    wrong = site.form(
        name="", email="nobody", country="", consent=["yearly"], office=[OFFICES[0]], comment="My <b>words</b>"
    )
    answer = site.post(f"/c/{CAMPAIGN}", wrong)
    assert answer.status_code == 422
    for field in ("name", "email", "country", "send"):
        assert f'id="{field}-error"' in answer.text, field
        assert f'href="#{field}"' in answer.text, field
    assert 'value="nobody"' in answer.text
    assert "My &lt;b&gt;words&lt;/b&gt;" in answer.text
    kept = re.findall(r'<input type="checkbox" name="(?:consent|office)" value="([a-z_-]+)"[^>]* checked', answer.text)
    assert kept == [OFFICES[0], "yearly"]
    assert count(site) == 0


def test_what_is_agreed_to_is_shown_before_it_is_confirmed(site: Site) -> None:
    number = site.signed(consent=["send", "answer"])
    page = site.get(f"/confirm/{site.token(number)}").text
    assert "Let the offices answer me" in page
    assert "Send me a copy" not in page


def test_a_link_that_has_run_out_opens_nothing(site: Site) -> None:
    number, _ = site.confirmed()
    link = f"/confirm/{site.token(number)}"
    with site.shop.ledger.write() as connection:
        connection.execute(sa.update(tokens).where(tokens.c.kind == "confirm").values(expires_at=1))
    assert site.get(link).status_code == 200
    assert site.post(link).headers["location"] == link


def test_one_mailbox_is_counted_once_whatever_its_tag(site: Site) -> None:
    for n in range(7):
        assert site.post(f"/c/{CAMPAIGN}", site.form(email=f"victim+{n}@mail.example")).status_code == 303
    assert count(site) == 5


def test_offices_may_be_left_out_but_not_all(site: Site) -> None:
    number, _ = site.confirmed(office=[OFFICES[1]])
    assert {key for key in site.letters_of(number) if key[0] == "signing"} == {("signing", OFFICES[1])}
    none = site.post(f"/c/{CAMPAIGN}", site.form(email="two@mail.example", office=[]))
    assert none.status_code == 422
    assert 'id="offices-error"' in none.text


def test_a_likely_slip_is_asked_about_once(site: Site) -> None:
    asked = site.post(f"/c/{CAMPAIGN}", site.form(email="one@gmial.com"))
    assert asked.status_code == 422
    assert "one@gmail.com" in asked.text
    assert site.post(f"/c/{CAMPAIGN}", site.form(email="one@gmial.com", email_choice="suggested")).status_code == 303
    assert site.post(f"/c/{CAMPAIGN}", site.form(email="one@gmial.com", email_choice="typed")).status_code == 303
    with site.shop.ledger.read() as connection:
        addresses = [people.opened(connection, site.shop.ledger.keys, n).person.email for n in (1, 2)]
    assert addresses == ["one@gmail.com", "one@gmial.com"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"stamp": ""}, "open for very long"),
        ({"stamp": "1a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "open for very long"),
        ({"version": "0" * 20}, "was changed while you read it"),
    ],
)
def test_a_form_that_is_not_ours_or_of_another_text_is_shown_again(site: Site, changed: dict, sentence: str) -> None:
    answer = site.post(f"/c/{CAMPAIGN}", site.form(**changed))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'value="Sample Signer 01"' in answer.text
    assert count(site) == 0


def test_a_form_that_comes_at_once_is_asked_for_again(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    home = home_for(draft, LETTERSHOP_FORM__LEAST_SECONDS="60")
    with open_site(home, ledger, redis_server) as site:
        form = site.form()
        answer = site.post(f"/c/{CAMPAIGN}", form)
        assert answer.status_code == 422
        assert f'value="{form["stamp"]}"' in answer.text, "the same stamp: it is old enough next time"
        assert count(site) == 0


def test_a_comment_waits_for_somebodys_look(site: Site) -> None:
    number, own = site.confirmed(comment="I learnt to read there.")
    assert {state for (name, _), state in site.letters_of(number).items() if name == "signing"} == {"held"}
    assert [row.reason for row in site.rows(sa.select(reviews.c.reason))] == ["comment"]
    assert "until somebody at the campaign has read" in site.get(own).text


def test_a_link_that_leads_nowhere_says_so(site: Site) -> None:
    for path in ("/confirm/", "/me/", "/never/"):
        for token in ("x", "A" * 27, "../etc/passwd", "%00"):
            assert site.get(path + token).status_code == 404
    assert site.post("/confirm/" + "A" * 27).status_code == 404
    assert site.post("/me/" + "A" * 27 + "/withdraw").status_code == 404


def test_withdrawing_correcting_and_choosing(site: Site) -> None:
    number, own = site.confirmed()
    assert site.post(f"{own}/correct", {"name": "Sample Signer 1", "city": "", "comment": ""}).status_code == 303
    assert 'value="Sample Signer 1"' in site.get(own).text
    wrong = site.post(f"{own}/correct", {"name": "www.example.com", "city": "", "comment": ""})
    assert wrong.status_code == 422
    assert 'id="name-error"' in wrong.text
    assert site.post(f"{own}/consents", {"consent": ["copy", "nonsense"]}).status_code == 303
    stand = sa.select(consents.c.kind).where(consents.c.withdrawn_at.is_(None))
    assert {row.kind for row in site.rows(stand)} == {"send", "copy"}
    assert site.post(f"{own}/withdraw").headers["location"] == f"{own}?done=withdrawn"
    assert set(site.letters_of(number).values()) == {"cancelled"}
    late = site.post(f"{own}/correct", {"name": "Sample Signer 2", "city": "", "comment": ""})
    assert late.headers["location"] == f"{own}?done=too-late"
    assert "withdrawn" in site.get(own).text


def test_erasing_asks_first_and_leaves_nothing(site: Site) -> None:
    _, own = site.confirmed()
    assert site.get(f"{own}/erase").status_code == 200
    assert site.post(f"{own}/erase", {"erase": ""}).status_code == 422
    assert site.get(own).status_code == 200, "nothing was erased yet"
    assert site.post(f"{own}/erase", {"erase": "yes"}).status_code == 200
    assert site.get(own).status_code == 410
    assert site.post(f"{own}/data").status_code == 410
    with site.shop.ledger.read() as connection:
        assert people.opened(connection, site.shop.ledger.keys, 1) is None


def test_never_again(site: Site) -> None:
    number = site.signed()
    link = f"/never/{site.token(number)}"
    assert site.get(link).status_code == 200
    assert site.letters_of(number) == {("confirm-1", "signer"): "queued"}, "following the link changes nothing"
    assert site.post(link).status_code == 200
    assert site.letters_of(number) == {("confirm-1", "signer"): "cancelled"}
    with site.shop.ledger.read() as connection:
        key = site.shop.ledger.keys.address_key("one@mail.example")
        assert quiet.among(connection, [key]) == {key}
    site.post(f"/c/{CAMPAIGN}", site.form())
    assert count(site) == 1


def test_the_lost_link_is_sent_again_a_day_later_and_nobody_is_told(site: Site) -> None:
    number, _ = site.confirmed()
    due = (
        sa.select(sa.func.count())
        .select_from(letters)
        .where(letters.c.addressee == "signer", letters.c.state == "queued")
    )
    set_sent = (
        sa.update(letters).where(letters.c.addressee == "signer", letters.c.state == "queued").values(state="sent")
    )
    with site.shop.ledger.write() as connection:
        connection.execute(set_sent)
    known = site.post(f"/c/{CAMPAIGN}/link", {"email": "One@mail.example"})
    stranger = site.post(f"/c/{CAMPAIGN}/link", {"email": "nobody@mail.example"})
    assert (known.status_code, known.text) == (stranger.status_code, stranger.text)
    assert site.rows(due)[0][0] == 1
    assert site.letters_of(number)["page-2", "signer"] == "queued"
    assert site.post(f"/c/{CAMPAIGN}/link", {"email": "nobody"}).status_code == 422


def test_many_at_once_are_all_recorded(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    # room enough for a machine so busy that Redis does not answer in time, and this process counts alone
    draft.edit("config/lettershop.toml", '# per_ip = "20/h"', 'per_ip = "2000/h"')
    with open_site(home_for(draft), ledger, redis_server) as site:
        first = site.form()
        forms = [{**first, "email": f"crowd{n}@mail{n}.example", "name": f"Sample Signer {n}"} for n in range(9)]
        assert {answer.status_code for answer in site.gather(f"/c/{CAMPAIGN}", forms)} == {303}
        assert count(site) == 9


def test_a_closed_campaign_shows_its_letter_and_takes_no_form(
    draft: Draft, ledger: Ledger, redis_server: RedisServer
) -> None:
    draft.edit(f"config/campaigns/{CAMPAIGN}.toml", "[sender]", "closes = 2026-01-01T00:00:00Z\n\n[sender]")
    with open_site(home_for(draft), ledger, redis_server) as site:
        assert "can no longer be signed" in site.get(f"/c/{CAMPAIGN}").text
        form = {"name": "Sample Signer 01", "email": "one@mail.example", "country": "IE", "consent": "send"}
        stamp = site.shop.stamps.issue(CAMPAIGN, site.shop.clock.now())
        answer = site.post(f"/c/{CAMPAIGN}", {**form, "stamp": stamp})
        assert answer.status_code == 422
        assert "can no longer be signed" in answer.text
        assert count(site) == 0


# -- limits ------------------------------------------------------------------------------------------------------------
def test_one_address_is_not_written_for_without_end(site: Site) -> None:
    statuses = [site.post(f"/c/{CAMPAIGN}", site.form()).status_code for _ in range(7)]
    assert statuses == [303] * 7, "whoever asks is not told that the address was used before"
    notices = [key for key in site.letters_of(1) if key[1] == "signer"]
    assert notices == [("confirm-1", "signer"), ("confirm-2", "signer")]


def test_a_busy_network_is_asked_to_wait_and_keeps_what_was_typed(
    draft: Draft, ledger: Ledger, redis_server: RedisServer
) -> None:
    with open_site(home_for(draft, LETTERSHOP_FORM__PER_IP="2/h"), ledger, redis_server) as site:
        for n in range(2):
            site.post(f"/c/{CAMPAIGN}", site.form(email=f"x{n}@mail.example", asked="1"))
        answer = site.post(f"/c/{CAMPAIGN}", site.form(email="x3@mail.example"))
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 60
        assert 'value="x3@mail.example"' in answer.text


def test_a_flood_from_one_domain_is_held_not_refused(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    with open_site(home_for(draft, LETTERSHOP_FORM__PER_DOMAIN="1/h"), ledger, redis_server) as site:
        site.signed(email="a@mail.example")
        held = site.signed(email="b@mail.example")
        assert site.letters_of(held) == {("confirm-1", "signer"): "held"}
        assert [row.reason for row in site.rows(sa.select(reviews.c.reason))] == ["over the limit of its domain"]


def test_where_work_is_asked_for_who_does_none_is_held(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    with open_site(home_for(draft, LETTERSHOP_FORM__CHALLENGE_ABOVE="1/min"), ledger, redis_server) as site:
        site.signed(email="a@mail.example")
        asked = site.post(f"/c/{CAMPAIGN}", site.form(email="b@mail.example"))
        assert asked.status_code == 422
        assert "data-challenge" in asked.text
        assert count(site) == 1
        held = site.signed(email="b@mail.example", asked="1", altcha="bm9uc2Vuc2U=")
        assert site.letters_of(held) == {("confirm-1", "signer"): "held"}


def test_redis_away_leaves_the_form_open(draft: Draft, ledger: Ledger, own_redis_server: RedisServer) -> None:
    with open_site(home_for(draft), ledger, own_redis_server) as site:
        own_redis_server.stop()
        assert site.post(f"/c/{CAMPAIGN}", site.form()).status_code == 303
        assert count(site) == 1


def test_the_ledger_away_loses_nothing_that_was_acknowledged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.domain.errors import Failed

    form = site.form()

    def away(*_: object, **__: object) -> None:
        raise Failed("the ledger is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(site.shop.intake), "record", away)
        answer = site.post(f"/c/{CAMPAIGN}", form)
        assert answer.status_code == 503
        assert 'value="one@mail.example"' in answer.text
        assert answer.headers["retry-after"] == "60"
    assert site.post(f"/c/{CAMPAIGN}", form).status_code == 303


# -- what an attacker sees ---------------------------------------------------------------------------------------------
def test_every_answer_carries_its_headers_and_no_cookie(site: Site) -> None:
    _, own = site.confirmed()
    for path in ("/", f"/c/{CAMPAIGN}", f"/c/{CAMPAIGN}/privacy", own, "/nowhere", "/altcha"):
        answer = site.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe-inline" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        assert answer.headers["referrer-policy"] == ("no-referrer" if path == own else "same-origin")


def test_other_sites_may_not_post(site: Site) -> None:
    form = site.form()
    for origin in ("https://evil.example", "null"):
        assert site.post(f"/c/{CAMPAIGN}", form, headers={"origin": origin}).status_code == 403
    assert site.post(f"/c/{CAMPAIGN}", form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert count(site) == 0


def test_the_campaigns_own_site_may(draft: Draft, ledger: Ledger, redis_server: RedisServer) -> None:
    ours = "https://www.town-library.example"
    draft.edit(f"config/campaigns/{CAMPAIGN}.toml", "[sender]", f'sites = ["{ours}"]\n\n[sender]')
    with open_site(home_for(draft), ledger, redis_server) as site:
        plain = {"name": "Sample Signer 01", "email": "one@mail.example", "country": "IE", "consent": "send"}
        assert site.post(f"/c/{CAMPAIGN}", plain, headers={"origin": ours}).status_code == 303
        assert count(site) == 1
        elsewhere = site.post("/c/justice-for-khojaly", plain, headers={"origin": ours})
        assert elsewhere.status_code == 403
        framed = site.get(f"/c/{CAMPAIGN}/embed").headers["content-security-policy"]
        assert f"frame-ancestors {ours}" in framed
        other = site.get("/c/justice-for-khojaly/embed").headers["content-security-policy"]
        assert "frame-ancestors 'none'" in other


def test_neither_tokens_nor_people_stand_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        number, own = site.confirmed(name="Sample Quux", email="quux@mail.example")
        site.get(own)
        site.get(f"/never/{site.token(number)}?email=quux@mail.example")
        site.post(f"/c/{CAMPAIGN}", site.form(name="Sample Quux", email="quux at mail"))
        site.post(f"{own}/correct", {"name": "", "city": "Quuxtown", "comment": ""})
        site.post(f"{own}/erase", {"erase": "yes"})
    told = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("lettershop"))
    assert "POST /me/{token}/correct 422" in told
    for secret in ("quux", own.rpartition("/")[2]):
        assert secret.lower() not in told.lower()


def test_a_fault_of_ours_shows_a_page_and_tells_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("quux@mail.example")

    monkeypatch.setattr(type(site.shop.progress), "of", fault)
    answer = site.get(f"/c/{CAMPAIGN}")
    assert answer.status_code == 500
    assert "quux" not in answer.text
    assert "content-security-policy" in answer.headers
