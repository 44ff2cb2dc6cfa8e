"""`manage.py sync_schedule`: the schedule and the watched companies, as settings declare them."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from dashboard.schedules import sync_schedule


class Command(BaseCommand):
    help = "Declare the schedule and the watched companies; what an operator has changed stays."
    requires_system_checks = ("companies",)

    def handle(self, **options: object) -> None:
        entries, companies = sync_schedule()
        for name in (*entries, *companies):
            self.stdout.write(f"new: {name}")
        self.stdout.write(f"{len(entries)} entries and {len(companies)} companies are new.")
