"""What the calls of /system take and answer, for checking and for the schema."""

from __future__ import annotations

from typing import Any, get_args

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from system import probes

STATES = get_args(probes.State)


class HealthResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy"])
    service = serializers.CharField()
    version = serializers.CharField()
    provider = serializers.CharField()
    engine = serializers.DictField(child=serializers.CharField())
    device = serializers.CharField()
    cache = serializers.CharField()
    redis_connected = serializers.BooleanField()


class Check(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=STATES, source="state")
    needed = serializers.BooleanField(source="is_needed", help_text=_("Without it the service cannot serve."))
    duration_ms = serializers.FloatField()
    detail = serializers.CharField(allow_blank=True)


class ReadyCheck(Check):
    duration_ms = serializers.FloatField(required=False, help_text=_("For who may read."))
    detail = serializers.CharField(required=False, allow_blank=True, help_text=_("For who may read."))


class ReadyResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ready", "degraded", "unavailable"])
    checks = serializers.DictField(child=ReadyCheck())


class IntegrationResponse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["success", "failed"])
    duration_ms = serializers.FloatField()
    checks = serializers.DictField(child=Check())


class SelfTestResponse(serializers.Serializer[Any]):
    task_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["queued", "success", "error"])
    queued_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    worker = serializers.CharField(allow_blank=True)
    labels = serializers.DictField(child=serializers.CharField(), help_text=_("What it said, by axis."))
    methods = serializers.DictField(child=serializers.CharField())
    error = serializers.CharField(allow_blank=True)
    result_url = serializers.CharField()


class SelfTestQuery(serializers.Serializer[Any]):
    task_id = serializers.UUIDField()
