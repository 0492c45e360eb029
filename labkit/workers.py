"""Jobs in the workers of an executor, or one after another in this process."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import Any, TypeVar

from labkit.process import when_parent_dies

T = TypeVar("T")

MOST_WAITING = 500
"""The jobs that an executor holds at a time. A week of events is 0.3 MB, and a cluster's scheduler keeps each job."""


class OwnWorkers(Executor):
    """Processes of this machine, which end with this one; classes defined in a notebook can be sent to them."""

    def __init__(self, count: int) -> None:
        from loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(count, initializer=_as_worker, initargs=(os.getpid(),))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = self._pool.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=True, kill_workers=True)


def finished(
    work: Callable[..., T], jobs: Iterable[tuple[Any, ...]], executor: Executor | None
) -> Iterator[tuple[int, Future[T]]]:
    """The number of each job, from 0, with the future of `work(*job)`, as it finishes. No executor: it runs here."""
    numbered, waiting = enumerate(jobs), dict[Future[T], int]()
    if executor is None:
        for number, job in numbered:
            future = Future[T]()
            try:
                future.set_result(work(*job))
            except Exception as error:
                future.set_exception(error)
            yield number, future
        return
    try:
        while True:
            for number, job in islice(numbered, MOST_WAITING - len(waiting)):
                waiting[executor.submit(work, *job)] = number
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future
    finally:
        if not isinstance(executor, OwnWorkers):  # whose shutdown ends its jobs, and stumbles over cancelled ones
            for future in waiting:
                future.cancel()


def _as_worker(parent: int) -> None:
    """Leave Ctrl-C, which goes to every process of a terminal, to the parent; end when the parent has been killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    when_parent_dies(parent, lambda: os._exit(1))
