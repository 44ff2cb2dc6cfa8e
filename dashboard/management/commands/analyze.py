"""`manage.py analyze 삼성전자 LG전자`: what the press says, as a table or as JSON."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlcore.labels import korean
from newsservice.errors import DomainError
from search.cache import Answer
from search.presenters import present_analysis, present_failure, service_status
from search.services import Options, analyze_company
from search.types import Analysis, JudgedStory, Summary

COLORS = {"E": "green", "S": "cyan", "G": "magenta", "positive": "green", "negative": "red"}


class Command(BaseCommand):
    requires_system_checks = ()  # what judges is said below every table
    help = "Search companies' news, judge each story and sum up. Goes on after a failure, but then exits non-zero."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("companies", nargs="+", metavar="COMPANY")
        parser.add_argument("--max-results", type=_max_results, default=50, metavar="N", help="1 to 1000 (50)")
        parser.add_argument("--json", action="store_true", help="One line of JSON a company, as the API answers.")
        cache = parser.add_mutually_exclusive_group()
        cache.add_argument("--force-refresh", action="store_true", help="Ask anew, and rewrite the cache.")
        cache.add_argument("--no-cache", action="store_true", help="Neither read nor write the cache.")

    def handle(self, *, companies: list[str], json: bool, **options: Any) -> None:
        progress = Console(stderr=True, highlight=False, no_color=options["no_color"] or None)
        console = Console(highlight=False, no_color=options["no_color"] or None)
        how = Options(max_results=options["max_results"], mode=_mode(options))
        if options["verbosity"] < 2:
            logging.getLogger().setLevel(logging.WARNING)
        failed = 0
        for number, company in enumerate(companies, start=1):
            progress.print(f"[dim]\\[{number}/{len(companies)}][/dim] {escape(company)} ... ", end="")
            started = time.perf_counter()
            try:
                answer = analyze_company(company, how, trigger="command")
            except DomainError as exc:
                failed += 1
                progress.print(f"[red]{exc.code}: {escape(exc.message)}[/red]")
                if json:
                    self._write_json(present_failure(exc, query=company))
                continue
            elapsed_ms = round(1000 * (time.perf_counter() - started), 1)
            progress.print(f"[green]{len(answer.value.judged)} stories[/green] in {elapsed_ms:g} ms")
            if json:
                self._write_json(present_analysis(answer, elapsed_ms=elapsed_ms))
            else:
                _print(console, answer)
        if failed:
            raise CommandError(f"{failed} of {len(companies)} failed.")

    def _write_json(self, answer: object) -> None:
        self.stdout.write(msgspec.json.encode(answer).decode())


def _max_results(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError("use a whole number from 1 to 1000")
    return int(text)


def _mode(options: dict[str, Any]) -> Any:
    return "refresh" if options["force_refresh"] else "bypass" if options["no_cache"] else "use"


def _print(console: Console, answer: Answer[Analysis]) -> None:
    analysis = answer.value
    table = Table(title=escape(analysis.company), title_justify="left", title_style="bold", expand=True)
    table.add_column("Headline", ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column("Publisher", no_wrap=True)
    table.add_column("ESG", no_wrap=True)
    table.add_column("Sentiment", no_wrap=True)
    table.add_column("Copies", justify="right")
    for judged in analysis.judged:
        table.add_row(*_row(judged))
    console.print(table)
    _print_summary(console, answer, analysis.summary)


def _row(judged: JudgedStory) -> tuple[str, ...]:
    article, judgement = judged.story.article, judged.judgement
    return (
        escape(article.title),
        escape(article.publisher),
        _colored(judgement.category.label, judgement.category.confidence),
        _colored(judgement.sentiment.label, judgement.sentiment.confidence),
        str(judged.story.mention_count) if judged.story.mention_count > 1 else "",
    )


def _colored(label: str, confidence: float) -> str:
    color = COLORS.get(label, "default")
    return f"[{color}]{korean(label)}[/{color}] [dim]{confidence:.2f}[/dim]"


def _print_summary(console: Console, answer: Answer[Analysis], summary: Summary) -> None:
    analysis, found = answer.value, answer.value.found
    counts = "  ".join(
        f"{korean(label)} {count}"
        for distribution in (summary.categories, summary.sentiments)
        for label, count in distribution.items()
    )
    left_out = f", {summary.left_out} not about it left out" if summary.left_out else ""
    console.print(f"  {summary.total} stories of {found.original_count} articles{left_out}    {counts}")
    console.print(f"  Keywords: {escape(', '.join(summary.top_keywords)) or '-'}")
    judged_by = service_status(analysis.models.values(), judged=len(analysis.judged))
    kept = "stale cache" if answer.is_stale else "cache" if answer.is_hit else "live"
    console.print(
        f"  [dim]{found.provider} at {found.searched_at:%Y-%m-%d %H:%M} UTC, {kept}; "
        f"judged by {judged_by}: {', '.join(analysis.models.values())}[/dim]\n"
    )
