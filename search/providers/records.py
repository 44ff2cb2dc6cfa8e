"""Articles of one's own: a record of a JSONL or CSV file becomes an article, or says why not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from search import press
from search.text import strip_markup, web_url
from search.types import Article

SEOUL = ZoneInfo("Asia/Seoul")

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
    """Yield the articles of a UTF-8 .jsonl or .csv file. Raises BadRecord naming the line."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = csv.DictReader(lines) if path.suffix.lower() == ".csv" else _json_lines(lines)
        first = 2 if path.suffix.lower() == ".csv" else 1
        try:
            for number, record in enumerate(records, start=first):
                try:
                    yield article_from_record(record)
                except BadRecord as exc:
                    raise BadRecord(f"{path.name}, record {number}: {exc}") from exc
        except (UnicodeDecodeError, csv.Error) as exc:
            raise BadRecord(f"{path.name}: not UTF-8 text: {exc}") from exc


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


def _json_lines(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    for line in lines:
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as exc:
                raise BadRecord(f"not JSON: {line[:80]!r}") from exc


def _first(record: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((str(record[name]).strip() for name in names if record.get(name)), "")


def _published_at(text: str) -> datetime | None:
    """Read ISO-8601 or RFC-822; without an offset it is Seoul's time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError as exc:
            raise BadRecord(f"date {text[:40]!r} is neither ISO-8601 nor RFC-822") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=SEOUL)).astimezone(UTC)
