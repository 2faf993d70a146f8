"""Many calls at once, their results in order: what pages and detail calls are fetched with."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")


def ordered(tasks: Iterable[Callable[[], T]], width: int) -> Generator[T]:
    """Run ``tasks`` in threads and give their results in the order of the tasks.

    :param tasks: taken one by one as room is made, so it may be endless.
    :param width: how many are under way or wait, done, to be taken: the bound on threads and on results held.
    :raises Exception: a task's own error, in its turn; what was not begun then never runs. So it is where the generator
        is closed early.
    """
    remaining = iter(tasks)
    pool = ThreadPoolExecutor(width, thread_name_prefix="openesg")
    try:
        waiting: deque[Future[T]] = deque(pool.submit(task) for task in islice(remaining, width))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(task) for task in islice(remaining, 1))
            yield result
    finally:
        # Not waited for: a call that is in the middle of its retries could take minutes, and its result is of no use.
        pool.shutdown(wait=False, cancel_futures=True)
