"""What callers may send, and the shapes of what they get (for the schema; search/presenters.py makes them)."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from search.collected import MAX_HOURS
from search.errors import InvalidName
from search.services import Options
from search.text import QUERY_LIMIT, normalize_query
from search.types import Verdict

SORTS = {"sim": "sim", "accuracy": "sim", "date": "date"}
CATEGORIES = {
    "": None,
    "전체": None,
    "all": None,
    "E": "E",
    "S": "S",
    "G": "G",
    "기타": "none",
    "none": "none",
}


class SearchOptions(serializers.Serializer[Any]):
    """How to search; every field may be left out."""

    default_max_results: ClassVar[int] = 100

    max_results = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    display = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, help_text=_("Another name of max_results.")
    )
    start = serializers.IntegerField(min_value=1, max_value=1000, default=1)
    sort = serializers.ChoiceField(choices=list(SORTS), default="sim")
    remove_duplicates = serializers.BooleanField(default=True)
    similarity_threshold = serializers.FloatField(
        min_value=0, max_value=1, default=lambda: settings.SIMILARITY_THRESHOLD
    )
    min_relevance = serializers.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        help_text=_(
            "Stories of a lower relevance_score are left out. Not given: none is, but the summary of an analysis "
            "counts only those about the company."
        ),
    )
    force_refresh = serializers.BooleanField(default=False)

    def options(self) -> Options:
        """Return what was asked, as the services take it."""
        asked = self.validated_data
        return Options(
            max_results=asked.get("max_results") or asked.get("display") or self.default_max_results,
            start=asked["start"],
            sort=SORTS[asked["sort"]],  # type: ignore[arg-type]
            remove_duplicates=asked["remove_duplicates"],
            similarity_threshold=asked["similarity_threshold"],
            min_relevance=asked.get("min_relevance"),
            mode="refresh" if asked["force_refresh"] else "use",
        )


class CompanySearchRequest(SearchOptions):
    pass


class AnalyzeRequest(SearchOptions):
    default_max_results = 50


class NewsSearchRequest(SearchOptions):
    default_max_results = 10

    query = serializers.CharField(max_length=10 * QUERY_LIMIT)

    def validate_query(self, query: str) -> str:
        try:
            return normalize_query(query)
        except InvalidName as exc:
            raise serializers.ValidationError(exc.message) from exc


class TrendingRequest(serializers.Serializer[Any]):
    category = serializers.ChoiceField(choices=[*CATEGORIES], default="전체", allow_blank=True)
    hours = serializers.IntegerField(min_value=1, max_value=MAX_HOURS, default=24)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class SearchMetadata(serializers.Serializer[Any]):
    company = serializers.CharField(required=False, help_text=_("Company searches only."))
    query = serializers.CharField(help_text=_("As the provider was asked."))
    total_found = serializers.IntegerField(help_text=_("The provider's own estimate."))
    returned_count = serializers.IntegerField()
    cache_hit = serializers.BooleanField()
    stale = serializers.BooleanField(help_text=_("Past its time: being made anew, or the provider fails."))
    response_time_ms = serializers.FloatField()
    search_time = serializers.DateTimeField(help_text=_("When the provider was asked."))
    provider = serializers.CharField()


class Relevance(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=get_args(Verdict))
    evidence = serializers.CharField(allow_blank=True, help_text=_("The words of the article that show it."))


class NewsItem(serializers.Serializer[Any]):
    title = serializers.CharField()
    url = serializers.CharField(help_text=_("The publisher's own link."))
    link = serializers.CharField(help_text=_("Where the provider serves it."))
    summary = serializers.CharField(allow_blank=True)
    published_date = serializers.DateTimeField(allow_null=True)
    news_source = serializers.CharField(allow_blank=True)
    relevance_score = serializers.FloatField(min_value=0, max_value=1)
    relevance = Relevance(allow_null=True, help_text=_("Company searches only."))
    mention_count = serializers.IntegerField(min_value=1)


class Deduplication(serializers.Serializer[Any]):
    original_count = serializers.IntegerField()
    duplicates_removed = serializers.IntegerField()
    similarity_threshold = serializers.FloatField()


class SearchResponse(serializers.Serializer[Any]):
    search_metadata = SearchMetadata()
    items = NewsItem(many=True)
    deduplication = Deduplication()


class EvidenceWord(serializers.Serializer[Any]):
    word = serializers.CharField()
    start = serializers.IntegerField(help_text=_("In title, a blank, summary."))
    end = serializers.IntegerField()


class Issue(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()


class Classification(serializers.Serializer[Any]):
    confidence = serializers.FloatField(min_value=0, max_value=1)
    scores = serializers.DictField(child=serializers.FloatField())
    reasoning = serializers.CharField(allow_blank=True, help_text=_("Words of this article that speak for it."))
    method = serializers.ChoiceField(choices=["model", "keyword"])
    evidence = EvidenceWord(many=True)


class ESGClassification(Classification):
    category = serializers.CharField(help_text="E, S, G, 기타; FIN …")
    issue = Issue(allow_null=True)


class SentimentAnalysis(Classification):
    label = serializers.ChoiceField(choices=["긍정", "중립", "부정"])  # type: ignore[assignment]  # Field.label


class AnalyzedNews(NewsItem):
    esg_classification = ESGClassification()
    sentiment_analysis = SentimentAnalysis()


class Models(serializers.Serializer[Any]):
    category = serializers.CharField()
    sentiment = serializers.CharField()


class AnalysisMetadata(serializers.Serializer[Any]):
    company = serializers.CharField()
    analysis_id = serializers.IntegerField(allow_null=True)
    analyzed_count = serializers.IntegerField()
    analysis_time = serializers.DateTimeField()
    ml_service_status = serializers.ChoiceField(
        choices=["local_model", "partial_fallback", "keyword_fallback", "no_data"]
    )
    cache_hit = serializers.BooleanField()
    stale = serializers.BooleanField()
    processing_time_ms = serializers.FloatField()
    models = Models()


class AnalysisSummary(serializers.Serializer[Any]):
    total_analyzed = serializers.IntegerField(help_text=_("Stories counted here."))
    left_out = serializers.IntegerField(help_text=_("Stories shown, but not about the company: not counted."))
    esg_distribution = serializers.DictField(child=serializers.IntegerField())
    sentiment_distribution = serializers.DictField(child=serializers.IntegerField())
    top_keywords = serializers.ListField(child=serializers.CharField())


class AnalysisResponse(serializers.Serializer[Any]):
    analysis_metadata = AnalysisMetadata()
    analyzed_news = AnalyzedNews(many=True)
    summary = AnalysisSummary()
    search_metadata = SearchMetadata()
    deduplication = Deduplication()


class BatchError(serializers.Serializer[Any]):
    error = serializers.DictField(help_text=_("The error envelope."))
    query = serializers.CharField(allow_null=True)


@extend_schema_serializer(many=False)
class TrendingResponse(serializers.Serializer[Any]):
    class Detail(serializers.Serializer[Any]):
        keyword = serializers.CharField()
        count = serializers.IntegerField()
        previous = serializers.IntegerField()
        score = serializers.FloatField()

    keywords = serializers.ListField(child=serializers.CharField())
    details = Detail(many=True)
    category = serializers.CharField()
    last_updated = serializers.DateTimeField()
