"""manage.py create_api_key: a new key of the API, printed once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from system import keys
from system.models import ApiKey


class Command(BaseCommand):
    help = (
        "Make an API key and print it: this once, since only its hash is kept. What else there is to say goes to "
        "stderr."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="who uses it")
        parser.add_argument("--scope", choices=ApiKey.Scope.values, default="read", help="default: read")
        parser.add_argument("--expires", type=int, metavar="DAYS", help="days until it ends; never, where left out")

    def handle(self, *, name: str, scope: str, expires: int | None, **options: Any) -> None:
        if expires is not None and not 1 <= expires <= 36_500:
            raise CommandError("--expires: 1 to 36500 days.")
        until = None if expires is None else timezone.now() + timedelta(days=expires)
        try:
            row = keys.create(name, scope=scope, expires_at=until)
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        self.stderr.write(f"{row.name}: scope {scope}, {f'until {until:%Y-%m-%d}' if until else 'without an end'}")
        self.stdout.write(row.token)
