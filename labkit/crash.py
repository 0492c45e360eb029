"""Crash points: a test names one in the environment, and the process is killed there. Otherwise they do nothing."""

import os
import signal

VARIABLE = "LABKIT_CRASH_AT"


def crash_point(name: str) -> None:
    """Kill this process here, as `kill -9` does, if the environment has `LABKIT_CRASH_AT=name`."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
