"""mlcore: texts in, labels out."""

from __future__ import annotations

from django.apps import AppConfig


class MlcoreConfig(AppConfig):
    name = "mlcore"

    def ready(self) -> None:
        from mlcore import checks  # noqa: F401  registers them
