"""Whether a URL can be an endpoint, as far as its text tells."""

import re
from urllib.parse import urlsplit

import httpx


def check_endpoint(url: str, own: str) -> None:
    """Whether a URL can be an endpoint: http(s), with a host, and nothing that could hide another meaning.

    Raises ValueError that names the URL.
    """
    reason = _why_not(url, own)
    if reason:
        raise ValueError(f"url {url[:200]!r} cannot be an endpoint: {reason}")


def _why_not(url: str, own: str) -> str:
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return "it has a space, a control character or one outside ASCII"
    try:
        parts = urlsplit(url)
        host, port = _origin(url)
        _ = httpx.URL(url).host  # who will call it must be able to read it too
    except (ValueError, httpx.InvalidURL) as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it must start with http:// or https://"
    if not host:
        return "it names no host"
    if port == 0:
        return "port 0 cannot be called"
    if "@" in parts.netloc:
        return "it carries a user name"
    if "#" in url:
        return "it carries a fragment"
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        return f"{host!r} is no host's name or address"
    if (host, port) == _origin(own):
        return "it is the source itself"
    return ""


def _origin(url: str) -> tuple[str, int]:
    """Host and port, in one spelling: lower case, no final dot, the scheme's own port if none is given."""
    parts = urlsplit(url)
    port = parts.port
    return (parts.hostname or "").rstrip("."), (443 if parts.scheme == "https" else 80) if port is None else port
