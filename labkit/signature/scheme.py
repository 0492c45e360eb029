"""What a signature scheme is, and the one exception that it raises."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Protocol

Part = Literal["id", "type", "time"]
"""What a message says beside its body: which event it is, of which type, and when this attempt was sent."""


class SignatureError(ValueError):
    """Says why a secret, an id, a timestamp or a signature is refused. It never shows a secret."""


class Headers(Protocol):
    """What a dict, Flask's headers and httpx's headers have in common."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class Scheme(Protocol):
    """How a sender signs a message, and how a receiver verifies it. `secrets`: one, or several while keys rotate.

    `check`, `headers` and `verify` raise SignatureError, and no other exception, whatever they are given.
    """

    name: ClassVar[str]
    """Its name on the command line."""
    unsigned: ClassVar[tuple[Part, ...]]
    """What of a message the signature does not cover: whoever has recorded a message can change it."""

    def check(self, secret: str) -> object:
        """Refuse a text that cannot be a secret of this scheme."""

    def headers(self, secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The headers of a signed message. `timestamp` is the Unix time of the attempt, in whole seconds."""

    def verify(
        self, secrets: str | Sequence[str], headers: Headers, body: bytes, now: float, tolerance: float = 300
    ) -> str:
        """Return the id in the headers, "" if the scheme has none there, of a message that one of the secrets signed.

        Where the scheme signs a time, it is at most `tolerance` seconds from `now`, which is Unix time.
        """

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        """A verified message's id, and its document as an event: id, type, timestamp and data.

        Raises ValueError if the document is not what this sender sends.
        """
