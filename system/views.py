"""Is the service there, and what does it run on?"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from newsservice.version import VERSION
from system.retired import successor
from system.runtime import describe_runtime


class HealthResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy"])
    service = serializers.CharField()
    version = serializers.CharField()
    provider = serializers.CharField()
    engine = serializers.DictField(child=serializers.CharField())
    device = serializers.CharField()
    cache = serializers.CharField()
    redis_connected = serializers.BooleanField()


class HealthView(APIView):
    """The process answers; and what it runs on."""

    @extend_schema(responses=HealthResponse)
    def get(self, request: Request) -> Response:
        return Response({"status": "healthy", "service": "news-service", "version": VERSION, **describe_runtime()})


class UnknownRouteView(APIView):
    """Whatever no other route takes: 404, naming the successor of an old route."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if new := successor(request.path):
            raise NotFound(_("This route has moved to %(route)s.") % {"route": new})
        raise NotFound(_("There is no such route; /docs lists them all."))


def home(request: HttpRequest) -> HttpResponse:
    """A page that says what this is, what it runs on and where to go."""
    return render(request, "home.html", {"version": VERSION, "runtime": describe_runtime()})
