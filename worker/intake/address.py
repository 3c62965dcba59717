"""E-mail addresses: which are taken, how one is written on the envelope, and its canonical form.

Syntax is email-validator's (RFC 5321, 5322 without quoted local parts, comments, display names and address literals;
RFC 6531 for other scripts; IDNA 2008). Nothing is asked of the DNS. Parts are checked apart, so that a domain
that thousands of signers share is checked once.

The **canonical form, version 1** (`CANONICAL`), by which two addresses are held to be one person's:

1. the local part in NFC and lower case. RFC 5321, 2.4 lets a host tell `Ada` from `ada`; hosts in use do not;
2. `@`;
3. the domain after the NFKC mapping of UTS #46, in lower case, as A-labels (RFC 5890).

Nothing else: dots and `+tags` of particular providers are not removed. Two people must never become one by a guess of
ours; one person who signs under two addresses counts twice. A change of these rules gets a new number.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

CANONICAL = 1
"""The version of the canonical form: stored with each signer."""

LONGEST = 254
"""Octets of an address (RFC 5321, 4.5.3.1.3, less the angle brackets of a path)."""

_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LOCAL_LONGEST = 64  # octets, RFC 5321, 4.5.3.1.1
_NOBODYS = frozenset({"arpa", "local", "localhost", "onion"})  # RFC 6761, 6762, 7686: no mail leaves for them
_RESERVED = frozenset({"example", "invalid", "test"})  # RFC 2606
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
_RESERVED_SECOND = frozenset({"example.com", "example.net", "example.org"})


class NotAnAddress(ValueError):
    """The message says what is wrong without repeating the address."""


@dataclass(frozen=True, slots=True)
class Domains:
    """Which of the reserved names of RFC 2606 are taken."""

    reserved: frozenset[str]
    examples: bool  # example.com, .net, .org


REHEARSAL = Domains(_RESERVED, examples=True)
LIVE = Domains(frozenset(), examples=False)
LIVE_TRIAL = Domains(frozenset({"test"}), examples=False)
"""Live mode with `allow_test_domains`."""


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """`envelope` is what SMTP is given (the domain as A-labels); `canonical` is never written to anybody."""

    envelope: str
    canonical: str


def mailbox_of(canonical: str) -> str:
    """The mailbox that mail to this address most likely ends in: without `+tag`, and without dots where Google has it.

    A guess, good enough to count forms by, so that one mailbox is not filled under many spellings. Never an identity.
    """
    local, _, domain = canonical.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def read_address(text: str, domains: Domains) -> Address:
    """Validate `text`. Raises `NotAnAddress`."""
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise NotAnAddress("there must be something before and after one @")
    if len(text) > LONGEST:
        raise NotAnAddress(f"it is longer than {LONGEST} characters")
    local, ascii_domain = _local(local), _domain(domain, domains)
    envelope = f"{local}@{ascii_domain}"
    if len(envelope.encode()) > LONGEST:
        raise NotAnAddress(f"it is longer than {LONGEST} bytes")
    canonical_local = unicodedata.normalize("NFC", local.lower())
    return Address(envelope, f"{canonical_local}@{ascii_domain.lower()}")


def _local(local: str) -> str:
    if len(local.encode(errors="replace")) > _LOCAL_LONGEST:
        raise NotAnAddress("the part before the @ is too long")
    if _PLAIN_LOCAL.match(local):
        return local
    try:
        return validate_email(f"{local}@domain.test", check_deliverability=False, test_environment=True).local_part
    except (EmailNotValidError, UnicodeError) as exc:
        raise NotAnAddress(
            "the part before the @ has characters that an address cannot have (no spaces, quotes, brackets or commas)"
        ) from exc


@lru_cache(maxsize=20_000)
def _domain(domain: str, domains: Domains) -> str:
    ascii_domain = _ascii_domain(domain)
    labels = ascii_domain.split(".")
    reserved = labels[-1] in _RESERVED and labels[-1] not in domains.reserved
    example = ".".join(labels[-2:]) in _RESERVED_SECOND and not domains.examples
    if labels[-1] in _NOBODYS or reserved or example:
        raise NotAnAddress("no mail can be sent to its domain, which is reserved for other uses")
    return ascii_domain


def _ascii_domain(domain: str) -> str:
    """The A-labels. `.invalid` is read as `.test`: email-validator refuses the one, and can be told to take the other."""
    name, _, last = domain.rpartition(".")
    invalid = unicodedata.normalize("NFKC", last).lower() == "invalid"
    try:
        found = validate_email(
            f"a@{name}.test" if invalid else f"a@{domain}",
            check_deliverability=False,
            test_environment=True,
        )
    except (EmailNotValidError, UnicodeError) as exc:
        raise NotAnAddress("what follows the @ is not the name of a domain") from exc
    ascii_domain = str(found.ascii_domain).lower()
    if "." not in ascii_domain:
        raise NotAnAddress("the domain after the @ has no dot")
    return ascii_domain.removesuffix("test") + "invalid" if invalid else ascii_domain
