"""Analyses: the runs as they were, and what each found. A record: it can be looked at, and deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import F, IntegerField, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThan
from django.forms import Media
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.admin import cache, models, running
from dashboard.admin.bars import NOTHING, draw_bar, draw_result
from dashboard.admin.filters import CompanyFilter, CompanyForm, PeriodFilter
from dashboard.admin.record import RecordAdmin, newest
from dashboard.admin.stories import rows_of
from dashboard.models import Analysis

Status = Analysis.Status
STORIES_A_PAGE = 50


class FinishedFilter(PeriodFilter):
    title = gettext_lazy("finished")
    column = "finished_at"


class ScannedFilter(admin.SimpleListFilter):
    """A choice no index knows: only the newest runs are looked through."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not (value := self.value()):
            return None
        return self.matching(newest(request, queryset, by=_time(request)), value)

    def matching(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(**{self.parameter_name or "": value})


class StatusFilter(ScannedFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if self.value() in Analysis.OPEN:  # few, and found by the index on finished_at
            return queryset.filter(finished_at=None, status=self.value())
        return super().queryset(request, queryset)


class TriggerFilter(ScannedFilter):
    title = gettext_lazy("trigger")
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Analysis.Trigger.choices


class CategoryFilter(ScannedFilter):
    title = gettext_lazy("ESG")
    parameter_name = "esg"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(label, _("with stories of %(label)s") % {"label": label}) for label in ("E", "S", "G")]

    def matching(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return runs.filter(**{f"summary__categories__{value}__gt": 0}) if value in ("E", "S", "G") else runs.none()


class SentimentFilter(ScannedFilter):
    title = gettext_lazy("sentiment")
    parameter_name = "sentiment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("negative", gettext_lazy("more negative than positive")),
            ("positive", gettext_lazy("more positive than negative")),
        ]

    def matching(self, runs: QuerySet[Any], value: str) -> QuerySet[Any]:
        other = {"negative": "positive", "positive": "negative"}.get(value)
        return runs.filter(GreaterThan(_stories(value), _stories(other))) if other else runs.none()


@admin.register(Analysis)
class AnalysisAdmin(RecordAdmin):
    list_display = ("time", "company", "status_shown", "trigger", "story_count", "result", "keywords")
    list_select_related = ("company",)
    list_filter = (CompanyFilter, FinishedFilter, StatusFilter, TriggerFilter, CategoryFilter, SentimentFilter)
    unread = ("found", "stories", "options", "error_message")
    change_form_template = "admin/dashboard/analysis/change_form.html"
    fieldsets = (
        (None, {"fields": ("company", "status_shown", "error_message", "trigger", "finished_at")}),
        (gettext_lazy("Result"), {"fields": ("esg", "sentiment", "keywords", "numbers", "provider", "revision")}),
        (
            gettext_lazy("Run"),
            {
                "fields": (
                    "queued_at",
                    "run_after",
                    "started_at",
                    "duration",
                    "worker",
                    "attempts",
                    "options",
                    "task_id",
                    "request_id",
                )
            },
        ),
    )

    @property
    def media(self) -> Media:
        return super().media + CompanyForm().media

    def get_urls(self) -> list[URLPattern]:
        return [
            path("running/", self.admin_site.admin_view(running.show_running), name="dashboard_running"),
            path("models/", self.admin_site.admin_view(models.show_models), name="dashboard_models"),
            path("cache/", self.admin_site.admin_view(cache.show_cache), name="dashboard_cache"),
            path("cache/entry/", self.admin_site.admin_view(cache.show_entry), name="dashboard_cache_entry"),
            path("cache/clear/", self.admin_site.admin_view(cache.clear_cache), name="dashboard_cache_clear"),
            *super().get_urls(),
        ]

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Newest first, along an index: a company's runs by their ids, all runs by when they finished."""
        by_time = [] if _time(request) == "pk" else [F("finished_at").desc(nulls_first=True)]
        return [*by_time, "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("company", "revision")

    def beside(self, request: HttpRequest, obj: Analysis) -> dict[str, Any]:
        page = Paginator(obj.stories, STORIES_A_PAGE).get_page(request.GET.get("page"))
        return {
            "title": _("Analysis of %(company)s") % {"company": obj.company.name},
            "subtitle": None,
            "page": page,
            "stories": rows_of(list(page)),
        }

    @admin.display(description=gettext_lazy("finished, or asked for"))
    def time(self, run: Analysis) -> str:
        return timezone.localtime(run.finished_at or run.queued_at).strftime("%Y-%m-%d %H:%M")

    @admin.display(description=gettext_lazy("stories"))
    def story_count(self, run: Analysis) -> int | str:
        return run.total if run.status == Status.SUCCESS else NOTHING

    @admin.display(description=gettext_lazy("result"))
    def result(self, run: Analysis) -> SafeString | str:
        return draw_result(run.summary)

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, run: Analysis) -> str:
        return f"{run.get_status_display()} ({run.error_code})" if run.error_code else run.get_status_display()

    @admin.display(description=gettext_lazy("ESG"))
    def esg(self, run: Analysis) -> SafeString | str:
        return draw_bar(run.summary.get("categories", {}))

    @admin.display(description=gettext_lazy("sentiment"))
    def sentiment(self, run: Analysis) -> SafeString | str:
        return draw_bar(run.summary.get("sentiments", {}))

    @admin.display(description=gettext_lazy("keywords"))
    def keywords(self, run: Analysis) -> str:
        return ", ".join(run.summary.get("top_keywords", [])[:5]) or NOTHING

    @admin.display(description=gettext_lazy("numbers"))
    def numbers(self, run: Analysis) -> str:
        if not run.summary:
            return NOTHING
        return _(
            "%(judged)d stories judged, %(left_out)d of them not about the company; "
            "%(articles)d articles found, %(copies)d of them copies"
        ) % {
            "judged": run.total,
            "left_out": run.summary["left_out"],
            "articles": run.found["original_count"],
            "copies": run.found["duplicates_removed"],
        }

    @admin.display(description=gettext_lazy("took"))
    def duration(self, run: Analysis) -> str:
        if not run.started_at or not run.finished_at:
            return NOTHING
        return _("%(seconds).1f seconds") % {"seconds": (run.finished_at - run.started_at).total_seconds()}


def _time(request: HttpRequest) -> str:
    """Return the column that an index keeps in order for what is asked."""
    return "pk" if request.GET.get("company") else "finished_at"


def _stories(sentiment: str) -> Cast:
    return Cast(KT(f"summary__sentiments__{sentiment}"), IntegerField())
