"""Which news provider this installation asks (NEWS_PROVIDER)."""

from __future__ import annotations

import logging
import time
from functools import cache
from threading import Lock, Thread

from django.conf import settings

from search.providers import rss
from search.providers.archive import ArchiveProvider
from search.providers.base import Provider
from search.providers.naver import NaverProvider
from search.providers.rss import RSSProvider

logger = logging.getLogger(__name__)

PROBE_AGAIN_SECONDS = 300


def current_provider() -> Provider:
    """Return the provider to ask now.

    `auto`: Naver if keys are set (a refused key stays an error), else RSS, else, where the feeds cannot be
    reached, the archive. Decided before the cache is asked, so that an answer is kept under its real source.
    """
    match settings.NEWS_PROVIDER:
        case "naver":
            return _naver()
        case "rss":
            return _rss()
        case "archive":
            return ArchiveProvider()
        case _ if settings.NAVER_CLIENT_ID:
            return _naver()
        case _ if _feeds.can_be_reached():
            return _rss()
        case _:
            return ArchiveProvider()


class _Feeds:
    """Whether the feeds can be reached; the first caller waits for it, later ones never."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reachable: bool | None = None
        self._probe_at = 0.0

    def can_be_reached(self) -> bool:
        with self._lock:
            if self._reachable is None:
                return self._probe()
            if time.monotonic() >= self._probe_at:
                self._probe_at = time.monotonic() + PROBE_AGAIN_SECONDS
                Thread(target=self._probe, daemon=True).start()
            return self._reachable

    def _probe(self) -> bool:
        reachable = rss.can_be_reached()
        if reachable != self._reachable:
            where = "feeds" if reachable else "the archive, since the feeds cannot be reached"
            logger.warning("no Naver keys are set: news come from %s", where)
        self._reachable = reachable
        self._probe_at = time.monotonic() + PROBE_AGAIN_SECONDS
        return reachable


_feeds = _Feeds()


@cache
def _naver() -> Provider:
    return NaverProvider()


@cache
def _rss() -> Provider:
    return RSSProvider()
