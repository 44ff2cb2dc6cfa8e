"""What can go wrong between a query and an answer.

DomainError
├── InvalidName              400
└── ProviderError            502  5xx, unreadable reply, connection refused
    ├── ProviderAuthError    502  our credentials are refused
    ├── ProviderQuotaExceeded 503 its daily or per-second limit
    └── ProviderTimeout      504
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from newsservice.errors import DomainError


class InvalidName(DomainError):
    """A name is empty, too long, or holds what cannot be shown."""

    code = "VALIDATION_ERROR"
    status = 400
    text = _("%(field)s: %(least)d to %(limit)d characters, none of them a control character.")

    def __init__(self, *, field: str, limit: int, least: int = 1) -> None:
        super().__init__(field=field, limit=limit, least=least)
        self.field = field

    def public_details(self) -> dict[str, object]:
        return {self.field: [self.message]}


class ProviderError(DomainError):
    """`details` hold `provider`, and `reason`: what it said or did, in its own words, without secrets."""

    code = "PROVIDER_ERROR"
    status = 502
    text = _("The news provider %(provider)s failed: %(reason)s")


class ProviderAuthError(ProviderError):
    code = "PROVIDER_AUTH_ERROR"
    text = _("The news provider %(provider)s refuses our credentials: %(reason)s")


class ProviderQuotaExceeded(ProviderError):
    code = "PROVIDER_QUOTA_EXCEEDED"
    status = 503
    text = _("The limit of the news provider %(provider)s is reached: %(reason)s")


class ProviderTimeout(ProviderError):
    code = "PROVIDER_TIMEOUT"
    status = 504
    text = _("The news provider %(provider)s is too slow: %(reason)s")


PROVIDER_ERRORS: dict[str, type[ProviderError]] = {
    error.code: error for error in (ProviderError, ProviderAuthError, ProviderQuotaExceeded, ProviderTimeout)
}
