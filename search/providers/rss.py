"""News by RSS or Atom: a keyless news search, and feeds of one's own. What a machine without keys gets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

import feedparser
import requests
from django.conf import settings

from newsservice.outgoing import AddressRefused, GuardedAdapter
from search import press
from search.errors import ProviderError
from search.providers import http
from search.providers.query import matches
from search.providers.times import parse_time
from search.text import canonical_url, strip_markup, web_url
from search.types import Article, Page, Sort

logger = logging.getLogger(__name__)

SUMMARY_LIMIT = 500  # characters; some feeds carry whole articles
PROBE_SECONDS = 2.0


class RSSProvider:
    """All feeds are read at once and make one page: a feed has no second one."""

    name = "rss"

    def __init__(self) -> None:
        self._client = http.session(GuardedAdapter(pool_maxsize=16, max_retries=http.RetryFaults.default_policy()))

    def pages(self, query: str, *, sort: Sort, start: int) -> Iterator[Page]:
        articles = _without_repeats(self._read_all(query))
        if sort == "date":
            articles.sort(key=_age_order, reverse=True)
        yield Page(articles=tuple(articles[start - 1 :]), total=len(articles), is_last=True)

    def _read_all(self, query: str) -> list[Article]:
        """Read every feed; one that fails is left out, unless none answers."""
        urls = _urls(query)
        with ThreadPoolExecutor(max_workers=min(8, len(urls))) as pool:
            outcomes = list(pool.map(self._read, urls))
        failures = [outcome for outcome in outcomes if isinstance(outcome, ProviderError)]
        if len(failures) == len(urls):
            raise failures[0]
        found, *feeds = ([] if isinstance(outcome, ProviderError) else outcome for outcome in outcomes)
        return found + [article for feed in feeds for article in feed if matches(article, query)]

    def _read(self, url: str) -> list[Article] | ProviderError:
        try:
            reply = http.get(self._client, url, provider=self.name, redirects=True)
            if reply.status != 200:
                raise ProviderError(provider=self.name, status=reply.status, reason=f"HTTP {reply.status}")
            return _articles(reply)
        except ProviderError as exc:
            logger.warning("rss: %s is left out: %s", urlsplit(url).hostname, exc)
            return exc


def can_be_reached() -> bool:
    """Whether the search or any feed answers (a closed network's gateway refuses), found out within seconds."""
    urls = _urls("뉴스")
    with http.session(GuardedAdapter()) as client, ThreadPoolExecutor(max_workers=min(8, len(urls))) as pool:
        return any(pool.map(lambda url: _answers(client, url), urls))


def _answers(client: http.Session, url: str) -> bool:
    try:
        with client.follow(url, timeout=(PROBE_SECONDS, PROBE_SECONDS)) as response:
            return response.ok
    except (requests.RequestException, AddressRefused):
        return False


def _urls(query: str) -> list[str]:
    """Return where to ask: the search first, then the feeds of one's own."""
    return [settings.NEWS_RSS_SEARCH_URL.replace("{query}", quote(query, safe="")), *settings.NEWS_RSS_FEEDS]


def _articles(reply: http.Reply) -> list[Article]:
    """Return a feed's entries that have a title and a link; a reply that is no feed raises ProviderError."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    feed = feedparser.parse(BytesIO(reply.body), response_headers=headers, sanitize_html=False)
    if not feed.get("version"):
        raise ProviderError(provider="rss", reason="the answer is not a feed")
    return [article for entry in feed.entries if (article := _article(entry))]


def _article(entry: Any) -> Article | None:
    link = web_url(entry.get("link", ""))
    title = strip_markup(entry.get("title", ""))
    if not link or not title:
        return None
    source = entry.get("source", {})
    publisher = strip_markup(source.get("title", "")) or press.publisher(source.get("href", "") or link)
    # A search's summary only repeats the title, as a link with the publisher's name behind it.
    title = title.removesuffix(f" - {publisher}")
    summary = strip_markup(entry.get("summary", ""))[:SUMMARY_LIMIT]
    return Article(
        url=link,
        link=link,
        title=title,
        summary="" if summary.startswith(title) and len(summary) < len(title) + 40 else summary,
        publisher=publisher,
        published_at=parse_time(entry.get("published" if "published" in entry else "updated", "")),
    )


def _age_order(article: Article) -> datetime:
    return article.published_at or datetime.min.replace(tzinfo=UTC)


def _without_repeats(articles: Iterable[Article]) -> list[Article]:
    first_seen: dict[str, Article] = {}
    for article in articles:
        first_seen.setdefault(canonical_url(article.url), article)
    return list(first_seen.values())
