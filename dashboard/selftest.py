"""A worker tested by work: a sentence goes the way of every task, and what it says comes back by the cache.

Celery keeps no results here (a run is a row), so the answer is kept where workers and web processes both look. In the
embedded mode the thread that runs analyses does it, and the cache is this process's.
"""

from __future__ import annotations

import queue
import time
import uuid
from typing import Literal

import msgspec

from dashboard import workers
from dashboard.errors import UnknownTask
from mlcore.engine import get_engine
from newsservice.errors import DomainError
from search import store

SENTENCE = "삼성전자가 협력사와 탄소 배출을 줄이는 상생 협약을 맺었다."
KEPT_SECONDS = 3600
GIVEN_UP_SECONDS = 60  # past which nobody waits for it: a cold worker loads its models first

waiting: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()  # of the embedded mode: id, queued at


class SelfTest(msgspec.Struct, frozen=True, kw_only=True):
    task_id: str
    status: Literal["queued", "success", "error"]
    queued_at: float  # seconds since the epoch
    finished_at: float | None = None
    worker: str = ""
    labels: dict[str, str] = {}  # by axis
    methods: dict[str, str] = {}
    error: str = ""


def open_test() -> SelfTest:
    """Note that a test is on its way."""
    test = SelfTest(task_id=str(uuid.uuid4()), status="queued", queued_at=time.time())
    _keep(test)
    return test


def run(task_id: str, *, queued_at: float) -> None:
    """Judge the sentence, and keep what was said under the task's id."""
    labels: dict[str, str] = {}
    methods: dict[str, str] = {}
    error = ""
    try:
        [judgement] = get_engine().classify([SENTENCE])
    except DomainError as exc:
        error = exc.message
    else:
        said = {"category": judgement.category, "sentiment": judgement.sentiment}
        labels = {axis: prediction.label for axis, prediction in said.items()}
        methods = {axis: prediction.method for axis, prediction in said.items()}
    _keep(
        SelfTest(
            task_id=task_id,
            status="error" if error else "success",
            queued_at=queued_at,
            finished_at=time.time(),
            worker=workers.own_name(),
            labels=labels,
            methods=methods,
            error=error,
        )
    )


def run_waiting() -> None:
    """Run what the embedded mode was asked for."""
    while not waiting.empty():
        task_id, queued_at = waiting.get()
        run(task_id, queued_at=queued_at)


def result(task_id: str) -> SelfTest | None:
    """Return how a test does; None where nobody knows of it (any more)."""
    return store.get(_key(task_id), SelfTest)


def known(task_id: str) -> SelfTest:
    """Return how a test does. Raises UnknownTask."""
    if (test := result(task_id)) is None:
        raise UnknownTask(task_id=task_id)
    return test


def _keep(test: SelfTest) -> None:
    store.put(_key(test.task_id), test, seconds=KEPT_SECONDS)


def _key(task_id: str) -> str:
    return f"selftest:{task_id}"
