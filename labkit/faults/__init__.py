"""What breaks, where and when: each fault is a frozen record, with the same effect on every clock."""

from labkit.faults.fault import SOURCE, Exchange, Fault, Onward
from labkit.faults.lost import LostAnswer
from labkit.faults.status import Status
from labkit.faults.unreachable import Nat, Outage

__all__ = ["FAULTS", "SOURCE", "Exchange", "Fault", "LostAnswer", "Nat", "Onward", "Outage", "Status"]

FAULTS: dict[str, type[Fault]] = {fault.name: fault for fault in (Nat, Outage, LostAnswer, Status)}
"""The faults by their names on the command line."""
