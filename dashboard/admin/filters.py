"""Filters of long lists: forms where a choice would have hundreds of entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.models import Analysis, Company


class FormFilter(admin.ListFilter):
    """A filter that is filled in rather than chosen; keeps the other filters as they are."""

    parameters: ClassVar[tuple[str, ...]]
    template = "admin/dashboard/form_filter.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.asked = request.GET
        for name in self.parameters:
            if values := params.pop(name, None):
                self.used_parameters[name] = values[-1].strip()

    @property
    def form(self) -> forms.Form:
        raise NotImplementedError

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield one entry: the form, and what else the address holds."""
        others = [(k, v) for k, v in self.asked.items() if k not in (*self.parameters, PAGE_VAR)]
        is_used = any(self.used_parameters.values())
        clear = changelist.get_query_string(remove=[*self.parameters]) if is_used else None
        yield {"form": self.form, "others": others, "clear": clear, "selected": is_used}

    def cleaned(self) -> dict[str, Any]:
        form = self.form
        if not form.is_valid():
            raise IncorrectLookupParameters(form.errors)
        return form.cleaned_data


class CompanyForm(forms.Form):
    company = forms.ModelChoiceField(
        Company.objects.all(),
        required=False,
        label=_("Company"),
        widget=AutocompleteSelect(Analysis._meta.get_field("company"), admin.site),
    )


class CompanyFilter(FormFilter):
    title = _("company")
    parameters = ("company",)

    @property
    def form(self) -> forms.Form:
        return CompanyForm(self.used_parameters, auto_id="filter_%s")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        company = self.cleaned()["company"]
        return queryset.filter(company=company) if company else queryset


class PeriodForm(forms.Form):
    since = forms.DateField(required=False, label=_("From"), widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    until = forms.DateField(required=False, label=_("To"), widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


class PeriodFilter(FormFilter):
    """Days, as the reader's calendar has them, both of them included."""

    parameters = ("since", "until")
    column: ClassVar[str]

    @property
    def form(self) -> forms.Form:
        return PeriodForm(self.used_parameters, auto_id="filter_%s")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        days = self.cleaned()
        if since := days["since"]:
            queryset = queryset.filter(**{f"{self.column}__gte": _midnight(since)})
        if until := days["until"]:
            queryset = queryset.filter(**{f"{self.column}__lt": _midnight(until + timedelta(days=1))})
        return queryset


class TextFilter(FormFilter):
    """Words somewhere in a column."""

    @property
    def form(self) -> forms.Form:
        (name,) = self.parameters
        form = forms.Form(self.used_parameters, auto_id="filter_%s")
        form.fields[name] = forms.CharField(required=False, max_length=100, label=str(self.title))
        return form


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
