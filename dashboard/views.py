"""The dashboard API: what the background collected, what is watched, what is cached."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from dashboard import companies, presenters, selectors, tasks
from dashboard import serializers as shapes
from dashboard.models import Analysis
from dashboard.waiting import analysis_on_a_worker
from search import inventory, usage
from search.presenters import present_analysis
from search.serializers import AnalysisResponse, AnalyzeRequest
from search.services import known_company, provider_quota
from search.views import COMPANY, SearchViewSet


class CompanyViewSet(ViewSet):
    """Watched companies and what is known of them."""

    costly = frozenset({"trigger"})

    @extend_schema(responses=shapes.CompaniesResponse)
    def list(self, request: Request) -> Response:
        """List the watched companies, their schedule and how their newest analysis went."""
        return Response(presenters.present_companies(selectors.statuses()))

    @extend_schema(request=shapes.CompanyRequest, responses={201: shapes.Company})
    def create(self, request: Request) -> Response:
        """Watch a company."""
        body = shapes.CompanyRequest(data=request.data)
        body.is_valid(raise_exception=True)

        company = companies.watch(**body.validated_data)

        return Response(presenters.present_company(company), status=201)

    @extend_schema(parameters=[COMPANY], request=shapes.CompanyRequest, responses=shapes.Company)
    def partial_update(self, request: Request, company: str) -> Response:
        """Change a watched company: its name, interval, whether it is watched."""
        body = shapes.CompanyRequest(data=request.data, partial=True)
        body.is_valid(raise_exception=True)

        changed = companies.change(company, **body.validated_data)

        return Response(presenters.present_company(changed))

    @extend_schema(parameters=[COMPANY], responses={204: None})
    def destroy(self, request: Request, company: str) -> Response:
        """Remove a company, its history and its cache; an analysis under way ends unheard."""
        companies.remove(company)
        return Response(status=204)

    @extend_schema(parameters=[COMPANY], responses=shapes.LatestResponse)
    @method_decorator(conditional_page)
    def latest(self, request: Request, company: str) -> Response:
        """Show a watched company's newest analysis."""
        watched = selectors.monitored_company(company)
        return Response(presenters.present_latest(watched, selectors.latest(watched)))

    @extend_schema(parameters=[COMPANY, shapes.HistoryRequest], responses=shapes.HistoryResponse)
    @method_decorator(conditional_page)
    def history(self, request: Request, company: str) -> Response:
        """List a watched company's analyses, newest first."""
        query = shapes.HistoryRequest(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        watched = selectors.monitored_company(company)

        total, ids = selectors.history(
            watched, since=asked.get("since"), until=asked.get("until"), offset=asked["offset"], limit=asked["limit"]
        )

        is_full = asked["detail"] == "full"
        return Response(presenters.present_history(watched, total=total, ids=ids, is_full=is_full))

    @extend_schema(parameters=[COMPANY], request=None, responses={202: shapes.RequestedResponse})
    def trigger(self, request: Request, company: str) -> Response:
        """Have a watched company analysed now; while it is, the same task is named again."""
        watched = selectors.monitored_company(company)

        run = tasks.enqueue_analysis(watched.name, trigger=Analysis.Trigger.MANUAL)

        return Response(presenters.present_requested(run), status=202)


class DashboardViewSet(ViewSet):
    """The whole: status, tasks, cache."""

    scopes: ClassVar = {"clear_company": "admin", "clear_all": "admin"}

    @extend_schema(responses=shapes.StatusResponse)
    def status(self, request: Request) -> Response:
        """Say how the service does."""
        statuses = selectors.statuses()
        workers = selectors.worker_count()
        quota = provider_quota()
        return Response(presenters.present_status(statuses, usage=usage.last_day(), workers=workers, quota=quota))

    @extend_schema(responses=shapes.AllLatestResponse)
    def latest(self, request: Request) -> Response:
        """Show the newest analysis of every watched company, without articles."""
        return Response(presenters.present_all_latest(selectors.statuses()))

    @extend_schema(responses=shapes.TaskResponse)
    def task(self, request: Request, task_id: UUID) -> Response:
        """Say how a requested analysis does."""
        return Response(presenters.present_task(selectors.run_by_task(task_id)))

    @extend_schema(responses=shapes.CacheInfoResponse)
    def cache_info(self, request: Request) -> Response:
        """Say what the cache holds and how it did in the last 24 hours."""
        return Response(presenters.present_cache(inventory.entries(), usage=usage.last_day()))

    @extend_schema(parameters=[COMPANY], responses={200: shapes.ClearedResponse})
    def clear_company(self, request: Request, company: str) -> Response:
        """Clear every layer of a company's cache; its history stays."""
        name = known_company(company).name
        message = _("The cache of %(company)s is empty.") % {"company": name}
        return Response(presenters.present_cleared(inventory.forget_subject(name), message))

    @extend_schema(responses={200: shapes.ClearedResponse})
    def clear_all(self, request: Request) -> Response:
        """Clear the whole cache; history and tasks stay."""
        return Response(presenters.present_cleared(inventory.forget_all(), _("The cache is empty.")))


class AnalyzeViewSet(SearchViewSet):
    """POST …/analyze: in this process, or, where workers run analyses, on one of them."""

    @extend_schema(
        parameters=[COMPANY], request=AnalyzeRequest, responses={200: AnalysisResponse, 202: shapes.RunningResponse}
    )
    def analyze(self, request: Request, company: str) -> Response:
        """Search a company's news, judge each story (E / S / G / 기타, 긍정 / 중립 / 부정) and sum up."""
        if settings.BACKGROUND == "embedded":
            return super().analyze(request, company)
        body = AnalyzeRequest(data=request.data)
        body.is_valid(raise_exception=True)

        outcome = analysis_on_a_worker(company, body.options(), wait_seconds=settings.ANALYZE_WAIT_SECONDS)

        if isinstance(outcome, Analysis):
            return Response(presenters.present_running(outcome), status=202)
        return Response(present_analysis(outcome, elapsed_ms=self.elapsed_ms))
