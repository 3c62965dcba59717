"""`lettershop keys`: a key's life as an operator types it."""

import json


def listed(cli) -> list[dict]:
    return json.loads(cli("keys", "list", "--json"))["keys"]


def test_a_keys_life(cli):
    assert listed(cli) == []
    key = cli("keys", "create", "partner", "--scope", "sign", "--scope", "read", "--campaign", "town-library").strip()
    assert key.startswith("lsk_")
    assert "\n" not in key, "nothing else on standard output: a script may keep it"
    (first,) = listed(cli)
    assert (first["name"], first["state"], first["scopes"]) == ("partner", "valid", ["sign", "read"])

    fresh = json.loads(cli("keys", "rotate", "partner", "--reason", "every year", "--overlap", "2 h", "--json"))
    assert fresh["key"].startswith("lsk_")
    assert fresh["key"] != key
    assert fresh["campaign"] == "town-library"
    assert [each["state"] for each in listed(cli)] == ["ending", "valid"]

    assert cli("keys", "revoke", "partner", "--reason", "over") == "2 keys of partner ended\n"
    assert [each["state"] for each in listed(cli)] == ["ended", "ended"]
    table = cli("keys", "list")
    assert table.splitlines()[0].startswith("key\tstate\tscopes\tcampaign")
    assert key not in table + json.dumps(listed(cli))


def test_what_is_refused(cli):
    assert "a key's name" in cli("keys", "create", "Partner X", "--scope", "read", status=2)
    assert "no scope 'erase'" in cli("keys", "create", "partner", "--scope", "erase", status=2)
    assert "no campaign 'x'" in cli("keys", "create", "partner", "--scope", "read", "--campaign", "x", status=2)
    cli("keys", "create", "partner", "--scope", "read")
    assert "already" in cli("keys", "create", "partner", "--scope", "read", status=3)
    for overlap in ("soon", "91 d"):
        assert "overlap" in cli("keys", "rotate", "partner", "--reason", "x", "--overlap", overlap, status=2)
    assert "no key 'nobody'" in cli("keys", "revoke", "nobody", "--reason", "x", status=2)
    cli("keys", "revoke", "partner", "--reason", "x")
    assert "was revoked" in cli("keys", "rotate", "partner", "--reason", "x", status=3)
