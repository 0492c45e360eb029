"""What breaks, where and when: each fault is a frozen record, with the same effect on every clock."""

from labkit.faults.broken import IncompleteAnswer, JunkAnswer
from labkit.faults.delay import Delay, Handshake
from labkit.faults.fault import SOURCE, Exchange, Fault, Onward, Rewrite
from labkit.faults.late import Disorder, DrippingAnswer, SlowAnswer
from labkit.faults.lost import LostAnswer, LostRequest
from labkit.faults.status import Poison, Status
from labkit.faults.unreachable import Nat, Outage
from labkit.faults.world import ClockSkew, LateCommit

__all__ = [
    "FAULTS", "SOURCE", "ClockSkew", "Delay", "Disorder", "DrippingAnswer", "Exchange", "Fault", "Handshake",
    "IncompleteAnswer", "JunkAnswer", "LateCommit", "LostAnswer", "LostRequest", "Nat", "Onward", "Outage", "Poison",
    "Rewrite", "SlowAnswer", "Status",
]  # fmt: skip

FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        Outage, Nat, LostRequest, LostAnswer, SlowAnswer, DrippingAnswer, IncompleteAnswer, JunkAnswer, Status, Poison,
        Disorder, Delay, Handshake, ClockSkew, LateCommit,
    )
}  # fmt: skip
"""The faults by their names on the command line."""
