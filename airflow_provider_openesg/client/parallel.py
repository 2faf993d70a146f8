"""Many calls at once, their results in order: what pages and detail calls are fetched with."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")


def ordered(tasks: Iterable[Callable[[], T]], width: int) -> Generator[T]:
    """Run ``tasks`` in threads and give their results in the order of the tasks.

    :param tasks: taken one by one as room is made, so it may be endless.
    :param width: how many are under way at most; as many again may wait, done, so that none is late to begin while
        results are put to use.
    :raises Exception: a task's own error, in its turn; what was not begun then never runs. So it is where the generator
        is closed early.
    """
    remaining = iter(tasks)
    pool = ThreadPoolExecutor(width, thread_name_prefix="openesg")
    try:
        waiting: deque[Future[T]] = deque(pool.submit(task) for task in islice(remaining, 2 * width))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(task) for task in islice(remaining, 1))
            yield result
    finally:
        # Not waited for: a call that is in the middle of its retries could take minutes, and its result is of no use.
        pool.shutdown(wait=False, cancel_futures=True)


def in_turn(*sources: Generator[T]) -> Generator[T]:
    """Give an item of each source in turn, until all are at their ends: what one has to wait for goes on meanwhile."""
    with ExitStack() as opened:
        remaining = deque(opened.enter_context(closing(source)) for source in sources)
        while remaining:
            source = remaining.popleft()
            for item in source:
                yield item
                remaining.append(source)
                break


def ahead(items: Generator[T], most: int) -> Generator[T]:
    """Give ``items``, the next of them being made in a thread while one is in use.

    :param most: how many may be made before they are asked for: as many as are made while the slowest use goes on.
    :raises Exception: what making an item raises, in its turn.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-ahead")
    end = object()
    upcoming = deque(pool.submit(next, items, end) for _ in range(most))
    try:
        while (item := upcoming.popleft().result()) is not end:
            upcoming.append(pool.submit(next, items, end))
            yield cast("T", item)
    finally:
        # By the thread that runs them, when it comes to that; not waited for, as above.
        for each in upcoming:
            each.cancel()
        pool.submit(items.close)
        pool.shutdown(wait=False)
