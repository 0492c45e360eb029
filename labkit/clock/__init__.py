"""Time for all of labkit: the same calls on a simulated clock and on the machine's.

|                       | `VirtualClock`                     | `RealClock`                      |
|-----------------------|------------------------------------|----------------------------------|
| a task is             | a greenlet                         | a thread                         |
| `sleep(60)`           | returns at once: the clock jumps   | takes 60 s                       |
| due at one instant    | first come, first served           | in any order                     |
| time is read from     | a count of whole nanoseconds       | `time.perf_counter()`            |
| `epoch`               | given, such as the date of a trace | the machine's date, unless given |
| a wait without an end | RuntimeError: deadlock             | waits for ever                   |
"""

from labkit.clock.real import RealClock, RealCondition, Stopped, monotonic, resolution
from labkit.clock.virtual import NANO, VirtualClock, VirtualCondition, nanoseconds

__all__ = ["NANO", "Clock", "Condition", "RealClock", "Stopped", "VirtualClock",
           "monotonic", "nanoseconds", "resolution"]  # fmt: skip

Clock = VirtualClock | RealClock
"""What client, source and receiver code uses. Instants are float seconds since t = 0, the Unix time `epoch`."""
Condition = VirtualCondition | RealCondition
"""A place to wait for another task's notification. Check and wait under `with condition:`."""
