"""Articles: what was seen, and what each pair of models said of it, side by side."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from dashboard.admin.filters import PeriodFilter, TextFilter
from dashboard.admin.record import RecordAdmin, newest
from dashboard.admin.stories import Judged, judged_of
from dashboard.models import Article, Revision

JUDGEMENTS_READ = 100  # of one article: a few for each revision


class PublishedFilter(PeriodFilter):
    title = _("published")
    column = "published_at"


class PublisherFilter(TextFilter):
    title = _("publisher")
    parameters = ("publisher",)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (publisher := self.cleaned()["publisher"]):
            return queryset
        return newest(request, queryset, by="published_at").filter(publisher__icontains=publisher)


@admin.register(Article)
class ArticleAdmin(RecordAdmin):
    list_display = ("title", "publisher", "published_at", "last_seen_at")
    list_filter = (PublishedFilter, PublisherFilter)
    search_fields = ("title",)
    search_help_text = _("Words of the title.")
    ordering = ("-published_at", "-pk")
    unread = ("summary", "url", "link")
    change_form_template = "admin/dashboard/article/change_form.html"
    fields = ("title", "summary", "publisher", "published_at", "last_seen_at", "url_shown", "link_shown")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if search_term:
            queryset = newest(request, queryset, by="published_at")
        return super().get_search_results(request, queryset, search_term)

    def beside(self, request: HttpRequest, obj: Article) -> dict[str, Any]:
        return {"columns": _columns(obj)}

    @admin.display(description=_("publisher's link"))
    def url_shown(self, article: Article) -> SafeString | str:
        return _link(article.url)

    @admin.display(description=_("portal's link"))
    def link_shown(self, article: Article) -> SafeString | str:
        return _link(article.link)


def _columns(article: Article) -> list[tuple[Revision, Judged]]:
    """Return a column for each revision and wording, newest revision first."""
    said = article.judgements.select_related("article", "revision").order_by("-revision", "-pk")[:JUDGEMENTS_READ]
    columns: dict[tuple[int, str], tuple[Revision, Judged]] = {}
    for row in said:
        judged = judged_of(row)
        columns.setdefault((row.revision_id, judged.article.title), (row.revision, judged))
    return list(columns.values())


def _link(address: str) -> SafeString | str:
    """Link to the web and nowhere else: a provider's word may be `javascript:…`."""
    if not address.startswith(("http://", "https://")):
        return address
    return format_html('<a href="{}" rel="noreferrer noopener">{}</a>', address, address)
