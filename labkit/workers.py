"""Jobs in the workers of an executor, or one after another in this process."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

MOST_WAITING = 500
"""The jobs that an executor holds at a time. A week of events is 0.3 MB, and a cluster's scheduler keeps each job."""


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
        for future in waiting:
            future.cancel()


@contextmanager
def own_workers(count: int) -> Iterator[Executor]:
    """Processes of this machine, ended afterwards; classes defined in a notebook can be sent to them."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, initializer=_ignore_interrupt)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _ignore_interrupt() -> None:
    """Ctrl-C goes to every process of a terminal; the parent decides what happens to its workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
