"""PostgreSQL with an end to our patience: a server that hangs holds up a request for DATABASE_SECONDS, not for ever.

What a server itself bounds (statement_timeout) it bounds only while it runs. Here the client gives up, and closes the
connection: an answer that comes late would be taken for the next question's. Bounded are requests, a worker's tasks
(by RUN_SECONDS, dashboard/tasks.py) and its sign of life; a command may wait as long as its work takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import psycopg
from django.conf import settings
from psycopg.errors import _WaitTimeout

if TYPE_CHECKING:  # settings import this module
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

OUT_OF_PATIENCE = 0.01
LOOK_SECONDS = 0.1  # between two looks for a signal, as psycopg has it


class _Patience:
    """How long each wait may last, seconds; next to nothing once one has lasted as long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


_patience: ContextVar[_Patience | None] = ContextVar("database_patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Bound what is waited for the database within: once for so long, then no more."""
    token = _patience.set(_Patience(seconds))
    try:
        yield
    finally:
        _patience.reset(token)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes longer than our patience."""

    def wait(self, gen: Any, interval: float = LOOK_SECONDS, timeout: float | None = None) -> Any:
        if (ours := _patience.get()) is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ours.seconds)
        except _WaitTimeout as exc:
            seconds, ours.seconds = ours.seconds, OUT_OF_PATIENCE
            self.close()
            raise psycopg.OperationalError(f"the database has not answered for {seconds:g} s") from exc


class DatabasePatienceMiddleware:
    """Bounds what a request waits for the database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with patience(settings.DATABASE_SECONDS):
            return self.get_response(request)
