"""The cache: every answer it holds, how it did today, and how to be rid of some or all of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.models import Analysis
from search import inventory, store, usage
from search.inventory import Entry

logger = logging.getLogger(__name__)

ENTRIES_A_PAGE = 50
MAY_CLEAR = "dashboard.change_company"  # who runs the service: the same as for "Analyse now"


@permission_required("dashboard.view_analysis", raise_exception=True)
@require_http_methods(["GET", "POST"])
def show_cache(request: HttpRequest) -> HttpResponse:
    """List what is kept, newest first; POST deletes the chosen entries."""
    if request.method == "POST":
        return _delete_chosen(request)
    words = request.GET.get("q", "").strip()
    entries, day = inventory.entries(), usage.last_day()
    found = [entry for entry in entries if words.casefold() in entry.subject.casefold()]
    page = Paginator(found, ENTRIES_A_PAGE).get_page(request.GET.get("p"))
    left = store.seconds_left([entry.key for entry in page.object_list])
    context = {
        "q": words,
        "query": urlencode({"q": words}) + "&" if words else "",
        "now": datetime.now(UTC),
        "page": page,
        "rows": [_row(entry, left.get(entry.key)) for entry in page.object_list],
        "count": len(entries),
        "size_bytes": sum(entry.size_bytes for entry in entries),
        "usage": day,
        "hit_percent": 100 * day.hit_rate,
        "is_enabled": settings.CACHE_ENABLED,
        "is_redis": bool(settings.REDIS_URL),
        "is_connected": store.is_connected(),
        "may_clear": request.user.has_perm(MAY_CLEAR),
    }
    return _render(request, "cache.html", _("Cache"), context)


@permission_required("dashboard.view_analysis", raise_exception=True)
def show_entry(request: HttpRequest) -> HttpResponse:
    """Show an answer as the JSON it is."""
    key = request.GET.get("key", "")
    if (content := inventory.content(key)) is None:
        raise Http404(_("It is no longer kept."))
    text = msgspec.json.format(content, indent=2).decode()
    return _render(request, "cache_entry.html", _("A cached answer"), {"key": key, "text": text})


@permission_required(MAY_CLEAR, raise_exception=True)
@require_http_methods(["GET", "POST"])
def clear_cache(request: HttpRequest) -> HttpResponse:
    """Ask whether everything shall go; POST is the yes."""
    if request.method == "GET":
        return _render(request, "cache_clear.html", _("Empty the cache?"), {"count": len(inventory.entries())})
    _say_deleted(request, inventory.forget_all())
    return redirect("admin:dashboard_cache")


@permission_required(MAY_CLEAR, raise_exception=True)
def _delete_chosen(request: HttpRequest) -> HttpResponse:
    _say_deleted(request, inventory.forget_entries(request.POST.getlist("key")))
    return redirect("admin:dashboard_cache")


def _say_deleted(request: HttpRequest, count: int) -> None:
    logger.info("cache: %d entries deleted by user %s", count, request.user.pk)
    messages.success(request, _("Deleted: %(count)d") % {"count": count})


def _row(entry: Entry, left: int | None) -> dict[str, object]:
    return {
        "entry": entry,
        "stored_at": datetime.fromtimestamp(entry.stored_at, UTC),
        "fresh_until": datetime.fromtimestamp(entry.fresh_until, UTC),
        "gone_at": None if left is None else datetime.now(UTC) + timedelta(seconds=left),
    }


def _render(request: HttpRequest, template: str, title: str, context: dict[str, object]) -> HttpResponse:
    around = {**admin.site.each_context(request), "title": title, "opts": Analysis._meta}
    return render(request, f"admin/dashboard/{template}", {**around, **context})
