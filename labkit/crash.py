"""Places at which a test may have the process killed: off unless the environment asks for one by name."""

import os
import signal

VARIABLE = "LABKIT_CRASH_AT"


def crash_point(name: str) -> None:
    """Kill this process here, as `kill -9` would, if the environment says `LABKIT_CRASH_AT=name`."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
