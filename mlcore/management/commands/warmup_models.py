"""manage.py warmup_models: load the active pair once, so that the first analysis finds its files in memory."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlcore.choice import active_name
from mlcore.errors import ModelInvalid
from mlcore.switching import try_models


class Command(BaseCommand):
    help = "Load the active pair here and try it on texts: its files are then in the system's memory, and sound."
    requires_system_checks = ()

    def handle(self, *args: object, **options: Any) -> None:
        started = time.perf_counter()
        try:
            revisions = try_models(active_name())
        except ModelInvalid as exc:
            raise CommandError(exc.message) from exc
        for axis, revision in revisions.items():
            self.stdout.write(f"{axis:<10} {revision}")
        self.stdout.write(self.style.SUCCESS(f"Loaded and tried in {time.perf_counter() - started:.1f} s"))
