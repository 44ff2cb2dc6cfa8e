"""System checks of what no app owns: `manage.py check` says what is ignored, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.apps import AppConfig
from django.core import checks

# Known from deployments of News Service before 2.0.
IGNORED = {
    "CELERY_RESULT_BACKEND": "a run is a row in the database; no task's result is read",
    "HF_HOME": "models are read from MODELS_DIR alone, never from a hub's cache",
    "TRANSFORMERS_CACHE": "models are read from MODELS_DIR alone, never from a hub's cache",
    "TORCH_HOME": "models are read from MODELS_DIR alone, never from a hub's cache",
}


@checks.register()
def check_ignored_variables(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """Warn of each variable that is set and does nothing."""
    return [
        checks.Warning(f"{name} is ignored: {reason}.", hint="See docs/configuration.md.", id="system.W001")
        for name, reason in IGNORED.items()
        if os.environ.get(name)
    ]
