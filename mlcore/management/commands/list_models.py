"""manage.py list_models: the pairs under MODELS_DIR, valid or why not, and which is active."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from mlcore import registry
from mlcore.errors import ModelInvalid
from mlcore.types import AXES, Axis


class Command(BaseCommand):
    help = "List the model pairs under MODELS_DIR: revision, labels, size, and why one cannot be used."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: object, **options: Any) -> None:
        pairs = [_describe_pair(name) for name in registry.list_names()]
        listing = {"models_dir": str(settings.MODELS_DIR), "active": registry.active_name(), "models": pairs}
        if options["json"]:
            self.stdout.write(json.dumps(listing, ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{len(pairs)} in {settings.MODELS_DIR}; MODEL_NAME is {registry.active_name()}")
        for pair in pairs:
            self._write_pair(pair)

    def _write_pair(self, pair: dict[str, Any]) -> None:
        verdict = self.style.SUCCESS("valid") if pair["valid"] else self.style.ERROR("not valid")
        self.stdout.write(f"\n{pair['name']}  {verdict}{'  ACTIVE' if pair['active'] else ''}")
        for axis, half in pair["axes"].items():
            if half["valid"]:
                size = f"{half['size_bytes'] / 1e6:.1f} MB"
                said = f"{half['revision']}  {' '.join(half['labels'])}  {size}  {half['architecture']}"
            else:
                said = self.style.ERROR(half["reason"])
            self.stdout.write(f"  {axis:<10} {said}")


def _describe_pair(name: str) -> dict[str, Any]:
    axes = {axis: _describe_half(name, axis=axis) for axis in AXES}
    return {
        "name": name,
        "active": name == registry.active_name(),
        "valid": all(half["valid"] for half in axes.values()),
        "axes": axes,
    }


def _describe_half(name: str, *, axis: Axis) -> dict[str, Any]:
    try:
        model = registry.find_model(name, axis=axis)
        return {
            "valid": True,
            "revision": model.revision,
            "labels": list(model.labels),
            "architecture": model.architecture,
            "size_bytes": model.size,
            "reason": None,
        }
    except ModelInvalid as exc:
        return {
            "valid": False,
            "revision": None,
            "labels": [],
            "architecture": None,
            "size_bytes": None,
            "reason": exc.message,
        }
