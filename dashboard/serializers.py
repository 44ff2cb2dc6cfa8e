"""What callers of the dashboard may send; and the shapes of what they get, for the schema."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from dashboard.companies import clean_aliases
from search.errors import InvalidName
from search.serializers import AnalysisResponse
from search.text import normalize_company


class CompanyRequest(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=500)
    aliases = serializers.ListField(child=serializers.CharField(max_length=50), max_length=20, required=False)
    stock_code = serializers.RegexField(r"^[0-9A-Z]{0,12}$", required=False, allow_blank=True)
    interval_minutes = serializers.IntegerField(min_value=1, max_value=7 * 24 * 60, required=False, allow_null=True)
    is_watched = serializers.BooleanField(required=False)

    def validate_name(self, name: str) -> str:
        try:
            return normalize_company(name)
        except InvalidName as exc:
            raise serializers.ValidationError(exc.message) from exc

    def validate_aliases(self, aliases: list[str]) -> list[str]:
        try:
            return clean_aliases(aliases)
        except InvalidName as exc:
            raise serializers.ValidationError(exc.message) from exc


class HistoryRequest(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=50, default=20)
    offset = serializers.IntegerField(min_value=0, max_value=10_000_000, default=0)
    detail = serializers.ChoiceField(choices=["brief", "full"], default="brief")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()  # `from` cannot be the name of an attribute
        return {
            **fields,
            "from": serializers.DateTimeField(required=False, source="since"),
            "to": serializers.DateTimeField(required=False, source="until"),
        }

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("since") and asked.get("until") and asked["since"] > asked["until"]:
            raise serializers.ValidationError({"from": [_("Later than `to`.")]})
        return asked


class Company(serializers.Serializer[Any]):
    company = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    stock_code = serializers.CharField(allow_blank=True)
    is_watched = serializers.BooleanField()
    interval_minutes = serializers.IntegerField()
    next_analysis_at = serializers.DateTimeField(allow_null=True)


class CompanyOutcome(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["success", "error", "no_data"])
    analyzed_at = serializers.DateTimeField(allow_null=True)
    news_count = serializers.IntegerField()
    analysis_method = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)


class CompanyWithOutcome(Company, CompanyOutcome):
    pass


@extend_schema_serializer(many=False)
class CompaniesResponse(serializers.Serializer[Any]):
    companies = serializers.ListField(child=serializers.CharField())
    total_count = serializers.IntegerField()
    analysis_interval = serializers.IntegerField(help_text=_("Minutes."))
    results = CompanyWithOutcome(many=True)


class Performance(serializers.Serializer[Any]):
    cache_hit_rate = serializers.FloatField()
    avg_response_time_ms = serializers.FloatField()


class ProviderQuota(serializers.Serializer[Any]):
    provider = serializers.CharField()
    limit = serializers.IntegerField(help_text=_("Calls of a day."))
    used = serializers.IntegerField()
    remaining = serializers.IntegerField()
    reserve = serializers.IntegerField(help_text=_("Of them, kept for people: the schedule leaves so many."))
    resets_at = serializers.DateTimeField()


class StatusResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["running", "no_data"])
    version = serializers.CharField()
    redis_connected = serializers.BooleanField()
    cache_enabled = serializers.BooleanField()
    monitored_companies = serializers.ListField(child=serializers.CharField())
    last_analysis_at = serializers.DateTimeField(allow_null=True)
    next_analysis_at = serializers.DateTimeField(allow_null=True)
    analysis_results = serializers.DictField(child=CompanyOutcome())
    total_success = serializers.IntegerField(help_text=_("Companies whose newest analysis succeeded."))
    total_error = serializers.IntegerField(help_text=_("Companies whose newest analysis failed."))
    performance = Performance()
    workers = serializers.IntegerField()
    provider_quota = ProviderQuota(allow_null=True, help_text=_("null where the provider counts no calls."))


class LatestResponse(AnalysisResponse):
    """An analysis; without its fields where there is none yet."""

    company = serializers.CharField()
    status = serializers.ChoiceField(choices=["success", "no_data"])
    analyzed_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in AnalysisResponse().get_fields():
            fields[name].required = False
        return fields


class HistoryResponse(serializers.Serializer[Any]):
    company = serializers.CharField()
    total_count = serializers.IntegerField()
    returned_count = serializers.IntegerField()
    history = serializers.ListField(child=serializers.DictField())


class AllLatestResponse(serializers.Serializer[Any]):
    companies = serializers.ListField(child=serializers.CharField())
    results = serializers.DictField(child=serializers.DictField())
    retrieved_at = serializers.DateTimeField()


class RequestedResponse(serializers.Serializer[Any]):
    company = serializers.CharField()
    status = serializers.ChoiceField(choices=["requested"])
    message = serializers.CharField()
    task_id = serializers.UUIDField()
    status_url = serializers.CharField()
    estimated_completion = serializers.DateTimeField()


class Progress(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    total = serializers.IntegerField()


class TaskError(serializers.Serializer[Any]):
    error_code = serializers.CharField()
    message = serializers.CharField(allow_blank=True)


class TaskResponse(serializers.Serializer[Any]):
    task_id = serializers.UUIDField()
    company = serializers.CharField()
    status = serializers.ChoiceField(choices=["queued", "running", "success", "error"])
    trigger = serializers.CharField()
    progress = Progress()
    queued_at = serializers.DateTimeField()
    run_after = serializers.DateTimeField(help_text=_("Not run before: a provider's fault is waited out."))
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField()
    error = TaskError(allow_null=True)
    analysis_id = serializers.IntegerField(allow_null=True)
    status_url = serializers.CharField()


class RunningResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["running"])
    task_id = serializers.UUIDField()
    status_url = serializers.CharField()


class CachedCompany(serializers.Serializer[Any]):
    company = serializers.CharField()
    entries = serializers.IntegerField()
    last_cached = serializers.DateTimeField()
    cache_size_kb = serializers.FloatField()
    hit_count = serializers.IntegerField()
    ttl_seconds = serializers.IntegerField()


class CacheInfoResponse(serializers.Serializer[Any]):
    total_cached_companies = serializers.IntegerField()
    cache_size_mb = serializers.FloatField()
    hit_rate_24h = serializers.FloatField()
    hits_24h = serializers.IntegerField()
    misses_24h = serializers.IntegerField()
    companies = CachedCompany(many=True)
    cache_settings = serializers.DictField()


class ClearedResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["cleared"])
    deleted_keys = serializers.IntegerField()
    message = serializers.CharField()
