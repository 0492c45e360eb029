"""What is expected of each approach under each fault, written by hand, each exception with its reason.

Everything holds, that is loses nothing and doubles nothing, unless a rule of CANNOT says that it cannot, and why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labkit.faults import FAULTS, Fault

WINDOW = {"start": 7200.0, "duration": 1200.0}
"""20 minutes, two hours after the start."""
CASES: dict[str, dict[str, Any]] = {
    "outage:target=receiver": {"target": "receiver", **WINDOW},
    "outage:target=source": {"target": "source", **WINDOW},
    "outage:target=network": {"target": "network", **WINDOW},
    "nat": {"start": 0.0},
    "lost_request": {**WINDOW},
    "lost_answer": {**WINDOW},
    "slow_answer": {"seconds": 5.0},
    "dripping_answer": {**WINDOW},
    "incomplete_answer": {**WINDOW},
    "junk_answer": {**WINDOW},
    "status:status=503": {"status": 503, **WINDOW},
    "status:status=429": {"status": 429, "retry_after": 60, **WINDOW},
    "status:every=5": {"status": 503, "every": 5, "attempts": (1,), "kinds": ("delivery",)},
    "poison": {"events": ("evt_000010", "evt_000020", "evt_000030")},
    "disorder": {"seconds": 8.0, "every": 3, "attempts": (1,)},
    "delay": {"mean": 1.0, "start": 0.0},
    "handshake": {"trips": 3},
    "clock_skew": {"seconds": 600.0, **WINDOW},
    "late_commit": {"seconds": 45.0, "every": 3},
}
"""The instances of the faults. The name is the fault's own, and what tells its instances apart."""
SETTINGS: dict[str, dict[str, Any]] = {"relay": {"interval": 60.0}}
"""What an approach has in the matrix in place of its defaults: polls have 60 s, and so has the relay."""
RECOVERS: dict[str, dict[str, str]] = {
    "polling": {"poll": "next poll"},
    "feed": {"poll": "next poll"},
    "conditional_feed": {"poll": "next poll"},
    "aimd": {"poll": "next poll"},
    "halve_double": {"poll": "next poll"},
    "long_polling": {"poll": "next poll"},
    "on_demand": {"poll": "next read"},
    "stream": {"poll": "resume by Last-Event-ID"},
    "fake_stream": {"poll": "resume by Last-Event-ID"},
    "websocket": {"poll": "resume by cursor"},
    "webhook": {"delivery": "retry"},
    "thin": {"delivery": "retry", "fetch": "retry"},
    "batched": {"delivery": "retry"},
    "leased": {"delivery": "retry"},
    "relay": {"poll": "retry, next poll"},
    "hybrid": {"delivery": "retry", "poll": "reconciliation"},
    "doorbell": {"fetch": "next notice", "poll": "reconciliation"},
}
"""What brings an event late, by the kind of exchange that brought it."""
UNRECONCILED = ("webhook", "thin", "batched", "relay", "leased")
"""Approaches that the source calls and that never ask it: what is a dead letter is lost."""
NO_RETRY = ("github", "gitlab")
TOO_SHORT = ("github", "gitlab", "slack", "twilio")
DROPS_STATUS = (*TOO_SHORT, "brevo")
LONG = ("standard_webhooks", "svix", "shopify", "adyen", "square", "convoy", "outpost")
"""Senders that retry for longer than 20 minutes after every status. Brevo does so after some statuses."""
SENDERS = (*LONG, "brevo", *TOO_SHORT)
ANY: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cannot:
    """These approaches lose events in these cases, under these profiles (all if empty), by nature."""

    cases: tuple[str, ...]
    approaches: tuple[str, ...]
    profiles: tuple[str, ...]
    reason: str


_SHORT = "the source's retries end before the 20 minutes do, and nothing asks it afterwards"
_DROPS = "the source does not retry after this status, or its retries end too early; nothing asks it afterwards"
CANNOT: tuple[Cannot, ...] = (
    Cannot(("outage:target=receiver", "outage:target=source", "outage:target=network", "lost_request",
            "status:status=429"), UNRECONCILED, TOO_SHORT, _SHORT),
    Cannot(("status:status=503", "clock_skew"), UNRECONCILED, DROPS_STATUS, _DROPS),
    Cannot(("nat",), ("webhook", "thin", "batched", "leased"), ANY,
           "a consumer behind NAT cannot be called, however often the source tries"),
    Cannot(("status:every=5",), UNRECONCILED, (*NO_RETRY, "brevo"),
           "the source does not retry after a 503, and nothing asks it afterwards"),
    Cannot(("poison",), UNRECONCILED, ANY, "the handler fails at each attempt, until the event is a dead letter"),
    Cannot(("lost_answer", "incomplete_answer"), ("thin",), TOO_SHORT,
           f"the fetch fails like a poll, so the event has not arrived; {_SHORT}"),
    Cannot(("slow_answer",), ("thin",), ("gitlab",),
           "fetch and answer take 5 s each, over the timeout of 10 s: after 4 failures the endpoint is off"),
    Cannot(("slow_answer",), UNRECONCILED, ("shopify",),
           "an answer takes 5 s, as long as the timeout: after 3 h 58 min without a success the endpoint is off"),
    Cannot(("junk_answer",), ("thin",), DROPS_STATUS,
           f"the fetch fails, so the receiver answers 503; {_DROPS}"),
)  # fmt: skip


def faults_of(case: str) -> tuple[Fault, ...]:
    """The fault of a case."""
    return (FAULTS[case.partition(":")[0]](**CASES[case]),)


def reason_why_not(case: str, approach: str, profile: str) -> str:
    """Why an approach cannot hold in a case under a profile; "" if it should hold."""
    for rule in CANNOT:
        if case in rule.cases and approach in rule.approaches and (not rule.profiles or profile in rule.profiles):
            return rule.reason
    return ""


def check_known(
    approaches: Iterable[str], faults: Iterable[str] = tuple(FAULTS), senders: Iterable[str] = SENDERS
) -> None:
    """Raise ValueError that names what the table lacks, and where to add it."""
    where = "labkit/verdicts/expected.py"
    for name in approaches:
        if name not in RECOVERS:
            raise ValueError(
                f"no expected verdict for the approach {name!r}: in {where}, add what brings its late events to"
                " RECOVERS, and to CANNOT in which cases it loses events, each with the reason"
            )
    for name in faults:
        if name not in {case.partition(":")[0] for case in CASES}:
            raise ValueError(
                f"no expected verdict for the fault {name!r}: in {where}, add an instance of it to CASES, and to CANNOT"
                " which approaches lose events under it, each with the reason"
            )
    for name in senders:
        if name not in SENDERS:
            raise ValueError(
                f"no expected verdicts for the retries {name!r}; there are for: {', '.join(SENDERS)}; to add a sender,"
                f" put it into LONG or TOO_SHORT in {where}, and into CANNOT what else it loses"
            )
