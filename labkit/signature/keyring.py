"""The secrets of one subscription, of which all but the newest expire."""

from dataclasses import dataclass, field

from labkit.signature.scheme import SignatureError
from labkit.signature.steps import MOST_SIGNATURES


@dataclass(frozen=True)
class Keyring:
    """The newest secret, and earlier ones, each with the instant at which it expires. None of them shows in the repr.

    An instant and a duration are whole numbers in any one unit; the source's are nanoseconds.

    >>> ring = Keyring("old").rotated("new", now=100, grace=60)
    >>> ring.valid(159), ring.valid(160)
    (['new', 'old'], ['new'])
    """

    newest: str = field(repr=False)
    earlier: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    def valid(self, now: int) -> list[str]:
        """The secrets that sign at an instant, newest first."""
        return [self.newest, *(secret for secret, expires_at in self.earlier if now < expires_at)]

    def rotated(self, secret: str, now: int, grace: int) -> "Keyring":
        """The keyring with a new secret. The earlier ones sign for `grace` longer, or for what is left of theirs.

        With a grace of 0 none of them signs any more. Raises SignatureError if the secret is one of them, or if more
        would be valid than a message can have signatures.
        """
        end = now + grace
        earlier = [(self.newest, end), *((each, min(end, expires)) for each, expires in self.earlier)]
        kept = tuple((each, expires) for each, expires in earlier if now < expires)
        if secret in [each for each, _ in earlier]:
            raise SignatureError("secret must be a new one, got one that this subscription has had")
        if len(kept) >= MOST_SIGNATURES:
            raise SignatureError(f"at most {MOST_SIGNATURES} secrets can be valid at once, got {len(kept) + 1}")
        return Keyring(secret, kept)
