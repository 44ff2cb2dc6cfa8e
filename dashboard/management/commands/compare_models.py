"""manage.py compare_models A B: what would change in the news at hand if B judged in place of A."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dashboard.selectors import newest_articles
from mlcore.compare import Comparison, compare_engines
from mlcore.labelled import read_texts, text_of
from mlcore.labels import korean
from newsservice.errors import DomainError

STORED = 500  # articles that are read where nobody says how many


class Command(BaseCommand):
    help = (
        "Have two pairs of models judge the same texts, the newest articles of the database or a file, and print how "
        "often they agree, which labels change into which, and the changes that both are surest of."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("first", metavar="A", help="a pair under MODELS_DIR, or keyword: the lexicons")
        parser.add_argument("second", metavar="B")
        parser.add_argument(
            "--data",
            type=Path,
            metavar="FILE",
            help="a .txt with one text a line, or JSONL or CSV with title, description; in place of stored articles",
        )
        parser.add_argument(
            "--limit", type=_count, metavar="N", help=f"texts at most ({STORED} stored articles, or all of FILE)"
        )
        parser.add_argument("--show", type=_count, default=10, metavar="N", help="changes to print for each axis (10)")
        parser.add_argument("--json", action="store_true", help="print one JSON object, with every change")

    def handle(self, *, first: str, second: str, data: Path | None, limit: int | None, **options: Any) -> None:
        if options["verbosity"] < 2:
            logging.getLogger().setLevel(logging.WARNING)
        texts = _read(data)[:limit] if data else _stored(limit or STORED)
        try:
            compared = compare_engines(first, second, texts=texts)
        except DomainError as exc:
            raise CommandError(exc.message) from exc
        if options["json"]:
            axes = {one.axis: _describe(one) for one in compared}
            heading = {"first": first, "second": second, "texts": len(texts)}
            self.stdout.write(json.dumps({**heading, "axes": axes}, ensure_ascii=False))
            return
        self.stdout.write(f"{first} and {second} on {len(texts)} {'texts' if data else 'stored articles'}")
        console = Console(highlight=False, no_color=options["no_color"] or None)
        for one in compared:
            self.stdout.write(
                f"\n{one.axis}: {one.agreement:.1%} alike, probabilities drift by {one.drift_mean:.4f}, "
                f"{one.drift_max:.4f} at most"
            )
            with console.capture() as captured:
                console.print(_counts(one, first=first, second=second))
                for flip in one.flips[: options["show"]]:
                    change = f"{_said(flip.first, flip.first_confidence)} → "
                    change += _said(flip.second, flip.second_confidence)
                    console.print(f"  {change}  {escape(flip.text)}", soft_wrap=True)
            self.stdout.write(captured.get().rstrip())


def _stored(limit: int) -> list[str]:
    articles = newest_articles(limit)
    if not articles:
        raise CommandError("There are no stored articles yet: analyse a company, or give --data FILE.")
    # An article is stored once, but its title may be that of another.
    return list(dict.fromkeys(text_of(article.title, article.summary) for article in articles))


def _read(data: Path) -> list[str]:
    try:
        return list(dict.fromkeys(read_texts(data)))
    except (OSError, ValueError) as exc:
        raise CommandError(f"{data}: {exc.strerror if isinstance(exc, OSError) else exc}") from exc


def _counts(one: Comparison, *, first: str, second: str) -> Table:
    rows, columns = (sorted(set(labels)) for labels in zip(*one.counts, strict=True))
    table = Table()
    table.add_column(f"{first} \\ {second}")
    for label in columns:
        table.add_column(korean(label), justify="right")
    for row in rows:
        cells = (_cell(one.counts.get((row, column), 0), is_change=row != column) for column in columns)
        table.add_row(korean(row), *cells)
    return table


def _cell(count: int, *, is_change: bool) -> str:
    return f"[yellow]{count}[/yellow]" if count and is_change else str(count)


def _said(label: str, confidence: float) -> str:
    return f"{korean(label)} [dim]{confidence:.2f}[/dim]"


def _describe(one: Comparison) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    for (first, second), count in sorted(one.counts.items()):
        counts.setdefault(first, {})[second] = count
    return {
        "revisions": list(one.revisions),
        "agreement": one.agreement,
        "drift_mean": one.drift_mean,
        "drift_max": one.drift_max,
        "counts": counts,
        "flips": [asdict(flip) for flip in one.flips],
    }


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("use a whole number from 1")
    return int(text)
