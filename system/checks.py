"""System checks of what no app owns: `manage.py check` says what is ignored, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.apps import AppConfig
from django.core import checks

NO_WORKERS = "there are no background workers yet; every analysis runs in the process that is asked for it"

# Known from deployments of News Service before 2.0.
IGNORED = {
    "ANALYSIS_SCHEDULE_MINUTES": NO_WORKERS,
    "ANALYSIS_INTERVAL_MINUTES": NO_WORKERS,
    "CELERY_BROKER_URL": NO_WORKERS,
    "CELERY_RESULT_BACKEND": NO_WORKERS,
    "WORKER_CONCURRENCY": NO_WORKERS,
    "WORKER_PREFETCH_MULTIPLIER": NO_WORKERS,
    "HISTORY_MAX_COUNT": "no history of analyses is stored yet",
    "HISTORY_EXPIRE_DAYS": "no history of analyses is stored yet",
    "INFERENCE_TIMEOUT": "a model's batch is never cut short; PROVIDER_READ_SECONDS bounds the provider",
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
