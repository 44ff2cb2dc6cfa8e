"""manage.py revoke_api_key: end a key of the API."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from system import keys


class Command(BaseCommand):
    help = "Revoke an API key by its name. Running processes refuse it within five seconds."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *, name: str, **options: Any) -> None:
        if not keys.revoke(name):
            raise CommandError(f"There is no API key named {name} that works.")
        self.stdout.write(f"{name} is revoked")
