"""Run tasks in threads and yield their results in order: used for pages and for single records."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")


def ordered(tasks: Iterable[Callable[[], T]], width: int) -> Generator[T]:
    """Run ``tasks`` in threads and yield their results in the order of the tasks.

    No new task is started after a task has failed, or after the generator is closed.

    :param tasks: functions; taken one by one when a thread is free, so the iterable may be endless.
    :param width: number of tasks that run at the same time. As many finished results may wait, so that threads do not
        stop while the caller uses a result.
    :raises Exception: if a task raises; at the position of its result.
    """

    def result_of(task: Callable[[], T]) -> Callable[[], T]:
        result = task()
        return lambda: result

    return ordered_and_started((partial(result_of, task) for task in tasks), width, 0)


def ordered_and_started(tasks: Iterable[Callable[[], Callable[[], T]]], width: int, ahead: int) -> Generator[T]:
    """Run ``tasks`` as :func:`ordered` does. Their results are functions, which the caller's thread calls in order.

    :param ahead: number of further received results whose function is called in advance.
    :return: what these functions return.
    """
    remaining = iter(tasks)
    pool = ThreadPoolExecutor(width, thread_name_prefix="openesg")
    try:
        waiting: deque[Future[Callable[[], T]]] = deque(pool.submit(task) for task in islice(remaining, 2 * width))
        started: deque[T] = deque()
        while waiting or started:
            if not started:
                started.append(waiting.popleft().result()())
            while len(started) <= ahead and waiting and waiting[0].done() and waiting[0].exception() is None:
                started.append(waiting.popleft().result()())
            waiting.extend(pool.submit(task) for task in islice(remaining, 1))
            yield started.popleft()
    finally:
        # Do not wait: a request that is being retried could take minutes, and its result is not needed.
        pool.shutdown(wait=False, cancel_futures=True)


def interleaved(*sources: Generator[T]) -> Generator[T]:
    """Yield one item of each source in rotation until all sources are exhausted.

    Requests of one source continue in its threads while an item of another source is used.
    """
    with ExitStack() as stack:
        remaining = deque(stack.enter_context(closing(source)) for source in sources)
        while remaining:
            source = remaining.popleft()
            for item in source:
                yield item
                remaining.append(source)
                break


def read_ahead(items: Generator[T], most: int) -> Generator[T]:
    """Yield ``items``; a thread produces the next ones while the caller uses one.

    :param most: number of items that are produced before the caller requests them.
    :raises Exception: if producing an item raises; at the position of the item.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="openesg-read-ahead")
    end = object()
    upcoming = deque(pool.submit(next, items, end) for _ in range(most))
    try:
        while (item := upcoming.popleft().result()) is not end:
            upcoming.append(pool.submit(next, items, end))
            yield cast("T", item)
    finally:
        # The thread that runs the generator also closes it. Do not wait for it, for the reason given above.
        for each in upcoming:
            each.cancel()
        pool.submit(items.close)
        pool.shutdown(wait=False)
