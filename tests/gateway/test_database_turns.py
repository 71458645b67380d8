"""Whoever asks first writes first, however much a thread that is quicker has to write."""

import threading
import time
from collections.abc import Callable

import pytest

from gateway.database import Turns

DEADLINE_S = 60.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_turns_go_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def write(name: str) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    with turns:
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda: turns.waiting == number)  # noqa: B023 - within the round
    write("again")
    for thread in threads:
        thread.join(DEADLINE_S)
    assert order == ["a", "b", "c", "again"]
    with turns:
        assert turns.waiting == 0


def test_a_turn_that_ends_badly_is_handed_on() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        assert 1 / turns.waiting
    done = threading.Event()

    def write() -> None:
        with turns:
            done.set()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(DEADLINE_S)
    assert done.is_set()
