"""Whether a URL can be an endpoint: by its text, and by the address of its host, which is checked again when called."""

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from urllib.parse import urlsplit

import httpx

_EVERY = ("127.0.0.1", "0.0.0.0")
"""The SERVER_NAME of a server that listens on every address of its machine: of the lab's, and of others."""


def check_endpoint(url: str, own: str, listens: tuple[str, int], address: Callable[[str, int], str]) -> None:
    """Raise ValueError unless a URL can be an endpoint: http(s), with a host, and read alike by every parser.

    `own` is the source's own URL as the client wrote it. `listens` is the address and port on which its server listens
    (WSGI's SERVER_NAME and SERVER_PORT). Neither can be an endpoint, however it is written. `address(host, port)` is
    the network's: it raises OSError for a host that may not be called.
    """
    if reason := _why_not(url) or _why_not_called(_origin(url), _origin(own), listens, address):
        raise ValueError(f"url {url[:200]!r} cannot be an endpoint: {reason}")


def _why_not(url: str) -> str:
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return "it has a space, a control character or one outside ASCII"
    try:
        parts = urlsplit(url)
        host, port = _origin(url)
        _ = httpx.URL(url).host  # the client that will call it must be able to read it too
    except (ValueError, httpx.InvalidURL) as error:
        return str(error)
    reasons = {
        "it must start with http:// or https://": parts.scheme not in ("http", "https"),
        "it names no host": not host,
        "port 0 cannot be called": port == 0,
        "it carries a user name": "@" in parts.netloc,
        "it carries a fragment": "#" in url,
        f"{host!r} is not a host name or address": not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host),
        "a host name has at most 253 characters, 63 between two dots": bool(re.search(".{254}|[^.]{64}", host)),
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def _why_not_called(
    origin: tuple[str, int], own: tuple[str, int], listens: tuple[str, int], address: Callable[[str, int], str]
) -> str:
    itself = "it is the source itself"
    try:
        found = address(*origin)
    except OSError as error:
        return str(error)
    if origin[1] == listens[1] and (found == listens[0] or (listens[0] in _EVERY and _is_local(found))):
        return itself
    with suppress(OSError):  # the source may be called under an address that it may not call itself
        if origin == own or (origin[1] == own[1] and found == address(*own)):
            return itself
    return ""


def _is_local(address: str) -> bool:
    """Whether a text is an IPv4 address of this machine: one that a socket can be bound to.

    >>> [_is_local(each) for each in ("127.0.0.1", "127.9.9.9", "8.8.8.8", "localhost")]
    [True, True, False, False]
    """
    try:
        loopback = IPv4Address(address).is_loopback
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if not loopback:  # all of 127/8 is this machine, also where a system binds 127.0.0.1 only
                probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True


def _origin(url: str) -> tuple[str, int]:
    """Host and port in one spelling: lower case, no final dot, the scheme's default port if none is given."""
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return (parts.hostname or "").rstrip("."), default if parts.port is None else parts.port
