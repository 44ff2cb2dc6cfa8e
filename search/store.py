"""Django's cache as the smart cache sees it: typed values, compressed JSON, and faults that cost only speed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import zstandard
from django.conf import settings
from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import LockError, RedisError

from newsservice.behind import LookBehind

logger = logging.getLogger(__name__)

T = TypeVar("T")

WALKED_AT_ONCE = 2000  # keys that Redis looks at, or deletes, in a round trip
RETRY_SECONDS = 2.0  # how long a store that failed is left alone
LOOK_SECONDS = 2.0  # between two looks whether it is there, where nothing else is asked
LEASE_SECONDS = 10.0  # how long a process that died still holds a lock

# In one step, so that no two callers are given the same last one.
TAKE = """
local used = math.max(tonumber(redis.call("GET", KEYS[1]) or 0), tonumber(ARGV[2])) + tonumber(ARGV[3])
local is_granted = used < tonumber(ARGV[1])
if is_granted then used = used + 1 end
redis.call("SET", KEYS[1], used, "EX", ARGV[4])
return {used, is_granted and 1 or 0}
"""


class _Breaker:
    """Lets one caller at a time try a store that failed, every RETRY_SECONDS; the others go without it."""

    def __init__(self) -> None:
        self._closed_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last try failed."""
        return bool(self._closed_until)

    def call(self, operation: Callable[[], T], default: T) -> T:
        if self._closed_until:
            if time.monotonic() < self._closed_until:
                return default
            self._closed_until = time.monotonic() + RETRY_SECONDS
        try:
            result = operation()
        except (ConnectionInterrupted, RedisError, OSError) as exc:
            if not self._closed_until:
                logger.warning("redis_connected=False: going on without the cache: %s", type(exc).__name__)
            self._closed_until = time.monotonic() + RETRY_SECONDS
            return default
        if self._closed_until:
            logger.warning("redis_connected=True: the cache is used again")
            self._closed_until = 0.0
        return result


_breaker = _Breaker()


def get(key: str, type_: type[T]) -> T | None:
    """Return what is kept under a key; None where nothing is, or nothing of this type."""
    return get_many([key], type_).get(key)


def get_many(keys: Sequence[str], type_: type[T]) -> dict[str, T]:
    nothing: Mapping[str, object] = {}
    found = _breaker.call(lambda: _fetch(keys), nothing)
    values = {key: _decode(key, data, type_) for key, data in found.items()}
    return {key: value for key, value in values.items() if value is not None}


def put(key: str, value: object, *, seconds: float) -> None:
    put_many({key: value}, seconds=seconds)


def put_many(values: Mapping[str, object], *, seconds: float) -> None:
    data = {key: zstandard.compress(msgspec.json.encode(value)) for key, value in values.items()}
    _breaker.call(lambda: cache.set_many(data, timeout=seconds), None)


def forget_many(keys: Sequence[str]) -> int:
    """Delete what is kept under these keys; return how many there were."""
    return _breaker.call(lambda: _forget(keys), 0)


def keys(*prefixes: str) -> list[str]:
    """Return every key that begins with one of these, in one walk through the whole store: for who operates it."""
    return _breaker.call(lambda: sorted({key for key in _walk(prefixes) if key.startswith(prefixes)}), [])


def raw(keys: Sequence[str]) -> Mapping[str, bytes]:
    """Return the bytes kept under each key, as they are stored."""
    nothing: Mapping[str, object] = {}
    return {key: data for key, data in _breaker.call(lambda: _fetch(keys), nothing).items() if isinstance(data, bytes)}


def seconds_left(keys: Sequence[str]) -> dict[str, int]:
    """Return how long each key stays, in one round trip; one that is gone is missing."""
    return _breaker.call(lambda: _seconds_left(keys), {})


