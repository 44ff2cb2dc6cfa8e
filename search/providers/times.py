"""Times as sources write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

SEOUL = ZoneInfo("Asia/Seoul")
YEARS = range(1900, 2101)  # outside them it is a broken clock, and other time zones overflow
FORMATS: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)


def parse_time(text: str) -> datetime | None:
    """Read ISO-8601 or RFC-822, UTC; without an offset it is Seoul's time. None where it cannot be read.

    >>> parse_time("Fri, 20 Nov 2026 09:00:00 +0900") == parse_time("2026-11-20 09:00")
    True
    """
    for read in FORMATS:
        try:
            moment = read(text.strip())
        except ValueError:
            continue
        if moment.year in YEARS:
            return (moment if moment.tzinfo else moment.replace(tzinfo=SEOUL)).astimezone(UTC)
    return None
