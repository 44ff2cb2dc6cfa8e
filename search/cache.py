"""The smart cache: fresh, stale, gone; one computation at a time for a key, in all processes.

A fresh answer is served. A stale one is served too, while it is made anew behind the reader's back, or where
the provider fails. Whatever happens to the store costs speed, never an answer.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

import msgspec
from django.conf import settings
from django.db import close_old_connections

from search import store
from search.errors import PROVIDER_ERRORS, ProviderError

logger = logging.getLogger(__name__)

T = TypeVar("T")

SHAPE = 1  # raise it whenever a kept dataclass changes its meaning
PORTION = 100  # answers read at once
JITTER = 0.1  # share of a lifetime by which it varies, so that what was made together is not remade together

Mode = Literal["use", "refresh", "bypass"]  # look first · skip the look, then rewrite · touch nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot(Generic[T]):
    """Where one answer is kept, and for how long."""

    kind: str
    subject: str  # what was asked about: a company's name, or words
    parts: tuple[object, ...]  # all else that can change the answer
    type: type[T]
    fresh_seconds: Callable[[T], float]
    belongs: Callable[[T], bool] = lambda value: True  # whether an answer may be kept here after all

    @property
    def key(self) -> str:
        return f"{subject_prefix(self.kind, self.subject)}{_digest(repr(self.parts))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    value: T
    is_hit: bool = False
    is_stale: bool = False


class Kept(msgspec.Struct, Generic[T]):
    value: T
    subject: str
    stored_at: float  # seconds since the epoch
    fresh_until: float


class Head(msgspec.Struct):
    """A Kept without its value, of which no object is made."""

    subject: str
    stored_at: float
    fresh_until: float


class KeptError(msgspec.Struct):
    code: str
    retry_after: int | None
    details: dict[str, str | int]


def subject_prefix(kind: str, subject: str) -> str:
    """Return how the keys of one kind begin that are about one subject."""
    return f"{kind}:{SHAPE}:{_digest(subject)}:"


def recall(
    slot: Slot[T],
    compute: Callable[[], T],
    *,
    suffices: Callable[[T], bool],
    mode: Mode = "use",
    serve_stale: bool = True,
) -> Answer[T]:
    """Return the answer kept in a slot if it suffices, else compute it, and keep it if it belongs there.

    Raises what `compute` raises; but where it raises ProviderError and any answer is left, that is served
    as stale. A provider's failure answers the same question for ERROR_CACHE_SECONDS. `serve_stale=False`,
    for what others are made of, takes and gives nothing stale.
    """
    if mode == "bypass":
        return Answer(value=compute())
    if mode == "use" and (kept := _get(slot)) and suffices(kept.value):
        if kept.fresh_until > time.time():
            store.count(f"hits:{slot.key}", seconds=settings.STALE_CACHE_SECONDS + settings.ANALYSIS_CACHE_SECONDS)
            return Answer(value=kept.value, is_hit=True)
        if serve_stale:
            _refresh_later(slot, compute)
            return Answer(value=kept.value, is_hit=True, is_stale=True)
    try:
        if mode == "use" and (error := _recent_error(slot)):
            raise error
        return _compute_once(slot, compute, suffices=suffices, mode=mode)
    except ProviderError as exc:
        if not serve_stale or not (kept := _get(slot)):
            raise
        logger.warning("a stale answer is served: %s", exc)
        return Answer(value=kept.value, is_hit=True, is_stale=True)


def peek(slot: Slot[T], *, suffices: Callable[[T], bool]) -> Answer[T] | None:
    """Return the answer kept in a slot if it suffices, fresh or stale; compute nothing."""
    kept = _get(slot)
    if not kept or not suffices(kept.value):
        return None
    return Answer(value=kept.value, is_hit=True, is_stale=kept.fresh_until <= time.time())


def has_failed_lately(slot: Slot[Any]) -> bool:
    """Whether the provider failed this question within ERROR_CACHE_SECONDS."""
    return _recent_error(slot) is not None


def heads(keys: Sequence[str]) -> dict[str, Head]:
    """Return the heads of what is kept under these keys, a portion at a time in memory."""
    if not settings.CACHE_ENABLED:
        return {}
    portions = (keys[start : start + PORTION] for start in range(0, len(keys), PORTION))
    return {key: head for portion in portions for key, head in store.get_many(portion, Head).items()}


# --- one computation at a time -------------------------------------------------------------------------------

_flights: dict[str, Future[Answer[Any]]] = {}
_flights_lock = Lock()


def _compute_once(slot: Slot[T], compute: Callable[[], T], *, suffices: Callable[[T], bool], mode: Mode) -> Answer[T]:
    """Compute, unless another thread is at it: then wait for what it finds, or fails with."""
    while True:
        flight, leads = _join(slot)
        if leads:
            return _lead(flight, slot, compute, suffices=suffices, mode=mode)
        answer = flight.result()
        if suffices(answer.value):
            return answer


def _join(slot: Slot[T]) -> tuple[Future[Answer[T]], bool]:
    """Return the computation under way for a slot, and whether it is the caller who has to do it."""
    with _flights_lock:
        leads = slot.key not in _flights
        return _flights.setdefault(slot.key, Future()), leads


def _lead(
    flight: Future[Answer[T]],
    slot: Slot[T],
    compute: Callable[[], T],
    *,
    suffices: Callable[[T], bool],
    mode: Mode,
) -> Answer[T]:
    try:
        answer = _compute_in_one_process(slot, compute, suffices=suffices, mode=mode)
    except BaseException as exc:
        flight.set_exception(exc)
        raise
    else:
        flight.set_result(answer)
        return answer
    finally:
        with _flights_lock:
            del _flights[slot.key]


def _compute_in_one_process(
    slot: Slot[T], compute: Callable[[], T], *, suffices: Callable[[T], bool], mode: Mode
) -> Answer[T]:
    with store.locked(slot.key):
        if mode == "use" and (kept := _get(slot)) and kept.fresh_until > time.time() and suffices(kept.value):
            return Answer(value=kept.value, is_hit=True)  # somebody else just did it
        try:
            value = compute()
        except ProviderError as exc:
            _put_error(slot, exc)
            raise
        _put(slot, value)
        return Answer(value=value)


_refreshing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="cache-refresh")


def _refresh_later(slot: Slot[T], compute: Callable[[], T]) -> None:
    """Make a stale answer anew in the background, unless somebody is at it or has just failed."""
    if slot.key in _flights or _recent_error(slot):
        return
    task = _refreshing.submit(_compute_once, slot, compute, suffices=lambda _: True, mode="use")
    task.add_done_callback(_after_refresh)


def _after_refresh(task: Future[Answer[T]]) -> None:
    close_old_connections()
    if error := task.exception():
        logger.warning("a stale answer could not be made anew: %s", error, exc_info=error)


# --- what is kept --------------------------------------------------------------------------------------------


def _get(slot: Slot[T]) -> Kept[T] | None:
    return store.get(slot.key, Kept[slot.type]) if settings.CACHE_ENABLED else None  # type: ignore[name-defined]


def _put(slot: Slot[T], value: T) -> None:
    if not settings.CACHE_ENABLED or not slot.belongs(value):
        return
    fresh_seconds = slot.fresh_seconds(value) * random.uniform(1 - JITTER, 1)  # noqa: S311 not a secret
    now = time.time()
    kept = Kept(value=value, subject=slot.subject, stored_at=now, fresh_until=now + fresh_seconds)
    store.put(slot.key, kept, seconds=fresh_seconds + settings.STALE_CACHE_SECONDS)


def _recent_error(slot: Slot[T]) -> ProviderError | None:
    kept = store.get(f"error:{slot.key}", KeptError)
    return PROVIDER_ERRORS[kept.code](retry_after=kept.retry_after, **kept.details) if kept else None


def _put_error(slot: Slot[T], error: ProviderError) -> None:
    details = {name: value for name, value in error.details.items() if isinstance(value, str | int)}
    kept = KeptError(code=error.code, retry_after=error.retry_after, details=details)
    store.put(f"error:{slot.key}", kept, seconds=settings.ERROR_CACHE_SECONDS)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()
