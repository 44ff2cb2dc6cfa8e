"""Which texts a model reads together, whoever asked: callers queue what they have, one thread runs batches of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def plan_batches(lengths: Sequence[int], *, max_texts: int, max_tokens: int) -> list[list[int]]:
    """Group the positions of texts of these lengths (in tokens), the longest first.

    A batch holds at most max_texts, and at most max_tokens once all are padded to its longest; a text longer
    than that is a batch of its own. Every position is in exactly one batch.

    >>> plan_batches([3, 9, 4, 20], max_texts=8, max_tokens=10)
    [[3], [1], [2, 0]]
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        batch = batches[-1] if batches else []
        fits = batch and len(batch) < max_texts and (len(batch) + 1) * lengths[batch[0]] <= max_tokens
        if fits:
            batch.append(position)
        else:
            batches.append([position])
    return batches


@dataclass(slots=True)
class _Job(Generic[Result]):
    """What one caller waits for."""

    outcomes: list[Result | Exception | None]
    missing: int
    done: threading.Event = field(default_factory=threading.Event)
    is_abandoned: bool = False
    finish: float = 0.0  # virtual time at which its last queued item will have had its share


@dataclass(slots=True, order=True)
class _Entry(Generic[Item, Result]):
    start: float  # virtual time
    number: int
    item: Item = field(compare=False)
    size: int = field(compare=False)
    place: int = field(compare=False)
    job: _Job[Result] = field(compare=False)


class Batcher(Generic[Item, Result]):
    """Runs what many callers submit in common batches; whoever asks for little waits little.

    Callers share the thread as start-time fair queueing has it (Goyal et al. 1996): an item's turn comes at the
    virtual time at which its caller's items before it have had their share, so that five texts go between the five
    hundred of somebody else, who is not starved either. Nothing is delayed in the hope of company: what arrives
    while a batch runs makes up the next. An item costs log(waiting); max_waiting bounds the memory.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        size: Callable[[Item], int],
        max_items: int,
        max_size: int,
        max_waiting: int,
    ) -> None:
        """`run` answers a batch in order: at most max_items, and more than max_size only if it is a single one."""
        self._run, self._size = run, size
        self._max_items, self._max_size, self._max_waiting = max_items, max_size, max_waiting
        self._queue: list[_Entry[Item, Result]] = []
        self._changed = threading.Condition()
        self._now = 0.0  # virtual: the start of what was taken last
        self._pushed = 0
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, items: Sequence[Item], *, timeout: float) -> list[Result | Exception]:
        """Return what `run` says of each item, in order, or the exception it raised over that one alone.

        Waits for room where too much waits already. Raises TimeoutError after `timeout` seconds, and what is raised
        in the waiting thread meanwhile; what was not begun by then is dropped.
        """
        job: _Job[Result] = _Job(outcomes=[None] * len(items), missing=len(items))
        try:
            self._wait(job, items, deadline=time.monotonic() + timeout)
        except BaseException:
            job.is_abandoned = True
            raise
        return [outcome for outcome in job.outcomes if outcome is not None]

    def close(self) -> None:
        """End the thread once the queue is empty; whoever submits later gets a thread of its own again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _wait(self, job: _Job[Result], items: Sequence[Item], *, deadline: float) -> None:
        order = sorted(range(len(items)), key=lambda place: -self._size(items[place]))
        queued = 0
        while queued < len(order):
            rest = [(place, items[place]) for place in order[queued:]]
            queued += self._push(job, rest, deadline=deadline)
        if items and not job.done.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError

    def _push(self, job: _Job[Result], items: Sequence[tuple[int, Item]], *, deadline: float) -> int:
        """Queue as many of the items as there is room for, at least one; return how many."""
        with self._changed:
            has_room = self._changed.wait_for(
                lambda: len(self._queue) < self._max_waiting, max(0.0, deadline - time.monotonic())
            )
            if not has_room:
                raise TimeoutError
            fitting = items[: self._max_waiting - len(self._queue)]
            for place, item in fitting:
                size = self._size(item)
                start = max(self._now, job.finish)
                job.finish = start + size
                self._pushed += 1
                heappush(self._queue, _Entry(start, self._pushed, item, size, place, job))
            self._start_thread()
            self._changed.notify_all()
            return len(fitting)

    def _start_thread(self) -> None:
        # Not before it is needed, and so in the process that needs it: threads do not survive a fork.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while batch := self._take():
            for entry, outcome in zip(batch, self._outcomes([entry.item for entry in batch]), strict=True):
                entry.job.outcomes[entry.place] = outcome
                entry.job.missing -= 1
                if not entry.job.missing:
                    entry.job.done.set()

    def _take(self) -> list[_Entry[Item, Result]]:
        """Return the next batch, whose turn has come first; nothing once all is closed and done."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._is_closed)
                if not self._queue:
                    self._thread = None
                    return []
                batch = self._pop_batch()
                self._changed.notify_all()  # there is room again
                if batch:
                    return batch

    def _pop_batch(self) -> list[_Entry[Item, Result]]:
        batch: list[_Entry[Item, Result]] = []
        size = 0
        while self._queue and len(batch) < self._max_items:
            if batch and size + self._queue[0].size > self._max_size:
                break
            entry = heappop(self._queue)
            self._now = entry.start
            if not entry.job.is_abandoned:
                batch.append(entry)
                size += entry.size
        return batch

    def _outcomes(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        """Answer a batch; where it fails as a whole, each item alone, so that only those fail that must."""
        try:
            return self._run(items)
        except Exception as exc:  # noqa: BLE001  handed to whoever submitted the item
            return [exc] if len(items) == 1 else [self._outcomes([item])[0] for item in items]