def count(name: str, *, by: int = 1, seconds: float) -> None:
    """Add to a counter that all processes share; a new one lasts so long."""
    increment(name, by=by, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    used: int
    is_granted: bool


def take(name: str, *, limit: int, known: int, owed: int, seconds: int) -> Taken | None:
    """Take one of a limited number that all processes of a Redis share; None where it is away.

    `known`: the least it must have counted before; `owed`: what it has not heard of yet.
    """
    return _breaker.call(lambda: _take(name, limit, known, owed, seconds), None)


def increment(name: str, *, by: int, seconds: float) -> int | None:
    """Add to a counter that all processes share; return what it has come to, None while the store is away."""
    return _breaker.call(lambda: _increment(name, by, seconds), None)


def counters(names: Sequence[str]) -> dict[str, int]:
    nothing: Mapping[str, object] = {}
    found = _breaker.call(lambda: _fetch(names), nothing)
    return {name: value for name, value in found.items() if isinstance(value, int)}


def is_connected() -> bool:
    """Whether the store answers now; a round trip."""
    return _breaker.call(lambda: cache.get("is-connected", "yes") == "yes", False)


def was_connected() -> bool:
    """Whether the store answered when it was last asked; asks again behind the caller's back, waits for nothing."""
    _behind.ask()
    return not _breaker.is_open


@contextmanager
def locked(key: str) -> Iterator[None]:
    """Hold a lock across processes, renewed while held; local memory, and a Redis that is away, have none."""
    lock = _breaker.call(lambda: _acquire(key), None) if hasattr(cache, "lock") else None
    if lock is None:
        yield
        return
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(lock, done), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        done.set()
        renewal.join()
        _breaker.call(lambda: _unlock(lock.release), None)


_behind = LookBehind(is_connected, seconds=LOOK_SECONDS)


def _acquire(key: str):  # type: ignore[no-untyped-def]  # redis.lock.Lock or None; redis-py leaves it untyped
    lock = cache.lock(f"lock:{key}", timeout=LEASE_SECONDS, sleep=0.02, thread_local=False)  # type: ignore[attr-defined]
    return lock if lock.acquire() else None


def _renew(lock, done: threading.Event) -> None:  # type: ignore[no-untyped-def]
    """Renew a lock until its work is done; work that takes longer than a run may hangs, and holds up nobody else."""
    deadline = time.monotonic() + settings.RUN_SECONDS
    while not done.wait(LEASE_SECONDS / 3) and time.monotonic() < deadline:
        _breaker.call(lambda: _unlock(lock.reacquire), None)


def _unlock(operation: Callable[[], object]) -> None:
    try:
        operation()
    except LockError:
        logger.warning("a lock was lost: its work may be done twice")


def _walk(prefixes: Sequence[str]) -> Iterator[str]:
    """Yield at least the keys that begin so: of all their first letters one pattern can tell Redis."""
    if hasattr(cache, "iter_keys"):
        initials = "".join(sorted({prefix[0] for prefix in prefixes}))
        yield from cache.iter_keys(f"[{initials}]*", itersize=WALKED_AT_ONCE)
    else:
        made = cache.make_key("")  # local memory keeps its entries in a dict, under whole keys
        yield from (key.removeprefix(made) for key in list(cache._cache))  # type: ignore[attr-defined]


def _forget(keys: Sequence[str]) -> int:
    if not hasattr(cache, "iter_keys"):
        return sum(map(cache.delete, keys))
    portions = (keys[start : start + WALKED_AT_ONCE] for start in range(0, len(keys), WALKED_AT_ONCE))
    return sum(cache.client.delete_many(portion) for portion in portions)  # type: ignore[attr-defined]


def _seconds_left(keys: Sequence[str]) -> dict[str, int]:
    if hasattr(cache, "ttl"):
        pipeline = cache.client.get_client(write=False).pipeline(transaction=False)  # type: ignore[attr-defined]
        for key in keys:
            pipeline.ttl(cache.make_key(key))
        return {key: left for key, left in zip(keys, pipeline.execute(), strict=True) if left >= 0}
    expires_at = cache._expire_info  # type: ignore[attr-defined]
    ends = {key: expires_at.get(cache.make_key(key)) for key in keys}
    return {key: max(0, round(end - time.time())) for key, end in ends.items() if end is not None}


def _increment(name: str, by: int, seconds: float) -> int:
    if not cache.add(name, by, timeout=seconds):  # of two who find it missing, one adds and both count
        try:
            return cache.incr(name, by)
        except (ValueError, TypeError):  # it ended between the two, or is no number
            cache.set(name, by, timeout=seconds)
    return by


def _take(name: str, limit: int, known: int, owed: int, seconds: int) -> Taken:
    client = cache.client.get_client(write=True)  # type: ignore[attr-defined]
    used, is_granted = client.eval(TAKE, 1, cache.make_key(name), limit, known, owed, seconds)
    return Taken(used=used, is_granted=bool(is_granted))


def _fetch(keys: Sequence[str]) -> Mapping[str, object]:
    try:
        return cache.get_many(keys)
    except ValueError as exc:  # what msgpack raises on bytes it has not written
        logger.warning("cache: one of %s is unreadable and will be made anew: %s", keys[:3], type(exc).__name__)
        return {}


def _decode(key: str, data: object, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(zstandard.decompress(data), type=type_)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, zstandard.ZstdError, TypeError, ValueError) as exc:
        logger.warning("cache: %s is unreadable and will be made anew: %s", key, type(exc).__name__)
        return None
