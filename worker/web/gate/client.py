"""Whose request it is: the address that the form's limits count against.

A request comes from its **peer**, the other end of the socket. Behind a reverse proxy that is the proxy, and the visitor
stands in `X-Forwarded-For`, to which each proxy appends whom it heard the request from. Everything in that header that no
proxy of ours wrote was written by the visitor, so it is read from the right and only as far as those who speak are
known: while the hop is a trusted proxy, the next entry to the left is believed; the first hop that is not trusted is the
client. An entry that is no address ends the walk at the hop that told it, so garbage never gets anybody a limit of his own.

IPv6 is counted by /64, the smallest network that one customer is given (RFC 6177, RFC 4291, 2.5.1): whoever has one
address has 2**64. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`, RFC 4291, 2.5.5.2) is that IPv4 address. Zones
(`fe80::1%eth0`, RFC 4007) are local to a host and dropped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

MOST_HOPS = 16
"""Entries of the header that are looked at, from the right: nobody stands behind more proxies of his own."""

_LONGEST = (
    64  # characters of one entry: an IPv6 address has 45 at most, and brackets, a zone and a port may come on top
)
_MAPPED_BITS = 96  # ::ffff:0:0/96

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The two things that are counted: `one` (IPv4 whole, IPv6 its /64) and `network` (IPv4 /24, IPv6 /48).

    A client without an address has the same word in both: "unix" for a socket without one, "unknown" for a peer that
    the server named in no form known here. All such clients share one limit.
    """

    one: str
    network: str


@dataclass(frozen=True, slots=True)
class Networks:
    """Proxies whose `X-Forwarded-For` is believed: addresses, networks, and the word "unix" for a unix socket."""

    networks: tuple[_Network, ...] = ()
    unix: bool = False

    @classmethod
    def read(cls, texts: Iterable[str]) -> Self:
        """Read "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "unix". Raises ValueError that says what is wrong."""
        given = [text.strip() for text in texts]
        return cls(tuple(_network(text) for text in given if text != "unix"), "unix" in given)

    def trusts(self, hop: str | None) -> bool:
        """Whether a peer, as the server names it, is one of the proxies. None and "" are a unix socket."""
        return self.unix if not hop else self._has(_address(hop))

    def _has(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


def client_of(peer: str | None, forwarded_for: Sequence[str], trusted: Networks) -> ClientAddress:
    """The client of a request that came from `peer` with these raw values of `X-Forwarded-For`, in their order.

    `peer` is the address alone, without a port; None or "" for a unix socket. Never raises, whatever it is given.
    """
    here = _address(peer) if peer else None
    known = trusted.trusts(peer)
    for entry in _from_the_right(forwarded_for):
        told = _address(entry) if known else None
        if told is None:
            break
        here, known = told, trusted._has(told)  # noqa: SLF001 - the same module
    if here is None:
        word = "unknown" if peer else "unix"
        return ClientAddress(word, word)
    return _counted(here)


def _counted(address: _Address) -> ClientAddress:
    if isinstance(address, IPv4Address):
        return ClientAddress(str(address), _cut(address, 24))
    return ClientAddress(_cut(address, 64), _cut(address, 48))


def _cut(address: _Address, bits: int) -> str:
    return str(ip_network((address.packed, bits), strict=False))


def _from_the_right(values: Sequence[str]) -> Iterator[str]:
    """The entries of the header, last first: never more than `MOST_HOPS`, however long it is."""
    left = MOST_HOPS
    for value in reversed(values):
        entries = value.rsplit(",", left)[-left:]
        yield from reversed(entries)
        left -= len(entries)
        if left <= 0:
            return


def _address(text: str) -> _Address | None:
    """An address as proxies write it: bare, with a port, in brackets, with a zone. None if it is none."""
    text = text.strip(" \t")
    if len(text) > _LONGEST:
        return None
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or not (port == "" or _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        found = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return _unmapped(found)


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()


def _unmapped(address: _Address) -> _Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _network(text: str) -> _Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f'{text[:_LONGEST]!r} is no address and no network; write one like "192.0.2.1", "10.0.0.0/8" '
            '(no bits set to the right of the slash), "2001:db8::/32", or "unix"'
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} is everybody, and then anybody could claim any address; name your proxies")
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network
