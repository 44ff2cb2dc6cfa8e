"""Callers share one thread of inference: fairly, within bounds, and none pays for another's fault."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from mlcore.batching import Batcher
from tests.servers import wait_until


class Runner:
    """Answers numbers with their negatives, and remembers in which batches; can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_run = threading.Event()
        self.may_run.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.may_run.wait(300)
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("thirteen")
        return [-item for item in items]

    @property
    def order(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def batcher(runner: Runner) -> Iterator[Batcher[int, int]]:
    batcher = Batcher(runner, size=lambda item: 10, max_items=8, max_size=40, max_waiting=100)
    yield batcher
    runner.may_run.set()
    batcher.close()


def test_each_item_gets_its_own_answer_in_order(batcher: Batcher[int, int]) -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        questions = [list(range(start * 100, start * 100 + 30)) for start in range(1, 40)]
        answers = list(pool.map(lambda items: batcher.submit(items, timeout=60), questions))

    assert answers == [[-item for item in items] for items in questions]


def test_no_items_get_no_answers_and_start_no_thread(batcher: Batcher[int, int], runner: Runner) -> None:
    assert batcher.submit([], timeout=1) == []
    assert runner.batches == []


def test_a_batch_holds_no_more_than_it_may(batcher: Batcher[int, int], runner: Runner) -> None:
    batcher.submit(list(range(100, 150)), timeout=60)

    assert max(map(len, runner.batches)) == 4  # 40 in all, 10 each


def test_an_item_larger_than_a_batch_is_one_of_its_own(runner: Runner) -> None:
    batcher = Batcher(runner, size=lambda item: item, max_items=8, max_size=40, max_waiting=100)

    assert batcher.submit([5, 500, 7], timeout=60) == [-5, -500, -7]
    assert [500] in runner.batches
    batcher.close()


def test_what_waits_together_is_run_together_whoever_asked(batcher: Batcher[int, int], runner: Runner) -> None:
    runner.may_run.clear()
    with ThreadPoolExecutor(max_workers=5) as pool:
        first = pool.submit(batcher.submit, [100], timeout=60)
        wait_until(lambda: not batcher._queue and batcher._pushed == 1)
        rest = [pool.submit(batcher.submit, [number], timeout=60) for number in range(101, 105)]
        wait_until(lambda: len(batcher._queue) == 4)
        runner.may_run.set()
        assert [task.result() for task in [first, *rest]] == [[-number] for number in range(100, 105)]

    assert sorted(map(len, runner.batches)) == [1, 4]


def test_five_texts_do_not_wait_for_the_five_hundred_of_another(batcher: Batcher[int, int], runner: Runner) -> None:
    runner.may_run.clear()
    with ThreadPoolExecutor(max_workers=2) as pool:
        many = pool.submit(batcher.submit, list(range(1000, 1090)), timeout=60)
        wait_until(lambda: batcher._pushed == 90)
        few = pool.submit(batcher.submit, list(range(1, 6)), timeout=60)
        wait_until(lambda: batcher._pushed == 95)
        runner.may_run.set()
        assert few.result() == [-1, -2, -3, -4, -5]
        assert len(many.result()) == 90

    last_of_few = max(runner.order.index(item) for item in range(1, 6))
    assert last_of_few < 20  # turn by turn with the other
    assert runner.order[-1] >= 1000  # who is not starved


def test_a_fault_over_one_item_is_that_items_alone(batcher: Batcher[int, int], runner: Runner) -> None:
    runner.may_run.clear()
    with ThreadPoolExecutor(max_workers=3) as pool:
        holding = pool.submit(batcher.submit, [1], timeout=60)
        wait_until(lambda: not batcher._queue and batcher._pushed == 1)
        bad = pool.submit(batcher.submit, [12, 13], timeout=60)
        good = pool.submit(batcher.submit, [14], timeout=60)
        wait_until(lambda: len(batcher._queue) == 3)
        runner.may_run.set()
        outcome, fault = bad.result()
        assert (holding.result(), good.result(), outcome) == ([-1], [-14], -12)

    assert isinstance(fault, ValueError)
    assert batcher.submit([15], timeout=60) == [-15]  # the thread lives on


def test_who_waits_too_long_is_told_so_and_what_was_not_begun_is_dropped(
    batcher: Batcher[int, int], runner: Runner
) -> None:
    runner.may_run.clear()
    with ThreadPoolExecutor(max_workers=1) as pool:
        holding = pool.submit(batcher.submit, [1], timeout=60)
        wait_until(lambda: not batcher._queue and batcher._pushed == 1)
        with pytest.raises(TimeoutError):
            batcher.submit([2, 3], timeout=0.05)
        runner.may_run.set()
        assert holding.result() == [-1]
    assert batcher.submit([4], timeout=60) == [-4]

    assert runner.order == [1, 4]


def test_whatever_ends_a_wait_drops_what_was_not_begun(batcher: Batcher[int, int], runner: Runner) -> None:
    """As celery ends a task that takes too long: a signal raises in the thread that waits."""

    def end(*args: object) -> None:
        raise SoftTimeLimitExceeded

    def ask_and_be_ended() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        batcher.submit([2, 3], timeout=60)

    runner.may_run.clear()
    before = signal.signal(signal.SIGALRM, end)
    with ThreadPoolExecutor(max_workers=1) as pool:
        holding = pool.submit(batcher.submit, [1], timeout=60)
        wait_until(lambda: not batcher._queue and batcher._pushed == 1)
        try:
            with pytest.raises(SoftTimeLimitExceeded):
                ask_and_be_ended()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        runner.may_run.set()
        assert holding.result() == [-1]
    assert batcher.submit([4], timeout=60) == [-4]

    assert runner.order == [1, 4]


def test_more_than_may_wait_waits_outside(runner: Runner) -> None:
    batcher = Batcher(runner, size=lambda item: 10, max_items=8, max_size=40, max_waiting=5)
    runner.may_run.clear()
    with ThreadPoolExecutor(max_workers=1) as pool:
        many = pool.submit(batcher.submit, list(range(20, 60)), timeout=60)
        wait_until(lambda: len(batcher._queue) == 5)
        with pytest.raises(TimeoutError):
            batcher.submit([1], timeout=0.05)
        runner.may_run.set()
        assert many.result() == [-item for item in range(20, 60)]
    batcher.close()


def test_a_closed_batcher_ends_its_thread_and_answers_whoever_still_asks(
    batcher: Batcher[int, int], runner: Runner
) -> None:
    batcher.submit([1], timeout=60)
    thread = batcher._thread
    batcher.close()
    thread.join(60)

    assert not thread.is_alive()
    assert batcher.submit([2], timeout=60) == [-2]
