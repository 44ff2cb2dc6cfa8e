"""The search API: cache first, then live."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from newsservice.api import validation_envelope
from search import services
from search.presenters import present_analysis, present_batch_item, present_search, present_trending
from search.serializers import (
    CATEGORIES,
    AnalysisResponse,
    AnalyzeRequest,
    BatchError,
    CompanySearchRequest,
    NewsSearchRequest,
    SearchResponse,
    TrendingRequest,
    TrendingResponse,
)

COMPANY = OpenApiParameter("company", str, OpenApiParameter.PATH, description="A company's name, percent-encoded.")
BATCH_ITEM = PolymorphicProxySerializer(
    component_name="BatchItem",
    serializers=[SearchResponse, BatchError],
    resource_type_field_name=None,
    many=True,
)


class SearchViewSet(ViewSet):
    """News by words or by company, searched and judged."""

    scope = "read"  # a search is asked by POST, and changes nothing
    takes_searches = True
    costly = frozenset({"analyze"})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()
        super().initial(request, *args, **kwargs)

    @property
    def elapsed_ms(self) -> float:
        return round(1000 * (time.perf_counter() - self.started), 1)

    @extend_schema(request=NewsSearchRequest, responses=SearchResponse)
    def news(self, request: Request) -> Response:
        """Search news by words."""
        body = NewsSearchRequest(data=request.data)
        body.is_valid(raise_exception=True)
        options = body.options()

        answer = services.search_news(body.validated_data["query"], options)

        return Response(present_search(answer, options=options, elapsed_ms=self.elapsed_ms))

    @extend_schema(parameters=[COMPANY], request=CompanySearchRequest, responses=SearchResponse)
    def company(self, request: Request, company: str) -> Response:
        """Search a company's news."""
        body = CompanySearchRequest(data=request.data)
        body.is_valid(raise_exception=True)
        options = body.options()

        answer = services.search_company(company, options)

        return Response(present_search(answer, options=options, elapsed_ms=self.elapsed_ms))

    @extend_schema(parameters=[COMPANY], request=AnalyzeRequest, responses=AnalysisResponse)
    def analyze(self, request: Request, company: str) -> Response:
        """Search a company's news, judge each story (E / S / G / 기타, 긍정 / 중립 / 부정) and sum up."""
        body = AnalyzeRequest(data=request.data)
        body.is_valid(raise_exception=True)

        answer = services.analyze_company(company, body.options())

        return Response(present_analysis(answer, elapsed_ms=self.elapsed_ms))

    @extend_schema(request=NewsSearchRequest(many=True), responses=BATCH_ITEM)
    def batch(self, request: Request) -> Response:
        """Run 1 to 10 searches at once; each answers, or fails, in its own place."""
        bodies = [NewsSearchRequest(data=item) for item in _batch_items(request.data)]
        valid = [body for body in bodies if body.is_valid()]

        outcomes = services.search_batch([(body.validated_data["query"], body.options()) for body in valid])

        by_body = dict(zip(map(id, valid), outcomes, strict=True))
        return Response([self._batch_item(body, by_body.get(id(body))) for body in bodies])

    @extend_schema(parameters=[TrendingRequest], responses=TrendingResponse)
    def trending(self, request: Request) -> Response:
        """Keywords that the news collected lately speak of more than those of the days before."""
        query = TrendingRequest(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data

        keywords = services.trending_keywords(
            category=CATEGORIES[asked["category"]], hours=asked["hours"], limit=asked["limit"]
        )

        return Response(present_trending(keywords, category=asked["category"] or "전체", at=datetime.now(UTC)))

    def _batch_item(self, body: NewsSearchRequest, outcome: services.Outcome | None) -> dict[str, object]:
        if outcome is None:
            asked = body.initial_data.get("query")
            return {"error": validation_envelope(body.errors), "query": asked if isinstance(asked, str) else None}
        return present_batch_item(
            outcome,
            query=body.validated_data["query"],
            options=body.options(),
            elapsed_ms=self.elapsed_ms,
        )


def _batch_items(data: object) -> list[dict[str, object]]:
    """Return a batch's objects. Raises ValidationError: no array, too short or long, or not of objects."""
    if not isinstance(data, list) or not 1 <= len(data) <= services.MAX_BATCH:
        raise ValidationError(_("An array of 1 to %(limit)d searches.") % {"limit": services.MAX_BATCH})
    errors = {str(n): [_("Not an object.")] for n, item in enumerate(data) if not isinstance(item, dict)}
    if errors:
        raise ValidationError(errors)
    return data
