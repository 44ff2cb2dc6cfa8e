"""A list of millions: counted, searched and sorted only as far as an index reaches."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters, admin_urlname
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

REACH = 5000  # rows a list counts, and rows looked through for what no index finds


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts no further than REACH: older rows are found by their date."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[:REACH].count()


class RecordList(ChangeList):
    """Reads no JSON column that the list does not show, and sorts by nothing but the time.

    What was asked for goes with each row's link, written once: Django resolves every link anew to add it.
    """

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        self.asked = f"?{self.preserved_filters}" if self.preserved_filters else ""
        self.preserved_filters = ""

    def url_for_result(self, result: Model) -> str:
        return f"{super().url_for_result(result)}{self.asked}"

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return [*self.model_admin.get_ordering(request)]

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        unread = cast("RecordAdmin", self.model_admin).unread
        return super().get_queryset(request, exclude_parameters).defer(*unread)


class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What happened: looked at, deleted by who may, never written."""

    unread: ClassVar[tuple[str, ...]] = ()  # columns that the list leaves in the database
    reach = REACH
    actions = None
    paginator = BoundedPaginator
    list_per_page = 25
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count
    sortable_by = ()

    class Media:
        css: ClassVar = {"all": ["dashboard/admin.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse any filter but those offered: one typed into the address would walk the table."""
        single = [getattr(chosen, "parameter_name", None) for chosen in self.list_filter]
        several = [name for chosen in self.list_filter for name in getattr(chosen, "parameters", ())]
        return lookup in (*single, *several)

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the page of one record shows beside its fields."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        return super().render_change_form(
            request, {**context, **self.beside(request, obj)}, add=add, change=change, form_url=form_url, obj=obj
        )

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Go back to the list, and to what was asked of it: Django does for those who may change what is there."""
        super().response_delete(request, obj_display, obj_id)
        address = reverse(admin_urlname(self.opts, SafeString("changelist")), current_app=self.admin_site.name)
        asked: dict[str, Any] = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(asked, address))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


def newest(request: HttpRequest, rows: QuerySet[Any], *, by: str) -> QuerySet[Any]:
    """Narrow rows to the newest REACH of them, and tell the reader where there were more.

    `by` names an indexed column. Two steps, because a LIMIT inside the query would hide that index from it.
    """
    dated = rows.filter(**{f"{by}__isnull": False}).order_by(f"-{by}")
    if not (edge := list(dated.values_list(by, flat=True)[REACH - 1 : REACH])):
        return rows
    text = _("Only the newest %(count)d were looked through; give a company or a date to look further back.")
    if by != "pk":
        said = date_format(timezone.localtime(edge[0]), "SHORT_DATETIME_FORMAT")
        text = _("Only the newest %(count)d were looked through, back to %(date)s; choose dates to look further back.")
        messages.info(request, text % {"count": REACH, "date": said})
    else:
        messages.info(request, text % {"count": REACH})
    return rows.filter(**{f"{by}__gte": edge[0]})
