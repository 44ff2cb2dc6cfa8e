"""`manage.py import_articles FILE…`: news of one's own, for a machine without a provider."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from search.errors import ProviderError
from search.providers.archive import count_imported, import_articles
from search.providers.records import BadRecord, read_articles


class Command(BaseCommand):
    help = (
        "Bring articles of your own into the archive: JSONL or CSV with title, url, summary, published_at, "
        "publisher (Naver's names work too). A file is taken whole or not at all; known articles are skipped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *, files: list[Path], **options: object) -> None:
        failed = 0
        for number, path in enumerate(files, start=1):
            self.stdout.write(f"[{number}/{len(files)}] {path.name} ... ", ending="")
            try:
                new, known = import_articles(read_articles(path))
            except (BadRecord, ProviderError, OSError) as exc:
                failed += 1
                self.stdout.write(self.style.ERROR(str(exc)))
            else:
                self.stdout.write(self.style.SUCCESS(f"{new} new, {known} known"))
        if failed:
            raise CommandError(f"{failed} of {len(files)} failed.")
        self.stdout.write(f"The archive holds {count_imported()} articles.")
