"""What this process runs on, in the words of the banner, the health check and the home page."""

from __future__ import annotations

from django.conf import settings

from mlcore.engine import device_name, engine_status
from search import store
from search.providers import current_provider


def describe_runtime() -> dict[str, object]:
    """Return provider, engine (by axis), device and cache. Loads no model."""
    return {
        "provider": current_provider().name,
        "engine": {status.axis: status.revision or f"none: {status.reason}" for status in engine_status()},
        "device": device_name(),
        "cache": "redis" if settings.REDIS_URL else "local memory",
        "redis_connected": bool(settings.REDIS_URL) and store.is_connected(),
    }
