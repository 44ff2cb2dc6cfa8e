"""How many of the day's calls are made: counted before each one, over all processes.

Redis counts where there is one. A file under DATA_DIR, locked while a call is counted, holds the last number Redis
has said and what was counted since while it was away; so a Redis that comes back, even an empty one, is told. Where
an answer of Redis is lost a call may be counted twice, never not at all. A day begins at NAVER_QUOTA_RESET_HOUR,
Seoul's time.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from search import store
from search.errors import ProviderQuotaExceeded

logger = logging.getLogger(__name__)

SEOUL = ZoneInfo("Asia/Seoul")
KEPT_SECONDS = 2 * 86_400
RECORD_BYTES = 48  # always as long, so that a full disk can still be written over


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How a day stands."""

    limit: int
    used: int
    reserve: int  # of the limit, kept for people
    resets_at: datetime

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def seconds_to_reset(self) -> int:
        return math.ceil((self.resets_at - datetime.now(UTC)).total_seconds()) + 1


def spend() -> None:
    """Count a call that is about to be made. Raises ProviderQuotaExceeded, and counts none, where none is left.

    A file that cannot be written costs the count, not the call.
    """
    day = _day()
    try:
        with _locked_file() as file:
            is_granted = _count(file, day)
    except OSError as exc:
        logger.warning("the day's calls cannot be counted in %s: %s", _path(), exc)
        return
    if not is_granted:
        raise _exceeded(state())


def check_reserve() -> None:
    """Raise ProviderQuotaExceeded where no more is left than is kept for people: before scheduled work."""
    quota = state()
    if quota.remaining <= quota.reserve:
        raise _exceeded(quota)


def state() -> Quota:
    """Return how the day stands; counts nothing."""
    day = _day()
    known, owed = _kept(day)
    shared = store.counters([_key(day)]).get(_key(day), 0) if settings.REDIS_URL else 0
    reset = datetime.combine(day + timedelta(days=1), time(settings.NAVER_QUOTA_RESET_HOUR), tzinfo=SEOUL)
    return Quota(
        limit=settings.NAVER_DAILY_QUOTA,
        used=max(known, shared) + owed,
        reserve=settings.NAVER_QUOTA_RESERVE,
        resets_at=reset.astimezone(UTC),
    )


def _exceeded(quota: Quota) -> ProviderQuotaExceeded:
    reason = _("%(used)d of the day's %(limit)d calls are made") % {"used": quota.used, "limit": quota.limit}
    return ProviderQuotaExceeded(provider="naver", reason=reason, retry_after=quota.seconds_to_reset)


def _count(file: int, day: date) -> bool:
    """Count a call in Redis, with what it was not told yet, else in the file; whether there was one left."""
    known, owed = _read(file, day)
    limit = settings.NAVER_DAILY_QUOTA
    shared = None
    if settings.REDIS_URL:
        shared = store.take(_key(day), limit=limit, known=known, owed=owed, seconds=KEPT_SECONDS)
    if shared is not None:
        _write(file, day, known=shared.used, owed=0)
        return shared.is_granted
    is_granted = known + owed < limit
    if is_granted:
        _write(file, day, known=known, owed=owed + 1)
    return is_granted


def _path() -> Path:
    return Path(settings.DATA_DIR) / "quota"


@contextmanager
def _locked_file() -> Iterator[int]:
    """Open the file; no other process or thread has it until it is closed."""
    file = os.open(_path(), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _kept(day: date) -> tuple[int, int]:
    try:
        file = os.open(_path(), os.O_RDONLY)
    except OSError:
        return 0, 0
    try:
        return _read(file, day)
    finally:
        os.close(file)


def _read(file: int, day: date) -> tuple[int, int]:
    """Return what Redis has said last and what is counted since; zeros where the file is of another day, or torn."""
    kept = os.pread(file, RECORD_BYTES, 0).decode("ascii", "replace").split()
    if len(kept) != 3 or kept[0] != day.isoformat() or not (kept[1].isdecimal() and kept[2].isdecimal()):
        return 0, 0
    return int(kept[1]), int(kept[2])


def _write(file: int, day: date, *, known: int, owed: int) -> None:
    os.pwrite(file, f"{day.isoformat()} {known} {owed}".ljust(RECORD_BYTES).encode("ascii"), 0)


def _day() -> date:
    return (datetime.now(SEOUL) - timedelta(hours=settings.NAVER_QUOTA_RESET_HOUR)).date()


def _key(day: date) -> str:
    return f"quota:naver:{day.isoformat()}"
