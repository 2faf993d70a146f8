"""Ordered parallel work, with real threads."""

import threading
import time
from functools import partial
from itertools import count

import pytest

from airflow_provider_openesg.client.parallel import interleaved, ordered, read_ahead


class Work:
    """Tasks that are done when they are released, and what of them was begun."""

    def __init__(self):
        self.begun: list[int] = []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, number, until=None):
        with self.lock:
            self.begun.append(number)
            self.running += 1
            self.most = max(self.most, self.running)
        (until or threading.Event()).wait(5 if until else 0.001)
        with self.lock:
            self.running -= 1
        return number


def test_results_come_in_order_whichever_is_done_first():
    gates = [threading.Event() for _ in range(5)]
    gates[4].set()
    work = Work()

    def task(number):  # each is done once the one after it is
        work(number, gates[number + 1])
        gates[number].set()
        return number

    assert list(ordered((partial(task, n) for n in range(4)), 4)) == [0, 1, 2, 3]
    assert work.most == 4


def test_width_bounds_what_is_under_way_and_what_waits():
    work = Work()
    results = ordered((partial(work, n) for n in count()), 3)
    for number in range(10):
        assert next(results) == number
        time.sleep(0.01)
        assert len(work.begun) <= number + 1 + 2 * 3
    results.close()
    assert work.most <= 3


def test_an_error_comes_in_its_turn_and_ends_the_rest():
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
    assert set(work.begun) <= {0, 1, 2, 4, 5, 6}


def test_closed_early_no_thread_is_left():
    results = ordered((partial(Work(), n) for n in count()), 4)
    next(results)
    assert any(thread.name.startswith("openesg") for thread in threading.enumerate())
    results.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("openesg") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_begun_before_the_first_is_asked_for():
    work = Work()
    ordered([partial(work, 1)], 2)
    assert work.begun == []
    assert list(ordered([], 2)) == []


def test_as_many_as_are_under_way_may_wait_done():
    work = Work()
    results = ordered((partial(work, n) for n in count()), 3)
    next(results)
    deadline = time.monotonic() + 5
    while len(work.begun) < 1 + 2 * 3:  # none waits for the consumer to take the next one
        assert time.monotonic() < deadline
        time.sleep(0.01)
    results.close()


def test_sources_take_turns_until_all_are_at_their_ends():
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
    assert closed == [(1, 2)]  # the other one never began


def test_the_next_item_is_made_while_one_is_in_use():
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


def test_an_item_that_fails_says_so_in_its_turn_and_a_reader_that_stops_closes_the_source():
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
