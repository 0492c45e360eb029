"""Which addresses may be called: checked after the name is resolved, on the address that is connected to."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from threading import BoundedSemaphore

from labkit.clock import monotonic
from labkit.process import with_deadline

MOST_LOOKUPS = 50
"""How many names are looked up at once; further ones wait, within their own deadline."""
_LOOKUPS = BoundedSemaphore(MOST_LOOKUPS)
LOOKUP_SECONDS = 5.0
"""How long the system's resolver may take for a name; its own limit can be minutes."""

_NOT_PUBLIC = [
    IPv4Network("192.0.0.0/24"),  # protocol assignments, on which Python's versions disagree
    IPv4Network("192.88.99.0/24"),  # once the relays of 6to4
    IPv4Network("168.63.129.16/32"),  # a public number that stands for the platform inside Azure's machines
]


class ForbiddenError(OSError):
    """An address that may not be called. The message names the host, its address and the reason."""


@dataclass(frozen=True)
class Egress:
    """Loopback addresses may be called, and what is opened here.

    `public` opens the addresses of the public internet: not private, shared, link-local or reserved ones, and loopback
    only where the host is written as such. `hosts` opens names, whatever address they resolve to, and addresses.
    `loopback=False` closes loopback, for a source that other machines may use.

    >>> Egress().resolve("0x7f.1", 80)
    '127.0.0.1'
    >>> Egress(public=True).resolve("169.254.169.254", 80)
    Traceback (most recent call last):
    labkit.network.egress.ForbiddenError: 169.254.169.254 is 169.254.169.254, which is neither loopback nor public
    """

    public: bool = False
    hosts: tuple[str, ...] = ()
    loopback: bool = True

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not re.fullmatch("[a-z0-9._-]+", host):
                raise ValueError(f"hosts must be lower-case names or IPv4 addresses such as 10.0.0.5, got {host!r}")

    def resolve(self, host: str, port: int, within: float = LOOKUP_SECONDS) -> str:
        """The IPv4 address of a host, if each that it has may be called.

        Raises ForbiddenError if one may not, and OSError if it has none, or if none is found in `within` seconds.
        IPv6 is refused, and so are the addresses of IPv4 that it can hold: `::ffff:7f00:1`, `64:ff9b::7f00:1`,
        `2002:7f00:1::`.
        """
        if ":" in host:
            raise ForbiddenError(f"{host} is an IPv6 address: only IPv4 is supported")
        try:
            addresses = _look_up(host, port) if _is_address(host) else _look_up_name(host, port, within)
        except TimeoutError:
            raise OSError(f"{host} has no IPv4 address: the name server did not answer within {within:g} s") from None
        except (OSError, UnicodeError) as error:
            raise OSError(f"{host} has no IPv4 address: {error}") from None
        for address in addresses:
            if reason := self._why_not(host, address):
                raise ForbiddenError(f"{host} is {address}, which is {reason}")
        return addresses[0]

    def _why_not(self, host: str, address: str) -> str:
        number = IPv4Address(address)
        if {host.lower().rstrip("."), address} & set(self.hosts):
            return ""
        if number.is_loopback and not self.loopback:
            return "loopback, closed while other machines may call the source: open it by --allow"
        if not self.public:
            return "" if number.is_loopback else "not loopback: only loopback may be called"
        if number.is_loopback:  # a public name that stands for it is an attack on this machine
            return "" if host == "localhost" or _is_address(host) else "loopback, under a name that is not localhost"
        return "" if is_public(number) else "neither loopback nor public"


def is_public(address: IPv4Address) -> bool:
    """Whether an address is one of the public internet.

    >>> [is_public(IPv4Address(each)) for each in ("8.8.8.8", "100.64.0.1", "224.0.0.1")]
    [True, False, False]
    """
    special = address.is_multicast or address.is_reserved or any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not special


def _look_up_name(host: str, port: int, within: float) -> list[str]:
    """`_look_up` in a thread, since the system's resolver takes no deadline; TimeoutError if all threads are busy."""
    until = monotonic() + within
    if not _LOOKUPS.acquire(timeout=max(0.0, within)):
        raise TimeoutError

    def look_up() -> list[str]:
        try:
            return _look_up(host, port)
        finally:
            _LOOKUPS.release()

    return with_deadline(max(0.0, until - monotonic()), look_up)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def _is_address(host: str) -> bool:
    """Whether a host is written as an address, in any of its forms: 127.1, 0x7f.1, 017700000001."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
