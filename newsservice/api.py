"""What every API answer has in common: one envelope for every error, and its schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import set_rollback

from newsservice.errors import DomainError
from newsservice.observability import FORESEEN

logger = logging.getLogger(__name__)

DATABASE_RETRY_SECONDS = 5

CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTHENTICATION_ERROR",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
}


class DatabaseUnavailable(DomainError):
    """The database is away, or does not answer in time."""

    code = "DATABASE_UNAVAILABLE"
    status = 503
    text = gettext_lazy("The database does not answer.")


class ErrorEnvelope(serializers.Serializer[Any]):
    """The shape of every error."""

    error_code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    timestamp = serializers.DateTimeField()
    request_id = serializers.CharField()


def error_envelope(code: str, message: str, details: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the one error shape (docs/api.md, Errors), stamped with the time and the request's id."""
    return {
        "error_code": code,
        "message": message,
        "details": dict(details or {}),
        "timestamp": datetime.now(UTC),
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
    }


def domain_error_envelope(error: DomainError) -> dict[str, object]:
    return error_envelope(error.code, error.message, error.public_details())


def validation_envelope(errors: object) -> dict[str, object]:
    """Return the envelope of input refused; `details` per field."""
    details = errors if isinstance(errors, dict) else {"non_field_errors": errors}
    return error_envelope("VALIDATION_ERROR", _("The request is not valid; see details."), details)


def handle_exception(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer whatever a view raised; nothing unforeseen is told to the client, all of it to the log."""
    set_rollback()
    if isinstance(exc, OperationalError | InterfaceError):
        away = DatabaseUnavailable(retry_after=DATABASE_RETRY_SECONDS)
        away.__cause__ = exc
        exc = away
    if isinstance(exc, DomainError):
        logger.log(
            logging.ERROR if exc.status >= 500 else logging.INFO,
            "%s: %s",
            exc.code,
            exc.message,
            exc_info=exc.__cause__,
            extra=FORESEEN,
        )
        headers = {} if exc.retry_after is None else {"Retry-After": str(exc.retry_after)}
        return Response(domain_error_envelope(exc), status=exc.status, headers=headers)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.APIException):
        return _api_exception_response(exc)
    logger.exception("unforeseen failure in %s", type(context.get("view")).__name__)
    return Response(error_envelope("INTERNAL_ERROR", _("Something went wrong on our side.")), status=500)


def _api_exception_response(exc: exceptions.APIException) -> Response:
    headers = {}
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(exc, exceptions.Throttled):
        seconds = int(wait or 1)
        said = _("Too many requests; try again in %(seconds)d seconds.") % {"seconds": seconds}
        body = error_envelope("RATE_LIMITED", said, {"retry_after": seconds})
    elif isinstance(exc, exceptions.ValidationError):
        body = validation_envelope(exc.detail)
    else:
        body = error_envelope(CODES.get(exc.status_code, "ERROR"), str(exc.detail))
    return Response(body, status=exc.status_code, headers=headers)


class ErrorEnvelopeMiddleware:
    """Give the envelope to errors no view of ours has seen: unknown routes, refused hosts, Django's own.

    A browser (Accept: text/html) outside /api/ keeps the page. Every answer carries its request's id.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code >= 400 and not self._is_well_formed(request, response):
            response = self._enveloped(response)
        response["X-Request-ID"] = structlog.contextvars.get_contextvars().get("request_id", "")
        return response

    def _is_well_formed(self, request: HttpRequest, response: HttpResponseBase) -> bool:
        if response.get("Content-Type", "").startswith("application/json"):
            return True
        return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")

    def _enveloped(self, response: HttpResponseBase) -> HttpResponse:
        status = response.status_code
        body = error_envelope(CODES.get(status, "ERROR"), _(HTTPStatus(status).phrase))
        kept = {name: response[name] for name in ("Retry-After",) if name in response}
        return HttpResponse(msgspec.json.encode(body), status=status, content_type="application/json", headers=kept)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """What the schema says of the API's keys."""

    target_class = "system.access.KeyAuthentication"
    name = ["apiKey", "bearer"]  # noqa: RUF012

    def get_security_definition(self, auto_schema: SpectacularAutoSchema) -> list[dict[str, str]]:
        return [{"type": "apiKey", "in": "header", "name": "X-API-Key"}, {"type": "http", "scheme": "bearer"}]

    def get_security_requirement(self, auto_schema: SpectacularAutoSchema) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]  # either of them


class StaffScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """What it says of whoever is signed in to the admin."""

    target_class = "system.access.StaffAuthentication"
    name = "signedIn"

    def get_security_definition(self, auto_schema: SpectacularAutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class AutoSchema(SpectacularAutoSchema):
    """Every operation can answer with the error envelope; in the open mode none needs a key."""

    def get_auth(self) -> list[dict[str, Any]]:
        schemes: list[dict[str, Any]] = super().get_auth()
        return schemes if settings.API_KEYS_REQUIRED or {} in schemes else [*schemes, {}]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        return bodies | {"default": self._get_response_for_code(ErrorEnvelope, "default")}  # type: ignore[no-untyped-call]
