"""System checks of what no app owns: `manage.py check` says what is ignored, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from newsservice import observability
from newsservice.env import SETTINGS

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
def check_files_of_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """W009: a setting is given twice, itself and by file; the file is read."""
    names = [name for setting in SETTINGS.values() for name in (setting.name, *setting.aliases)]
    return [
        _warn(
            f"{name} is not read: {name}_FILE is set too, and stands above it.",
            hint="Take one of them away. In compose, secrets come from files made at the first start.",
            id="W009",
        )
        for name in names
        if os.environ.get(name) and os.environ.get(f"{name}_FILE")
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


def _warn(said: str, *, hint: str, id: str) -> checks.CheckMessage:
    return checks.Warning(said, hint=hint, id=f"system.{id}")


@checks.register(checks.Tags.security)
def check_exposure(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """W002: others can reach an open service. W003: they cannot reach one that wants https."""
    if settings.BIND_ADDRESS in LOOPBACK:
        return []
    if not settings.API_KEYS_REQUIRED:
        said = f"No API key is asked for, and the service listens on {settings.BIND_ADDRESS}: it is open to all."
        hint = "Set DJANGO_DEBUG=false or API_KEYS_REQUIRED=true, or publish the port on this machine alone."
        return [_warn(said, hint=hint, id="W002")]
    if settings.HTTPS_ONLY and not settings.TRUST_FORWARDED_PROTO:
        said = "HTTPS_ONLY without TRUST_FORWARDED_PROTO: a proxy elsewhere that ends TLS goes round in circles."
        hint = "Set TRUST_FORWARDED_PROTO=true behind such a proxy; HTTPS_ONLY=false where there is no TLS."
        return [_warn(said, hint=hint, id="W003")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def check_limits(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """W004: nothing limits who asks. W005: each process counts for itself. W006: all clients look like the proxy."""
    messages = []
    if not settings.RATE_LIMITS:
        messages.append(_warn("RATE_LIMITS is off.", hint="One client can keep all others waiting.", id="W004"))
    elif settings.WEB_WORKERS > 1 and not settings.REDIS_URL:
        said = f"{settings.WEB_WORKERS} web processes without REDIS_URL: each has its own cache and counts alone."
        messages.append(_warn(said, hint="Set REDIS_URL, or WEB_WORKERS=1.", id="W005"))
    if settings.TRUST_FORWARDED_PROTO and not settings.NUM_PROXIES:
        said = "TRUST_FORWARDED_PROTO with NUM_PROXIES=0: all clients share the proxy's address."
        messages.append(_warn(said, hint="Set NUM_PROXIES to how many proxies add to X-Forwarded-For.", id="W006"))
    return messages


@checks.register()
def check_background(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """W007: workers share a database that is a file. W008: a broker that nobody asks."""
    messages = []
    if settings.BACKGROUND == "celery" and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        said = "BACKGROUND=celery with SQLite: workers of another host or container do not see its file."
        messages.append(_warn(said, hint="Set DATABASE_URL to a PostgreSQL.", id="W007"))
    if settings.BACKGROUND == "embedded" and os.environ.get("CELERY_BROKER_URL"):
        said = "CELERY_BROKER_URL is not asked: BACKGROUND is embedded."
        messages.append(_warn(said, hint="Set BACKGROUND=celery, or take CELERY_BROKER_URL away.", id="W008"))
    return messages
