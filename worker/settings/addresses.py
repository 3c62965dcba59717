"""E-mail addresses, as email-validator reads them: syntax and IDN here, DNS only where `check --dns` asks for it."""

from email_validator import EmailNotValidError, validate_email

PLACEHOLDERS = ("example", "invalid", "example.com", "example.net", "example.org", "localhost")
"""Domains that nobody can be reached under (RFC 2606, RFC 6761)."""


def address(text: str, *, allow_test_domains: bool = False) -> str:
    """The address normalised, its domain in ASCII where the local part is ASCII too.

    Raises ValueError that says what is wrong. `.test` domains pass only with `allow_test_domains`.
    """
    try:
        found = validate_email(text, check_deliverability=False, test_environment=allow_test_domains)
    except EmailNotValidError as exc:
        # Its text may repeat the address's domain, never the person before the @.
        raise ValueError(f"not a usable e-mail address: {exc}") from exc
    return found.ascii_email or found.normalized


def domain_of(mailbox: str) -> str:
    """The part after the @, lower case."""
    return mailbox.rpartition("@")[2].lower()


def is_placeholder(domain: str, *, allow_test_domains: bool = False) -> bool:
    """Whether this domain stands for one that somebody still has to fill in."""
    domain = domain.lower().rstrip(".")
    names = PLACEHOLDERS if allow_test_domains else (*PLACEHOLDERS, "test")
    return any(domain == name or domain.endswith(f".{name}") for name in names)
