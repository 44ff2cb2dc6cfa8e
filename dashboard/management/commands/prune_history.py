"""`manage.py prune_history`: delete what HISTORY_MAX_COUNT and HISTORY_EXPIRE_DAYS no longer keep."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandParser

from dashboard.history import prune, recount


class Command(BaseCommand):
    help = "Delete analyses beyond HISTORY_MAX_COUNT or HISTORY_EXPIRE_DAYS, and articles nothing shows any more."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--recount",
            action="store_true",
            help="delete nothing; count each company's analyses anew, after rows were changed by other means",
        )

    def handle(self, **options: object) -> None:
        if options["recount"]:
            self.stdout.write(f"{recount()} companies kept a wrong number of analyses.")
            return
        pruned = prune()
        self.stdout.write(f"{pruned.analyses} analyses and {pruned.articles} articles deleted.")
