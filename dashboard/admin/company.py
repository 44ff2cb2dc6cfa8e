"""Companies: which are watched, how often, what was found last; and the wish to have one analysed now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AdminIntegerFieldWidget
from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import selectors, tasks
from dashboard.admin.bars import NOTHING, draw_result
from dashboard.companies import change, clean_aliases, forget, save
from dashboard.errors import CompanyExists, NotMonitored, WorkerUnavailable
from dashboard.models import Analysis, Company
from dashboard.selectors import Brief, CompanyStatus
from newsservice.errors import DomainError
from search.text import normalize_company

LONGEST_INTERVAL = 7 * 24 * 60  # minutes
MOST_ALIASES, LONGEST_ALIAS = 20, 50


class LinesField(forms.CharField):
    """A list of short texts, typed one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list is what these lines are
        if isinstance(value, list):
            return value
        text = str(super().to_python(value))
        ProhibitNullCharactersValidator()(text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) > MOST_ALIASES or any(len(line) > LONGEST_ALIAS for line in lines):
            text = _("At most %(count)d lines of %(length)d characters.")
            raise forms.ValidationError(text % {"count": MOST_ALIASES, "length": LONGEST_ALIAS})
        return lines


class CompanyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    aliases = LinesField(
        required=False,
        label=gettext_lazy("Aliases"),
        help_text=gettext_lazy("One a line. Each is asked of the provider too."),
    )
    stock_code = forms.RegexField("^[0-9A-Z]{0,12}$", required=False, label=gettext_lazy("Stock code"))

    def clean_aliases(self) -> list[str]:
        try:
            return clean_aliases(self.cleaned_data["aliases"])
        except DomainError as exc:
            raise forms.ValidationError(exc.message) from exc

    def clean_name(self) -> str:
        try:
            return normalize_company(self.cleaned_data["name"])
        except DomainError as exc:
            raise forms.ValidationError(exc.message) from exc


class CompanyList(ChangeList):
    """A page of companies, each with its newest runs: three queries for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page = Company.objects.filter(pk__in=[company.pk for company in self.result_list])
        statuses = {status.company.pk: status for status in selectors.statuses(page)}
        found = selectors.found_by([status.latest.pk for status in statuses.values() if status.latest])
        self.result_list = [company for company in self.result_list if company.pk in statuses]  # others went meanwhile
        for company in self.result_list:
            company.status = statuses[company.pk]
            latest = company.status.latest
            company.summary = found[latest.pk][1] if latest and latest.pk in found else "{}"


@admin.register(Company)
class CompanyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    form = CompanyForm
    list_display = (
        "name", "is_watched", "interval_minutes", "stock_code", "next_run_at",
        "newest", "result", "analyses_link",
    )  # fmt: skip
    list_filter = ("is_watched",)
    search_fields = ("name", "stock_code")
    sortable_by = ("name", "is_watched", "next_run_at")
    fields = ("name", "is_watched", "interval_minutes", "stock_code", "aliases", "next_run_at", "created_at")
    readonly_fields = ("next_run_at", "created_at")
    list_per_page = 25
    actions = ("analyze_now", "watch", "unwatch")  # not inputs in the list, which cost more to draw than the rows

    class Media:
        css: ClassVar = {"all": ["dashboard/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CompanyList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django's; what others did to the company while its form was saved is said."""
        view = super().changeform_view
        try:
            page: HttpResponse = view(request, object_id, form_url, extra_context)
        except NotMonitored:
            page = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        except (CompanyExists, IntegrityError):  # the name was taken after the form had looked: it looks again
            page = view(request, object_id, form_url, extra_context)
        return page

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "interval_minutes":
            shown = AdminIntegerFieldWidget({"placeholder": settings.ANALYSIS_SCHEDULE_MINUTES})
            kwargs |= {"min_value": 1, "max_value": LONGEST_INTERVAL, "widget": shown}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Company, form: forms.ModelForm[Company], change: bool) -> None:
        """Write what was changed, and nothing else."""
        if not change:
            obj.save()
        save(obj, {name: getattr(obj, name) for name in form.changed_data})

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name the companies alone: their analyses go with them, and may be tens of thousands."""
        names = [_("%(company)s and all its analyses") % {"company": company} for company in objs]
        lacking = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, lacking, []

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """As Django's, but not in one transaction: a long history goes in portions."""
        page: HttpResponse = self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]
        return page

    def delete_model(self, request: HttpRequest, obj: Company) -> None:
        forget(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        for company in queryset:
            forget(company)

    @admin.action(description=gettext_lazy("Analyse now"), permissions=["change"])
    def analyze_now(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        """Queue each company; say of each whether it was queued, was under way already, or why not."""
        asked_at = timezone.now()
        outcomes: dict[tuple[int, str], list[str]] = defaultdict(list)
        for company in queryset:
            try:
                run = tasks.enqueue_analysis(company.name, trigger=Analysis.Trigger.ADMIN)
            except WorkerUnavailable as exc:
                self.message_user(request, exc.message, messages.ERROR)
                break
            except DomainError as exc:
                outcomes[messages.ERROR, exc.message].append(company.name)
            else:
                is_new = run.queued_at >= asked_at
                level, text = (messages.SUCCESS, _("Queued")) if is_new else (messages.INFO, _("Under way already"))
                outcomes[level, text].append(company.name)
        for (level, text), names in outcomes.items():
            self.message_user(request, f"{text}: {', '.join(names)}", level)

    @admin.action(description=gettext_lazy("Watch"), permissions=["change"])
    def watch(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        self._change(request, queryset.filter(is_watched=False), is_watched=True)

    @admin.action(description=gettext_lazy("No longer watch"), permissions=["change"])
    def unwatch(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        self._change(request, queryset.filter(is_watched=True), is_watched=False)

    def _change(self, request: HttpRequest, companies: QuerySet[Company], **fields: object) -> None:
        """Change each company, as its own page would; say how many were: not those deleted meanwhile."""
        count = 0
        for company in list(companies):
            with suppress(NotMonitored):
                self.log_change(request, change(company.name, **fields), [{"changed": {"fields": [*fields]}}])
                count += 1
        self.message_user(request, _("Changed: %(count)d") % {"count": count}, messages.SUCCESS)

    @admin.display(description=gettext_lazy("newest analysis"))
    def newest(self, company: Company) -> SafeString | str:
        runs: CompanyStatus = company.status  # type: ignore[attr-defined]  # set by CompanyList
        found = _link_to(runs.latest) if runs.latest else NOTHING
        if runs.last and runs.last.status in Analysis.OPEN:
            said = Analysis.Status(runs.last.status).label
            return format_html('{} <span class="quiet">{}</span>', found, said)
        if runs.last and runs.last.status == Analysis.Status.ERROR:
            return format_html('{} <span class="fault">{}</span>', found, runs.last.error_code)
        return found

    @admin.display(description=gettext_lazy("result"))
    def result(self, company: Company) -> SafeString | str:
        return draw_result(json.loads(company.summary))  # type: ignore[attr-defined]  # set by CompanyList

    @admin.display(description=gettext_lazy("analyses"))
    def analyses_link(self, company: Company) -> SafeString:
        address = reverse("admin:dashboard_analysis_changelist")
        return format_html('<a href="{}?company={}">{}</a>', address, company.pk, _("All analyses"))


def _link_to(run: Brief) -> SafeString:
    at = timezone.localtime(run.finished_at).strftime("%Y-%m-%d %H:%M")
    return format_html('<a href="{}">{}</a>', reverse("admin:dashboard_analysis_change", args=[run.pk]), at)
