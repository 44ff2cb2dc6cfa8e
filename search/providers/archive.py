"""News from a file on this machine: the bundled sample, or articles of one's own (`manage.py import_articles`).

An SQLite file, so that a year of articles is searched without holding it in memory, and an import is whole or
not at all. The sample is laid into the same table, in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock

from django.conf import settings

from search.errors import ProviderError
from search.providers.query import terms
from search.providers.records import article_from_record
from search.text import canonical_url
from search.types import Article, Page, Sort

SAMPLE = Path(__file__).parent / "sample" / "articles.jsonl"
PAGE_SIZE = 100

SCHEMA = """
CREATE TABLE IF NOT EXISTS article (
    identity TEXT PRIMARY KEY, url TEXT NOT NULL, link TEXT NOT NULL, title TEXT NOT NULL, summary TEXT NOT NULL,
    publisher TEXT NOT NULL, published_at REAL
);
CREATE INDEX IF NOT EXISTS article_published_at ON article (published_at DESC);
"""
# As relevant as a plain file can tell: named in the title first, then the newest.
ORDERS: dict[Sort, str] = {
    "date": "published_at DESC, identity",
    "sim": "(title LIKE :first ESCAPE '\\') DESC, published_at DESC, identity",
}


class ArchiveProvider:
    """Every term of the query must stand in title or summary."""

    def __init__(self) -> None:
        self.name = "archive" if _has_imported() else "archive (sample)"

    def pages(self, query: str, *, sort: Sort, start: int) -> Iterator[Page]:
        while True:
            articles, total = self._page(query, sort=sort, start=start)
            is_last = start + len(articles) > total or not articles
            yield Page(articles=articles, total=total, is_last=is_last)
            if is_last:
                return
            start += len(articles)

    def _page(self, query: str, *, sort: Sort, start: int) -> tuple[tuple[Article, ...], int]:
        patterns = [f"%{_escape(term)}%" for term in terms(query)] or ["%"]
        values: dict[str, object] = {f"term{n}": pattern for n, pattern in enumerate(patterns)}
        where = " AND ".join(f"title || ' ' || summary LIKE :term{n} ESCAPE '\\'" for n in range(len(patterns)))
        select = f"SELECT * FROM article WHERE {where} ORDER BY {ORDERS[sort]} LIMIT :size OFFSET :skip"  # noqa: S608
        count = f"SELECT count(*) FROM article WHERE {where}"  # noqa: S608 only our own names are put in
        page = {"first": patterns[0], "size": PAGE_SIZE, "skip": start - 1}
        with self._connection() as connection:
            rows = connection.execute(select, values | page).fetchall()
            total = connection.execute(count, values).fetchone()[0]
        return tuple(_article(row) for row in rows), total

    def _connection(self) -> AbstractContextManager[sqlite3.Connection]:
        return _opened(settings.ARCHIVE_PATH) if self.name == "archive" else _sample_opened()


def count_imported() -> int:
    """Return how many articles of one's own there are. Raises ProviderError."""
    if not settings.ARCHIVE_PATH.exists():
        return 0
    with _opened(settings.ARCHIVE_PATH) as connection:
        return int(connection.execute("SELECT count(*) FROM article").fetchone()[0])


def import_articles(articles: Iterable[Article]) -> tuple[int, int]:
    """Add articles, all or, if reading them fails, none; return how many are (new, known already).

    Raises ProviderError: the archive cannot be written.
    """
    settings.ARCHIVE_PATH.parent.mkdir(parents=True, exist_ok=True)
    with _opened(settings.ARCHIVE_PATH) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")  # searches go on while an import is written
        before = connection.total_changes
        given = _insert(connection, articles)
        new = connection.total_changes - before
    return new, given - new


def _has_imported() -> bool:
    if not settings.ARCHIVE_PATH.exists():
        return False
    with _opened(settings.ARCHIVE_PATH) as connection:
        return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM article)").fetchone()[0])


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            connection.executescript(SCHEMA)
            yield connection
    except sqlite3.DatabaseError as exc:
        raise ProviderError(provider="archive", reason=f"{path.name}: {exc}") from exc


@contextmanager
def _sample_opened() -> Iterator[sqlite3.Connection]:
    connection, lock = _sample()
    with lock:
        yield connection


@cache
def _sample() -> tuple[sqlite3.Connection, Lock]:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript(SCHEMA)
    with SAMPLE.open(encoding="utf-8") as lines:
        _insert(connection, (article_from_record(json.loads(line)) for line in lines))
    return connection, Lock()


def _insert(connection: sqlite3.Connection, articles: Iterable[Article]) -> int:
    given = 0
    for article in articles:
        given += 1
        connection.execute(
            "INSERT OR IGNORE INTO article VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                canonical_url(article.url),
                article.url,
                article.link,
                article.title,
                article.summary,
                article.publisher,
                article.published_at.timestamp() if article.published_at else None,
            ),
        )
    return given


def _article(row: tuple[str, str, str, str, str, str, float | None]) -> Article:
    _, url, link, title, summary, publisher, published_at = row
    return Article(
        url=url,
        link=link,
        title=title,
        summary=summary,
        publisher=publisher,
        published_at=None if published_at is None else datetime.fromtimestamp(published_at, UTC),
    )


def _escape(term: str) -> str:
    return term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
