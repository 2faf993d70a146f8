"""Ordered parallel work, with real threads."""

import threading
import time
from functools import partial
from itertools import count

import pytest

from airflow_provider_openesg.client.parallel import interleaved, ordered, read_ahead


class Work:
    """Tasks that end when they are released; records which were started."""

    def __init__(self):
        self.started: list[int] = []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, number, until=None):
        with self.lock:
            self.started.append(number)
            self.running += 1
            self.most = max(self.most, self.running)
        (until or threading.Event()).wait(5 if until else 0.001)
        with self.lock:
            self.running -= 1
        return number


def test_results_are_in_order():
    gates = [threading.Event() for _ in range(5)]
    gates[4].set()
    work = Work()

    def task(number):  # each ends after the next one
        work(number, gates[number + 1])
        gates[number].set()
        return number

    assert list(ordered((partial(task, n) for n in range(4)), 4)) == [0, 1, 2, 3]
    assert work.most == 4


def test_width_limits_running_and_waiting_tasks():
    work = Work()
    results = ordered((partial(work, n) for n in count()), 3)
    for number in range(10):
        assert next(results) == number
        time.sleep(0.01)
        assert len(work.started) <= number + 1 + 2 * 3
    results.close()
    assert work.most <= 3


def test_error_is_raised_in_order_and_ends_the_iterator():
    work = Work()

    def task(number):
        if number == 3:
            raise ValueError("three")
        return work(number)

    results = ordered((partial(task, n) for n in count()), 2)
    got = []
    with pytest.raises(ValueError, match="three"):
        got.extend(results)
    got.extend(results)
    assert got == [0, 1, 2]
    assert set(work.started) <= {0, 1, 2, 4, 5, 6}


def test_closed_iterator_leaves_no_thread():
    results = ordered((partial(Work(), n) for n in count()), 4)
    next(results)
    assert any(thread.name.startswith("openesg") for thread in threading.enumerate())
    results.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("openesg") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_task_starts_before_the_first_next():
    work = Work()
    ordered([partial(work, 1)], 2)
    assert work.started == []
    assert list(ordered([], 2)) == []


def test_finished_results_up_to_the_width_may_wait():
    work = Work()
    results = ordered((partial(work, n) for n in count()), 3)
    next(results)
    deadline = time.monotonic() + 5
    while len(work.started) < 1 + 2 * 3:  # none waits for the consumer to take the next one
        assert time.monotonic() < deadline
        time.sleep(0.01)
    results.close()


def test_sources_alternate_until_all_end():
    closed = []

    def source(*items):
        try:
            yield from items
        finally:
            closed.append(items)

    assert list(interleaved(source(1, 2, 3), source(), source("a"))) == [1, "a", 2, 3]
    closed.clear()
    results = interleaved(source(1, 2), source("a"))
    assert next(results) == 1
    results.close()
    assert closed == [(1, 2)]  # the other one was not started


def test_next_item_is_produced_while_one_is_in_use():
    made = [threading.Event() for _ in range(5)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    results = read_ahead(items(), 2)
    assert next(results) == 0
    assert made[2].wait(5)
    time.sleep(0.05)
    assert not made[3].is_set()
    assert list(results) == [1, 2, 3, 4]


def test_read_ahead_raises_errors_in_order_and_closes_its_source():
    closed = threading.Event()

    def items():
        try:
            yield 1
            raise ValueError("two")
        finally:
            closed.set()

    results = read_ahead(items(), 2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="two"):
        next(results)
    closed.clear()
    results = read_ahead(items(), 2)
    next(results)
    results.close()
    assert closed.wait(5)
