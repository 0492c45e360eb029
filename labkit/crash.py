"""Crash points: a test names one in the environment, and the process is killed there. Otherwise they do nothing."""

import os
import signal

VARIABLE = "LABKIT_CRASH_AT"
_crash_at = os.environ.get(VARIABLE)


def crash_point(name: str) -> None:
    """Kill this process here, as `kill -9` does, if it was started with `LABKIT_CRASH_AT=name`."""
    if _crash_at == name:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
