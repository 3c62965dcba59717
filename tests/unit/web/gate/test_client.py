"""Whose request it is, also for those who lie about it."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.gate.client import MOST_HOPS, ClientAddress, Networks, client_of

NOBODY = Networks()
PROXY = Networks.read(["10.0.0.0/8", "2001:db8:aaaa::/48", "192.0.2.99"])


def one(peer, *forwarded, trusted=PROXY):
    return client_of(peer, forwarded, trusted).one


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("192.0.2.7", ClientAddress("192.0.2.7", "192.0.2.0/24")),
        ("2001:db8:1:2:3:4:5:6", ClientAddress("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("::ffff:192.0.2.7", ClientAddress("192.0.2.7", "192.0.2.0/24")),
        ("fe80::1%eth0", ClientAddress("fe80::/64", "fe80::/48")),
        ("::1", ClientAddress("::/64", "::/48")),
        (None, ClientAddress("unix", "unix")),
        ("", ClientAddress("unix", "unix")),
        ("testclient", ClientAddress("unknown", "unknown")),
    ],
)
def test_what_is_counted_of_an_address(peer, expected):
    assert client_of(peer, [], NOBODY) == expected


def test_all_addresses_of_a_64_are_one_client_and_the_next_64_is_another():
    assert one("2001:db8:1:2::1") == one("2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert one("2001:db8:1:2::1") != one("2001:db8:1:3::1")
    assert client_of("2001:db8:1:2::1", [], PROXY).network == client_of("2001:db8:1:ffff::1", [], PROXY).network


@pytest.mark.parametrize("trusted", [NOBODY, PROXY])
def test_a_peer_that_is_no_proxy_is_believed_nothing(trusted):
    assert one("203.0.113.5", "198.51.100.1", trusted=trusted) == "203.0.113.5"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 2.2.2.2,198.51.100.1"], "198.51.100.1"),  # the visitor wrote the first two
        (["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),  # two proxies of ours
        (["1.1.1.1, 198.51.100.1", "10.2.3.4,192.0.2.99"], "198.51.100.1"),
        (["10.9.9.9"], "10.9.9.9"),  # all of it ours: a machine of our own asks
        (["198.51.100.1:4711"], "198.51.100.1"),
        (["[2001:db8:1:2::3]:4711"], "2001:db8:1:2::/64"),
        (["[2001:db8:1:2::3]"], "2001:db8:1:2::/64"),
        (["2001:db8:1:2::3"], "2001:db8:1:2::/64"),
        (["fe80::1%eth0"], "fe80::/64"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1, ::ffff:10.1.1.1"], "198.51.100.1"),  # a proxy of ours, written as IPv6
        (["\t198.51.100.1 "], "198.51.100.1"),
    ],
)
def test_behind_proxies_the_nearest_hop_that_is_not_ours_is_the_client(forwarded, expected):
    assert one("10.0.0.1", *forwarded) == expected


@pytest.mark.parametrize(
    "garbage",
    [
        "unknown",
        "_hidden",
        "198.51.100.1; DROP",
        "198.51.100.1:port",
        "198.51.100.1:",
        "198.51.100.01",
        "198.51.100.256",
        "٣.٣.٣.٣",
        "[2001:db8::1",
        "2001:db8::1]:80",
        "[2001:db8::1]80",
        "[198.51.100.1]x",
        "for=198.51.100.1",
        "fe80::1%" + "z" * 100,
        "1" * 100_000,
        "\x00",
        "198.51.100.1\u2028",
    ],
)
def test_an_entry_that_is_no_address_ends_the_walk_where_it_was_told(garbage):
    assert one("10.0.0.1", f"1.1.1.1,{garbage}") == "10.0.0.1"
    assert one("10.0.0.1", f"1.1.1.1,{garbage},10.7.7.7") == "10.7.7.7"
    assert one("10.0.0.1", f"{garbage},198.51.100.1") == "198.51.100.1"


def test_an_enormous_header_is_read_from_the_right_and_no_further_than_hops_go():
    assert one("10.0.0.1", *["1.1.1.1," * 50_000 + "198.51.100.1"] * 3) == "198.51.100.1"
    ours = ["10.1.1.1"] * (MOST_HOPS - 1)
    assert one("10.0.0.1", ",".join(["198.51.100.1", *ours])) == "198.51.100.1"
    assert one("10.0.0.1", ",".join(["198.51.100.1", *ours, "10.1.1.1"])) == "10.1.1.1"
    assert one("10.0.0.1", "198.51.100.1", *ours, "10.1.1.1") == "10.1.1.1"


def test_a_unix_socket_is_believed_only_if_it_is_listed():
    assert one(None, "198.51.100.1") == "unix"
    assert one("", "198.51.100.1", trusted=Networks.read(["unix"])) == "198.51.100.1"
    assert one(None, "198.51.100.1", trusted=Networks.read(["unix"])) == "198.51.100.1"
    assert one("testclient", "198.51.100.1", trusted=Networks.read(["unix"])) == "unknown"


@given(
    st.one_of(st.none(), st.text(), st.ip_addresses().map(str)),
    st.lists(st.one_of(st.text(), st.lists(st.ip_addresses().map(str)).map(", ".join))),
    st.sampled_from([NOBODY, PROXY, Networks.read(["unix", "0.0.0.0/1", "::/1"])]),
)
def test_whatever_is_sent_there_is_a_client_that_can_be_counted(peer, forwarded, trusted):
    client = client_of(peer, forwarded, trusted)
    if client.one in {"unix", "unknown"}:
        assert client.network == client.one
        return
    counted, network = ip_network(client.one), ip_network(client.network)
    assert counted.subnet_of(network)
    assert (counted.prefixlen, network.prefixlen) == ((32, 24) if counted.version == 4 else (64, 48))


@given(st.lists(st.text(alphabet="0123456789abcdef.:,[]% ", max_size=60)), st.ip_addresses(v=4))
def test_nothing_written_by_the_visitor_changes_who_he_is(written, visitor):
    """The proxy appends whom it heard the request from; what stands to the left of it is the visitor's own."""
    if PROXY.trusts(str(visitor)):
        return
    assert one("10.0.0.1", *written, str(visitor)) == str(visitor)
    assert one("10.0.0.1", ",".join([*written, str(visitor)])) == str(visitor)


def test_the_trusted_networks_are_read():
    read = Networks.read([" 192.0.2.1 ", "10.0.0.0/8", "::ffff:192.168.0.0/112", "2001:db8::/32"])
    trusted = ["192.0.2.1", "10.1.1.1", "192.168.3.4", "::ffff:192.168.3.4", "2001:db8::7"]
    assert [hop for hop in [*trusted, "192.0.2.2", "192.169.0.1", None, "", "proxy"] if read.trusts(hop)] == trusted
    assert ip_address("192.168.0.0") in read.networks[2]


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "Unix", "x" * 10_000])
def test_a_bad_network_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"is no address and no network; write one like") as caught:
        Networks.read(["192.0.2.1", text])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0"])
def test_everybody_is_no_proxy(text):
    with pytest.raises(ValueError, match="is everybody"):
        Networks.read([text])
