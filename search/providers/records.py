"""Articles of one's own: a record of a JSONL or CSV file becomes an article, or says why not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from search import press
from search.providers.times import parse_time
from search.text import strip_markup, web_url
from search.types import Article

# Field -> the names it goes by, in this order; the second ones are Naver's.
FIELDS = {
    "title": ("title",),
    "url": ("url", "originallink", "link"),
    "link": ("link",),
    "summary": ("summary", "description"),
    "publisher": ("publisher", "press", "news_source"),
    "published_at": ("published_at", "published_date", "pubDate", "date"),
}


class BadRecord(ValueError):
    """What is wrong with a record, for the person who made the file."""


def read_articles(path: Path) -> Iterator[Article]:
    """Yield the articles of a UTF-8 .jsonl or .csv file. Raises BadRecord naming the file and the line."""
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for line in file:
            number += 1
            yield line

    read = csv.DictReader if path.suffix.lower() == ".csv" else _json_records
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from map(article_from_record, read(lines()))
        except UnicodeDecodeError as exc:
            raise BadRecord(f"{path.name}: not UTF-8 text") from exc
        except (BadRecord, csv.Error) as exc:
            raise BadRecord(f"{path.name}, line {number}: {exc}") from exc


def article_from_record(record: Mapping[str, object]) -> Article:
    """Return a record as an article, cleaned as a provider's. Raises BadRecord."""
    if not isinstance(record, Mapping):
        raise BadRecord("not an object")
    values = {field: _first(record, names) for field, names in FIELDS.items()}
    title, url = strip_markup(values["title"]), web_url(values["url"])
    if not title:
        raise BadRecord("no title")
    if not url:
        raise BadRecord(f"no http(s) url: {values['url'][:80]!r}")
    link = web_url(values["link"]) or url
    return Article(
        url=url,
        link=link,
        title=title,
        summary=strip_markup(values["summary"]),
        publisher=strip_markup(values["publisher"]) or press.publisher(url, link=link),
        published_at=_published_at(values["published_at"]),
    )


def _json_records(lines: Iterator[str]) -> Iterator[Mapping[str, object]]:
    for line in lines:
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise BadRecord(f"not JSON: {line[:80]!r}") from exc


def _first(record: Mapping[str, object], names: tuple[str, ...]) -> str:
    """Return the first of these fields that holds something."""
    name = next((name for name in names if record.get(name)), None)
    if name is None:
        return ""
    value = record[name]
    if not isinstance(value, str):
        raise BadRecord(f"{name} is not text")
    return value.strip()


def _published_at(text: str) -> datetime | None:
    moment = parse_time(text)
    if text and not moment:
        raise BadRecord(f"date {text[:40]!r} cannot be read (ISO-8601 or RFC-822)")
    return moment
