"""Ordered parallel work, with real threads."""

import threading
import time
from functools import partial
from itertools import count

import pytest

from airflow_provider_openesg.client.parallel import ordered


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
        assert len(work.begun) <= number + 1 + 3
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
    assert set(work.begun) <= {0, 1, 2, 4}


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
