"""What search is told of companies. The rows are asked each time, so that all processes say the same at once."""

from __future__ import annotations

import logging
import time

from dashboard import selectors
from dashboard.services import DATABASE_AWAY
from search.types import KnownCompany

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0  # how long a database that is away is left alone: kept answers must not wait for it

_last: dict[str, KnownCompany] = {}  # what was said of companies with aliases
_away_until = 0.0


def company(name: str) -> KnownCompany | None:
    """Return the company of a normalised name or alias; while the database is away, as it was last known."""
    global _away_until
    if time.monotonic() < _away_until:
        return _last.get(name)
    try:
        row = selectors.company_named(name)
    except DATABASE_AWAY as exc:
        _away_until = time.monotonic() + RETRY_SECONDS
        logger.warning("the database is away, aliases are as they were last known: %s", type(exc).__name__)
        return _last.get(name)
    if row is None or not row.aliases:
        _last.pop(name, None)
        return None
    _last[name] = KnownCompany(name=row.name, aliases=tuple(row.aliases))
    return _last[name]
