"""Where the operators' pages are: with the pages for supporters, or at an address of their own."""

from urllib.parse import urlsplit

from worker.settings import Home, is_loopback

PREFIX = "/ops"


def own_address(home: Home) -> tuple[str, int] | None:
    """The host and port of their own, None where they are served with the others."""
    ops = home.settings.ops
    return (ops.host, ops.port) if ops.host and ops.port else None


def url_of(home: Home) -> str:
    """Their public address without a slash at its end: what Host and Origin are held against."""
    if home.settings.ops.url:
        return home.settings.ops.url
    own = own_address(home)
    if own is None:
        return home.settings.base_url
    host = f"[{own[0]}]" if ":" in own[0] else own[0]
    return f"http://{host}:{own[1]}"


def is_private(url: str, host: str) -> bool:
    """Whether nobody on the way can read along: https, or this machine. `host` is the request's Host header."""
    return url.startswith("https://") or is_loopback(urlsplit(f"//{host}").hostname or "")


def is_secure(url: str, host: str) -> bool:
    """Whether a cookie is to be Secure: the address is https, and was not reached over this machine's loopback."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    return url.startswith("https://") and not is_loopback(name)
