"""Models that run at the same time, each on its part of the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def run_at_once(calls: Sequence[Callable[[], Result]], *, threads: int) -> list[Result]:
    """Return what each call to torch does, once all have ended; raise what the first that failed raised.

    Each has an equal part of the threads; where they do not divide, one call after the other has them all. What lies
    between the large products, attention over one text above all, is too small to be worth dividing: on two cores two
    models with a thread each take 6 % (float32) to 15 % (int8) less time for 100 articles than in turn with two
    threads, and half for one in int8 (`python -m benchmarks.inference` before and after).
    """
    lanes = len(calls) if threads % len(calls) == 0 else 1
    futures: list[Future[Result]] = [Future() for _ in calls]
    running = [
        # Fresh ones, which take 0.1 ms: kept, they would have to end with the models, and outlive no fork. An executor
        # takes nothing any more while the process ends, though a run may still have texts to be read.
        Thread(target=_run, args=(calls[lane::lanes], futures[lane::lanes], threads // lanes), daemon=True)
        for lane in range(lanes)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [future.result() for future in futures]


def _run(calls: Sequence[Callable[[], Result]], futures: Sequence[Future[Result]], threads: int) -> None:
    import torch  # is there where models are; alone it takes seconds

    for call, future in zip(calls, futures, strict=True):
        try:
            torch.set_num_threads(threads)  # of this thread, and of any that starts later and does not set its own
            future.set_result(call())
        except BaseException as exc:  # noqa: BLE001  raised where the result is waited for
            future.set_exception(exc)
