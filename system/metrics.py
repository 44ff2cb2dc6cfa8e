"""`/system/metrics`: what all processes have counted, and what is so now, asked when it is scraped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.db import DatabaseError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework.request import Request
from rest_framework.views import APIView

from dashboard import workers
from dashboard.models import Analysis
from mlcore.engine import engine_status
from newsservice.metrics import REQUEST_SECONDS, REQUESTS
from newsservice.observability import span
from search.services import provider_quota

logger = logging.getLogger(__name__)

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestMetricsMiddleware:
    """Counts each request, and traces it, under its route's template; whatever a client made up is `other`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        method = request.method if request.method in METHODS else "other"
        with span("request", **{"http.request.method": method}) as add:
            response = self.get_response(request)
            route = _route(request)
            add(**{"http.route": route, "http.response.status_code": response.status_code})
            add(request_id=response.get("X-Request-ID", ""))
        REQUESTS.labels(method, route, response.status_code).inc()
        REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)
        return response


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None or match.url_name == "unknown":
        return "other"
    return str(simplify_regex(match.route))


class NowCollector(Collector):
    """What can go down. What cannot be asked now is left out: a gap is true, an old value is not."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            yield self._queue()
            yield GaugeMetricFamily("news_workers", "Workers that live.", value=len(workers.alive()))
        except DatabaseError as exc:
            logger.warning("metrics: the database does not say: %s", type(exc).__name__)
        yield self._models()
        yield from self._quota()

    def _queue(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("news_queue_analyses", "Analyses open now.", labels=["status"])
        open_now = Analysis.objects.filter(status__in=Analysis.OPEN, finished_at=None)  # which its index finds
        rows = open_now.order_by().values_list("status")
        found = dict(rows.annotate(count=Count("pk")))
        for status in Analysis.OPEN:
            family.add_metric([str(status)], found.get(status, 0))
        return family

    def _models(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("news_model_active", "What judges an axis.", labels=["axis", "method", "revision"])
        for status in engine_status():
            family.add_metric([status.axis, status.method or "none", status.revision or ""], 1)
        return family

    def _quota(self) -> Iterable[GaugeMetricFamily]:
        """The day's calls, where the provider counts them."""
        if not (quota := provider_quota()):
            return
        numbers = {
            "limit": ("Calls of a day.", quota.limit),
            "remaining": ("Calls that are left of the day.", quota.remaining),
            "reserve": ("Calls of a day that are kept for people.", quota.reserve),
        }
        for name, (said, value) in numbers.items():
            family = GaugeMetricFamily(f"news_provider_quota_{name}", said, labels=["provider"])
            family.add_metric(["naver"], value)
            yield family


class CountedCollector(MultiProcessCollector):
    """What all processes counted. A file without a byte, just made or made on a full disk, says nothing yet."""

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in Path(self._path).glob("*.db") if path.stat().st_size]
        return self.merge(files, accumulate=True)  # type: ignore[no-any-return, no-untyped-call]


class MetricsView(APIView):
    """What Prometheus scrapes, in its own format whatever it accepts; errors in ours."""

    schema = None

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        CountedCollector(registry)  # type: ignore[no-untyped-call]  # from PROMETHEUS_MULTIPROC_DIR
        registry.register(NowCollector())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
