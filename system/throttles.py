"""How often one may ask: counted by the minute in the shared cache (docs/decisions/0019-limits.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from search import store
from search.services import MAX_BATCH
from system import keys
from system.addresses import client_address, neighbourhood

if TYPE_CHECKING:  # it imports this module itself
    from rest_framework.views import APIView

WINDOW_SECONDS = 60
FALSE = {"", "0", "f", "false", "n", "no", "none", "off"}


class CallThrottle(BaseThrottle):
    """Calls of one key or person; of one address where neither is known. A batch counts its searches.

    The costly ones among them have a smaller limit too: analyses, what starts work, answers that must be made anew.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not settings.RATE_LIMITS:
            return True
        who, limit = _caller(request)
        # Before the body is read: one that cannot be is a call too, and of who is refused none is read.
        if is_over(f"call:{who}", limit):
            return False
        searches = _searches(request, view)
        further = min(MAX_BATCH, len(searches)) - 1
        if further > 0 and is_over(f"call:{who}", limit, by=further):
            return False
        cost = _cost(request, view, searches)
        return not cost or not is_over(f"live:{who}", min(limit, settings.RATE_LIVE), by=cost)

    def wait(self) -> float:
        return seconds_left()


def tries_too_often(request: HttpRequest, what: str) -> bool:
    """Count a try (a key that is not good, a password) against its address; whether there were too many."""
    address = neighbourhood(client_address(request))
    return settings.RATE_LIMITS and is_over(f"{what}:{address}", settings.RATE_PER_ADDRESS)


def is_over(what: str, limit: int, *, by: int = 1) -> bool:
    """Count; whether there are more in this minute than the limit. Without the cache nothing is refused."""
    window = int(time.time()) // WINDOW_SECONDS
    counted = store.increment(f"rate:{what}:{window}", by=by, seconds=2 * WINDOW_SECONDS)
    return counted is not None and counted > limit


def seconds_left() -> float:
    """Return the seconds until everybody counts anew."""
    return WINDOW_SECONDS - time.time() % WINDOW_SECONDS


def _caller(request: Request) -> tuple[str, int]:
    if isinstance(request.auth, keys.Key):
        return f"key-{request.auth.pk}", settings.RATE_PER_KEY
    user: Any = request.user
    if user is not None and user.pk is not None:
        return f"user-{user.pk}", settings.RATE_PER_KEY
    return neighbourhood(client_address(request)), settings.RATE_PER_ADDRESS


def _cost(request: Request, view: APIView, searches: Sequence[Mapping[str, object]]) -> int:
    """Return how many of RATE_LIVE a call takes."""
    method = str(request.method).lower()
    action = getattr(view, "action", None) or ("get" if method == "head" else method)  # as Django answers HEAD
    if action in getattr(view, "costly", ()):
        return 1
    anew = sum(str(search.get("force_refresh")).lower() not in FALSE for search in searches)
    return min(anew, MAX_BATCH)


def _searches(request: Request, view: APIView) -> list[dict[str, object]]:
    """Return the searches that a body asks for, in views that read one."""
    if request.method != "POST" or not getattr(view, "takes_searches", False):
        return []
    bodies = request.data if isinstance(request.data, list) else [request.data]
    return [body for body in bodies if isinstance(body, dict)]
