"""Is the service there, and what does it run on?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dashboard import selftest, tasks
from newsservice.version import VERSION
from system import probes, throttles
from system import serializers as shapes
from system.access import MayAsk, may_read
from system.presenters import present_integration, present_ready, present_self_test
from system.retired import successor
from system.runtime import describe_runtime


class HealthView(APIView):
    """The process answers; and what it runs on."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(responses=shapes.HealthResponse)
    def get(self, request: Request) -> Response:
        return Response({"status": "healthy", "service": "news-service", "version": VERSION, **describe_runtime()})


class ReadyView(APIView):
    """Whether to send requests here: 503 where something is missing that no answer can do without.

    Asked by what shares requests out, which holds no key: it is told states alone. Details name workers, models and
    the day's calls: they are for who may read.
    """

    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(responses={200: shapes.ReadyResponse, 503: shapes.ReadyResponse})
    def get(self, request: Request) -> Response:
        reports = probes.readiness()
        answer = present_ready(reports, with_details=self._may_read(request))
        return Response(answer, status=200 if probes.is_ready(reports) else 503)

    def perform_authentication(self, request: Request) -> None:
        """Not before the answer is known: a database that is away is what is to be said."""

    def _may_read(self, request: Request) -> bool:
        try:
            return MayAsk().has_permission(request, self)
        except (APIException, DatabaseError):  # a key that is not good, or that nobody can look up: anybody
            return False


class IntegrationView(APIView):
    """Try every part once: a round trip through cache, broker and worker, a sentence judged, the provider's door."""

    costly = frozenset({"get"})

    @extend_schema(responses=shapes.IntegrationResponse)
    def get(self, request: Request) -> Response:
        return Response(present_integration(probes.run(probes.thorough_probes())))


class SelfTestView(APIView):
    """Send a worker a sentence to judge, the way of every task."""

    costly = frozenset({"post"})

    @extend_schema(request=None, responses={202: shapes.SelfTestResponse})
    def post(self, request: Request) -> Response:
        return Response(present_self_test(tasks.start_self_test()), status=202)


class SelfTestResultView(APIView):
    """What the worker said of it."""

    @extend_schema(
        parameters=[OpenApiParameter("task_id", OpenApiTypes.UUID, required=True)], responses=shapes.SelfTestResponse
    )
    def get(self, request: Request) -> Response:
        asked = shapes.SelfTestQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(present_self_test(selftest.known(str(asked.validated_data["task_id"]))))


class UnknownRouteView(APIView):
    """Whatever no other route takes: 404, naming the successor of an old route."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if new := successor(request.path):
            raise NotFound(_("This route has moved to %(route)s.") % {"route": new})
        raise NotFound(_("There is no such route; /docs lists them all."))


def home(request: HttpRequest) -> HttpResponse:
    """A page that says what this is, what it runs on and where to go."""
    who_asks = {"may_ask": may_read(request), "keys_required": settings.API_KEYS_REQUIRED}
    context = {"version": VERSION, "runtime": describe_runtime(), **who_asks}
    return render(request, "home.html", context)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, str] | None
) -> HttpResponse:
    """Tell who gave too many wrong passwords for a name how long to wait."""
    return _wait(request, seconds=60 * settings.LOGIN_LOCK_MINUTES, can_be_opened=True)


def sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's own, as often as an address may try: with ever new names each try would cost a password's hash."""
    if request.method == "POST" and throttles.tries_too_often(request, "sign-in"):
        return _wait(request, seconds=math.ceil(throttles.seconds_left()), can_be_opened=False)
    return admin.site.login(request)


def _wait(request: HttpRequest, *, seconds: int, can_be_opened: bool) -> HttpResponse:
    context = {"minutes": math.ceil(seconds / 60), "can_be_opened": can_be_opened}
    answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


def documentation(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Have a browser sign in where a page of the API's documentation is for those who may ask."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_page = "text/html" in request.headers.get("Accept", "")
        if is_page and not request.user.is_authenticated and not may_read(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return view(request, *args, **kwargs)

    return shown
