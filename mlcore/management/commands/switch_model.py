"""manage.py switch_model: have another pair of models answer in all running processes, or the former again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlcore.switching import roll_back, switch_models
from newsservice.errors import DomainError


class Command(BaseCommand):
    help = (
        "Load a pair under MODELS_DIR here, try it on texts, and make it the active one: running web and worker "
        "processes take it up within seconds, without a restart. --rollback goes back to the former."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("name", nargs="?", metavar="NAME")
        which.add_argument("--rollback", action="store_true", help="go back to the pair before")

    def handle(self, *, name: str | None, rollback: bool, **options: Any) -> None:
        try:
            switch = roll_back() if rollback else switch_models(name or "")
        except DomainError as exc:
            raise CommandError(f"{exc.message} Nothing was changed.") from exc
        self.stdout.write(self.style.SUCCESS(f"{switch.name} is active"))
        for axis, revision in switch.revisions.items():
            self.stdout.write(f"  {axis:<10} {revision}")
        if switch.former:
            self.stdout.write(f"Former: {switch.former}; `manage.py switch_model --rollback` goes back to it.")
