"""One log for everything: text on a terminal, a JSON object a line elsewhere; the request id in every line."""

from __future__ import annotations

import sys
from typing import Any

import structlog

SHARED_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(*, level: str, fmt: str) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING; `fmt` is auto, text or json."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    as_text = fmt == "text" or (fmt == "auto" and sys.stderr.isatty())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "log": {"()": structlog.stdlib.ProcessorFormatter, "processors": _rendering(as_text)}
            | {"foreign_pre_chain": SHARED_PROCESSORS}
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "log"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django logs each 4xx and 5xx a second time; the request log line has them already.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"propagate": False},
            # Otherwise it has a handler of its own, in a form of its own.
            "gunicorn.error": {"handlers": ["stderr"], "level": level, "propagate": False},
        },
    }


def _rendering(as_text: bool) -> list[structlog.typing.Processor]:
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_text:
        # Plain: a traceback that shows local variables shows the provider's keys.
        plain = structlog.dev.plain_traceback
        return [strip, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [
        strip,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
