"""Sign a message and verify one: Standard Webhooks 1.0.0 by functions, and other senders' schemes by their names."""

from labkit.signature.github import GitHub
from labkit.signature.keyring import Keyring
from labkit.signature.scheme import Headers, Part, Scheme, SignatureError
from labkit.signature.slack import Slack
from labkit.signature.standard import StandardWebhooks, headers, key, new_secret, sign, verify
from labkit.signature.stripe import Stripe

__all__ = [
    "SCHEMES", "STANDARD", "GitHub", "Headers", "Keyring", "Part", "Scheme", "SignatureError", "Slack",
    "StandardWebhooks", "Stripe", "headers", "key", "new_secret", "sign", "verify",
]  # fmt: skip

STANDARD = StandardWebhooks()
SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (STANDARD, GitHub(), Stripe(), Slack())}
"""The schemes by their names on the command line."""
