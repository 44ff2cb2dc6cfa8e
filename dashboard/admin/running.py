"""What runs now, and what waits."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard import workers
from dashboard.models import Analysis
from search.services import provider_quota

MOST_SHOWN = 200


@permission_required("dashboard.view_analysis", raise_exception=True)
def show_running(request: HttpRequest) -> HttpResponse:
    """List the open runs: those under way, then those that wait, next first. An index holds each."""
    open_now = Analysis.objects.filter(finished_at=None)
    runs = open_now.select_related("company").defer("found", "summary", "stories", "options")
    running = runs.filter(status=Analysis.Status.RUNNING).order_by("started_at", "pk")
    queued = runs.filter(status=Analysis.Status.QUEUED).order_by("run_after", "pk")
    context = {
        **admin.site.each_context(request),
        "title": _("Running analyses"),
        "opts": Analysis._meta,
        "running": running[:MOST_SHOWN],
        "queued": queued[:MOST_SHOWN],
        "queued_count": queued.order_by().count(),
        "alive": workers.alive(),
        "quota": provider_quota(),
        "now": timezone.now(),
    }
    return render(request, "admin/dashboard/running.html", context)
