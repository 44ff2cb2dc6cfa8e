"""`manage.py prune_history`: delete what HISTORY_MAX_COUNT and HISTORY_EXPIRE_DAYS no longer keep."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from dashboard.history import prune


class Command(BaseCommand):
    help = "Delete analyses beyond HISTORY_MAX_COUNT or HISTORY_EXPIRE_DAYS, and articles nothing shows any more."
    requires_system_checks = ()

    def handle(self, **options: object) -> None:
        pruned = prune()
        self.stdout.write(f"{pruned.analyses} analyses and {pruned.articles} articles deleted.")
