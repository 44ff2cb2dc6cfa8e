"""What this process runs on, in the words of the banner, the health check and the home page."""

from __future__ import annotations

from django.conf import settings

from mlcore.engine import AxisStatus, known_engine
from search import store
from search.providers import current_provider


def describe_runtime() -> dict[str, object]:
    """Return provider, engine (by axis), device and cache, as last known: asks neither Redis nor database.

    Loads no model.
    """
    statuses, device = known_engine()
    return {
        "provider": current_provider().name,
        "engine": {status.axis: _describe(status) for status in statuses},
        "device": device,
        "cache": "redis" if settings.REDIS_URL else "local memory",
        "redis_connected": bool(settings.REDIS_URL) and store.was_connected(),
    }


def _describe(status: AxisStatus) -> str:
    """Return what answers, and why it is not what was chosen where it is not."""
    if status.method == "model" and status.reason:
        return f"{status.revision} ({status.reason})"
    return status.revision or f"none: {status.reason}"
