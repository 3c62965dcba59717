"""The baseline writes the same letter as ours does, so that the comparison is one."""

from email import message_from_bytes, policy

from bench.baseline.tasks import _offices, make_message


def test_ten_offices_one_letter_each():
    assert len(_offices) == 10
    signer = {"name": "Sämple Signer 01", "country": "Ireland", "city": "Sampleton", "comment": "<b>Please</b>"}
    for office in _offices:
        message = message_from_bytes(make_message(signer, office).as_bytes(), policy=policy.default)
        assert message["To"].addresses[0].addr_spec == office["mailbox"]
        text = message.get_body(("plain",)).get_content()
        html = message.get_body(("html",)).get_content()
        assert office["title"] in text
        assert "Sämple Signer 01" in text
        assert "<b>Please</b>" in text
        assert "&lt;b&gt;Please" in html
