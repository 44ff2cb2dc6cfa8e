"""Who may ask: a key of the API, or somebody signed in to the admin. The open embedded mode lets this machine ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from system import keys, throttles
from system.models import ApiKey

if TYPE_CHECKING:  # it imports this module itself
    from rest_framework.views import APIView

SCOPES = [str(scope) for scope in ApiKey.Scope]
# What a person needs in the admin to do the same there.
PERMISSIONS = {"read": "dashboard.view_analysis", "write": "dashboard.change_company"}
PERMISSIONS["admin"] = PERMISSIONS["write"]


class KeyAuthentication(BaseAuthentication):
    """`X-API-Key: …` or `Authorization: Bearer …`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, keys.Key] | None:
        if not settings.API_KEYS_REQUIRED or not (token := _token(request)):
            return None
        if (key := keys.recognise(token)) is None:
            if throttles.tries_too_often(request._request, "bad-key"):
                raise Throttled(wait=throttles.seconds_left())
            raise AuthenticationFailed(_("This API key is not valid: unknown, expired or revoked."))
        structlog.contextvars.bind_contextvars(api_key=key.prefix)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class StaffAuthentication(SessionAuthentication):
    """Whoever is signed in to the admin; forms and scripts of other sites are refused."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        user: Any = request._request.user
        if not settings.API_KEYS_REQUIRED or not (user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        return user, None


class MayAsk(BasePermission):
    """A key of the scope that a view asks for, or a person who may do the same in the admin.

    A view says `scope`, or `scopes` by action; else reading methods are `read`, and all others `write`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not settings.API_KEYS_REQUIRED:
            _refuse_other_sites(request)
            return True
        needed = scope_needed(request, view)
        if isinstance(request.auth, keys.Key):
            self.message = _("This API key's scope is %(scope)s; this call needs %(needed)s.") % {
                "scope": request.auth.scope,
                "needed": needed,
            }
            return SCOPES.index(request.auth.scope) >= SCOPES.index(needed)
        user: Any = request.user
        return user is not None and user.has_perm(PERMISSIONS[needed])


def may_read(request: HttpRequest) -> bool:
    """Whether who looks at a page may ask the API from it."""
    return not settings.API_KEYS_REQUIRED or (request.user.is_staff and request.user.has_perm(PERMISSIONS["read"]))


def scope_needed(request: Request, view: APIView) -> str:
    scopes: dict[str, str] = getattr(view, "scopes", {})
    default = "read" if request.method in SAFE_METHODS else "write"
    return scopes.get(str(getattr(view, "action", "")), getattr(view, "scope", default))


def _token(request: Request) -> str:
    if sent := request.headers.get("X-API-Key", ""):
        return sent.strip()
    scheme, __, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _refuse_other_sites(request: Request) -> None:
    """In the open mode a browser on this machine is a way in for any page it shows."""
    if request.method not in SAFE_METHODS and request.headers.get("Sec-Fetch-Site", "") == "cross-site":
        if request.headers.get("Origin", "") in settings.CORS_ALLOWED_ORIGINS:
            return
        raise PermissionDenied(_("A page of another site asks for this."))
