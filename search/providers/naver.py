"""Naver's news search, through either of its doors.

Developers Center: https://developers.naver.com/docs/serviceapi/search/news/news.md (no new keys since
2026-07-31, ends 2027-06-30). NAVER API HUB, its successor, takes the same parameters and gives the same fields.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests_ratelimiter import LimiterAdapter

from search import press, quota
from search.errors import ProviderAuthError, ProviderError, ProviderQuotaExceeded
from search.providers import http
from search.providers.times import parse_time
from search.text import strip_markup, web_url
from search.types import Article, Page, Sort

logger = logging.getLogger(__name__)

PAGE_SIZE = 100  # `display` at most
LAST_START = 1000  # `start` at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    url: str
    id_header: str
    secret_header: str


DIALECTS = {
    "developers": Dialect(
        url="https://openapi.naver.com/v1/search/news.json",
        id_header="X-Naver-Client-Id",
        secret_header="X-Naver-Client-Secret",  # noqa: S106 a header's name
    ),
    "hub": Dialect(
        url="https://naverapihub.apigw.ntruss.com/search/v1/news",
        id_header="X-NCP-APIGW-API-KEY-ID",
        secret_header="X-NCP-APIGW-API-KEY",  # noqa: S106 a header's name
    ),
}

# The error codes of a spent day, in either dialect; any other 429 (012, HUB's 410 and 420) is about speed.
DAILY_QUOTA = {"010", "400"}


class _Retries(http.RetryFaults):
    """Each further try is a call of the day's quota too."""

    provider = "naver"

    def before_retry(self) -> None:
        quota.spend()


class NaverProvider:
    """One page is one call of `display=100`; the window ends at `start=1000`."""

    name = "naver"

    def __init__(self) -> None:
        dialect = DIALECTS[settings.NAVER_API]
        self._url = search_url()
        self._headers: dict[str, str | bytes] = {  # bytes: a key in any script is Naver's to refuse, not ours
            dialect.id_header: settings.NAVER_CLIENT_ID.encode(),
            dialect.secret_header: settings.NAVER_CLIENT_SECRET.encode(),
        }
        self._client = http.session(
            LimiterAdapter(
                per_second=settings.NAVER_CALLS_PER_SECOND,
                pool_maxsize=32,
                max_retries=_Retries.default_policy(),
            )
        )

    def pages(self, query: str, *, sort: Sort, start: int) -> Iterator[Page]:
        for first in range(start, LAST_START + 1, PAGE_SIZE):
            payload = self._call(query, sort=sort, start=first)
            articles = tuple(article for item in payload["items"] if (article := _article(item)))
            total = payload["total"]
            end = first + PAGE_SIZE
            is_last = len(payload["items"]) < PAGE_SIZE or end > min(total, LAST_START)
            yield Page(articles=articles, total=total, is_last=is_last)
            if is_last:
                return

    def _call(self, query: str, *, sort: Sort, start: int) -> dict[str, Any]:
        quota.spend()
        reply = http.get(
            self._client,
            self._url,
            provider=self.name,
            params={"query": query, "display": PAGE_SIZE, "start": start, "sort": sort},
            headers=self._headers,
        )
        if reply.status != 200:
            raise _refusal(reply)
        return _payload(reply.body)


def search_url() -> str:
    return settings.NAVER_SEARCH_URL or DIALECTS[settings.NAVER_API].url


def can_be_reached() -> bool:
    """Whether its host answers at all. No key is sent and nothing searched: no call of the day is spent."""
    try:
        with http.session(HTTPAdapter()) as client:
            client.head(urljoin(search_url(), "/"), timeout=settings.PROVIDER_CONNECT_SECONDS).close()
    except requests.RequestException:
        return False
    return True


def _payload(body: bytes) -> dict[str, Any]:
    """Return the reply, sure to hold `items` (objects) and `total`, or raise ProviderError."""
    payload = _json(body)
    if payload is None:
        raise ProviderError(provider="naver", reason="the answer is not JSON")
    if (
        not isinstance(payload, dict)
        or not isinstance(payload.get("items"), list)
        or type(payload.get("total")) is not int
        or not all(isinstance(item, dict) for item in payload["items"])
    ):
        raise ProviderError(provider="naver", reason="the answer is not a list of news")
    return payload


def _json(body: bytes) -> Any:
    """Return what a body says, None where it is not JSON. A raw tab or half a character in a text is let pass."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _article(item: Mapping[str, object]) -> Article | None:
    """Return an item as an article; None where it has no title or no link a browser may follow."""
    texts = {name: value for name, value in item.items() if isinstance(value, str)}
    link = web_url(texts.get("link", ""))
    url = web_url(texts.get("originallink", "")) or link
    title = strip_markup(texts.get("title", ""))
    if not url or not title:
        logger.warning("naver: an item without title or link is left out")
        return None
    return Article(
        url=url,
        link=link or url,
        title=title,
        summary=strip_markup(texts.get("description", "")),
        publisher=press.publisher(url, link=link),
        published_at=parse_time(texts.get("pubDate", "")),
    )


def _refusal(reply: http.Reply) -> ProviderError:
    """Return what a refusal means: credentials, quota, or a failure; its own code and words kept."""
    code, said = _error_of(reply.body)
    details: dict[str, Any] = {"provider": "naver", "status": reply.status, "provider_code": code}
    details["reason"] = f"HTTP {reply.status} {code} {said}".strip()
    if reply.status in {401, 403}:
        return ProviderAuthError(**details)
    if reply.status == 429:
        wait = quota.state().seconds_to_reset if code in DAILY_QUOTA else 1
        return ProviderQuotaExceeded(retry_after=wait, **details)
    return ProviderError(**details)


def _error_of(body: bytes) -> tuple[str, str]:
    """Return (code, message) of a refusal, in either dialect's shape; empty strings where it has none."""
    payload = _json(body)
    error = payload.get("error", payload) if isinstance(payload, dict) else {}
    if not isinstance(error, dict):
        return "", ""
    message = strip_markup(str(error.get("errorMessage") or error.get("message") or ""))
    for credential in filter(None, (settings.NAVER_CLIENT_ID, settings.NAVER_CLIENT_SECRET)):
        message = message.replace(credential, "…")  # should it repeat what it refuses
    return str(error.get("errorCode", "")), message[:200]
