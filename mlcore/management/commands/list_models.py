"""manage.py list_models: the pairs under MODELS_DIR, valid or why not, and which is active."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from mlcore.choice import active_name, current_choice
from mlcore.listing import Half, PairListing, list_pairs


class Command(BaseCommand):
    help = "List the model pairs under MODELS_DIR: revision, labels, size, copies, and why one cannot be used."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: object, **options: Any) -> None:
        pairs, active = list_pairs(), active_name()
        if options["json"]:
            listing = {
                "models_dir": str(settings.MODELS_DIR),
                "active": active,
                "former": current_choice().former or None,
                "models": [_describe_pair(pair) for pair in pairs],
            }
            self.stdout.write(json.dumps(listing, ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{len(pairs)} in {settings.MODELS_DIR}; active: {active}")
        if active != settings.MODEL_NAME:
            said = f"switch_model chose {active}; MODEL_NAME={settings.MODEL_NAME} is not heeded"
            self.stdout.write(self.style.WARNING(said))
        for pair in pairs:
            self._write_pair(pair)

    def _write_pair(self, pair: PairListing) -> None:
        verdict = self.style.SUCCESS("valid") if pair.is_valid else self.style.ERROR("not valid")
        copy_of = f"  copy of {pair.original}" if pair.is_copy else ""
        copy_of += ", answers in its place" if pair.stands_in else ""
        self.stdout.write(f"\n{pair.name}  {verdict}{copy_of}{'  ACTIVE' if pair.is_active else ''}")
        for half in pair.halves:
            if half.is_valid:
                size = f"{(half.size_bytes or 0) / 1e6:.1f} MB"
                said = f"{half.revision}  {' '.join(half.labels)}  {size}  {half.architecture}"
            else:
                said = self.style.ERROR(str(half.reason))
            self.stdout.write(f"  {half.axis:<10} {said}")


def _describe_pair(pair: PairListing) -> dict[str, Any]:
    return {
        "name": pair.name,
        "active": pair.is_active,
        "valid": pair.is_valid,
        "copy_of": pair.original if pair.is_copy else None,
        "copies": list(pair.copies),
        "stands_in": pair.stands_in,
        "axes": {half.axis: _describe_half(half) for half in pair.halves},
    }


def _describe_half(half: Half) -> dict[str, Any]:
    return {
        "valid": half.is_valid,
        "revision": half.revision,
        "labels": list(half.labels),
        "architecture": half.architecture,
        "size_bytes": half.size_bytes,
        "reason": half.reason,
    }
