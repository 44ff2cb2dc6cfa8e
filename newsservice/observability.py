"""Errors to Sentry, traces to an OTLP collector: where their settings are given, and not even imported elsewhere.

What leaves the house is what went wrong and where: no body, no query, no header, no address of a client, no variable
of a frame, and none of our secrets, wherever it may stand. A span says which route, which provider, how long.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings

from newsservice.env import SETTINGS
from newsservice.version import VERSION

if TYPE_CHECKING:  # optional: requirements/observability.txt
    from opentelemetry.trace import Span, Tracer
    from sentry_sdk.types import Event, Hint

logger = logging.getLogger(__name__)

NEEDED = {
    "SENTRY_DSN": "sentry_sdk",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "opentelemetry.exporter.otlp.proto.http",
}
FORESEEN = {"is_foreseen": True}  # `extra` of a log line about an error that has its code and its answer
SHORTEST_SECRET = 6  # a shorter one would be found in every other word

_tracer: Tracer | None = None


def missing() -> dict[str, str]:
    """Return the settings that are given and whose library is not installed, with its name."""
    return {name: library for name, library in NEEDED.items() if getattr(settings, name) and not _is_there(library)}


def start() -> None:
    """Begin what settings ask for. Once in a process that serves or runs analyses; a fork of it goes on."""
    absent = missing()
    for name, library in absent.items():
        logger.error(
            "%s is set, but %s is not installed: pip install -r requirements/observability.txt", name, library
        )
    if settings.SENTRY_DSN and "SENTRY_DSN" not in absent:
        _start_sentry()
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT and "OTEL_EXPORTER_OTLP_ENDPOINT" not in absent:
        _start_tracing()


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[Callable[..., None]]:
    """Trace what is done within; yields what adds attributes, known by their end. Free where nothing is traced."""
    if _tracer is None:
        yield _add_nothing
        return
    attributes |= _request()
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as traced:
        try:
            yield lambda **more: traced.set_attributes(more)
        except BaseException as exc:
            _mark_failed(traced, exc)
            raise


def scrub(event: Event, hint: Hint) -> Event | None:
    """Return an event without what must not leave the house; None where none was raised, or foreseen."""
    if "exception" not in event or getattr(hint.get("log_record"), "is_foreseen", False):
        return None
    method = str(event.get("request", {}).get("method", ""))
    for name in ("request", "user", "breadcrumbs", "extra", "contexts"):
        event.pop(name, None)  # type: ignore[misc]
    event["tags"] = {"method": method, **_request()}
    secrets = [value for value in _secrets() if len(value) >= SHORTEST_SECRET]
    cleaned: Event = _without(event, secrets)
    return cleaned


def _start_sentry() -> None:
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=f"news-service@{VERSION}",
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=scrub,
    )


def _start_tracing() -> None:
    """The SDK reads OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME and its other variables itself."""
    global _tracer
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or "news-service", "service.version": VERSION}
    provider = TracerProvider(resource=Resource.create(named))
    endpoint = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _tracer = provider.get_tracer("newsservice", VERSION)


def _is_there(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ImportError:  # of a package above it
        return False


def _add_nothing(**attributes: str | int) -> None:
    """Where nothing is traced."""


def _mark_failed(traced: Span, exc: BaseException) -> None:
    from opentelemetry.trace import StatusCode

    traced.set_status(StatusCode.ERROR)
    traced.set_attribute("error.type", type(exc).__name__)


def _request() -> dict[str, str]:
    """Return the id under which the log knows it."""
    known = structlog.contextvars.get_contextvars()
    return {name: str(known[name]) for name in ("request_id", "run") if known.get(name)}


def _secrets() -> Iterator[str]:
    """Yield every secret setting's value, and the passwords in addresses."""
    for name in (setting.name for setting in SETTINGS.values() if setting.is_secret):
        value = str(getattr(settings, name, ""))
        yield value
        if "://" in value and "@" in value:
            yield value.partition("://")[2].rpartition("@")[0].rpartition(":")[2]
    yield settings.SECRET_KEY


def _without(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(item, secrets) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "…")
    return value
