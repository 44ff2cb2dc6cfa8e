"""System checks of what no app owns: `manage.py check` says what is ignored, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from newsservice import observability

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


@checks.register()
def check_observability(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """Refuse a setting whose library is not there: nobody would be told."""
    ids = {"SENTRY_DSN": "system.E001", "OTEL_EXPORTER_OTLP_ENDPOINT": "system.E002"}
    return [
        checks.Error(
            f"{name} is set, but {library} is not installed.",
            hint="pip install -r requirements/observability.txt, or leave it empty.",
            id=ids[name],
        )
        for name, library in observability.missing().items()
    ]


LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@checks.register(checks.Tags.security)
def check_exposure(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """Warn where others can reach an open service, or cannot reach one that wants https."""
    if settings.BIND_ADDRESS in LOOPBACK:
        return []
    if settings.DEBUG:
        return [
            checks.Warning(
                f"The open embedded mode listens on {settings.BIND_ADDRESS}: whoever reaches it may do anything.",
                hint="Set DJANGO_DEBUG=false, or publish the port on this machine alone.",
                id="system.W002",
            )
        ]
    if settings.HTTPS_ONLY and not settings.TRUST_FORWARDED_PROTO:
        return [
            checks.Warning(
                "HTTPS_ONLY without TRUST_FORWARDED_PROTO: a proxy on another host that ends TLS is sent round in "
                "circles.",
                hint="Set TRUST_FORWARDED_PROTO=true behind such a proxy; HTTPS_ONLY=false where there is no TLS.",
                id="system.W003",
            )
        ]
    return []
