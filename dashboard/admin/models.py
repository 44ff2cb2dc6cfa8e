"""The models: which pair answers, which others there are and whether they can be used, switching and rolling back."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import tasks, trial
from dashboard.models import Analysis
from mlcore.choice import active_name, current_choice
from mlcore.listing import list_pairs
from mlcore.switching import roll_back
from newsservice.errors import DomainError

logger = logging.getLogger(__name__)

MAY_SWITCH = "dashboard.change_company"  # who runs the service


@permission_required("dashboard.view_analysis", raise_exception=True)
@require_http_methods(["GET", "POST"])
def show_models(request: HttpRequest) -> HttpResponse:
    """List the pairs by the look of their files; POST switches to one, or back."""
    if request.method == "POST":
        return _switch(request)
    pairs = list_pairs()
    context = {
        **admin.site.each_context(request),
        "title": _("Models"),
        "opts": Analysis._meta,
        "pairs": pairs,
        "active": active_name(),
        "choice": current_choice(),
        "setting": settings.MODEL_NAME,
        "models_dir": settings.MODELS_DIR,
        "may_switch": request.user.has_perm(MAY_SWITCH),
    }
    return render(request, "admin/dashboard/models.html", context)


@permission_required(MAY_SWITCH, raise_exception=True)
def _switch(request: HttpRequest) -> HttpResponse:
    try:
        fault = _roll_back() if "rollback" in request.POST else _try_and_switch(request.POST.get("name", ""))
    except DomainError as exc:
        fault = exc.message
    if fault:
        messages.error(request, fault)
    else:
        logger.info("models: switched by user %s", request.user.pk)
        messages.success(request, _("Switched. Every process follows within seconds."))
    return redirect("admin:dashboard_models")


def _roll_back() -> str:
    """Go back, which loads nothing. Raises NoFormerPair, ModelInvalid."""
    roll_back()
    return ""


def _try_and_switch(name: str) -> str:
    """Have another process try the pair, this one may have no torch; return its refusal. Raises WorkerUnavailable."""
    if name not in [pair.name for pair in list_pairs()]:
        return _("There is no such pair of models.")
    if settings.BACKGROUND == "embedded":
        return trial.switch(name)
    return trial.wait_for(tasks.start_switch(name))
