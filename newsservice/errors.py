"""Expected failures: one class, one envelope (docs/api.md, Errors)."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class DomainError(Exception):
    """An expected failure, safe to show to the API's users.

    Subclasses set `code` (stable; clients switch on it), `status` (HTTP) and `text`: what it says, a
    translatable %-format over `details`, rendered in the reader's language when it is read. `retry_after`,
    seconds, where known, becomes the Retry-After header.
    """

    code: ClassVar[str] = "DOMAIN_ERROR"
    status: ClassVar[int] = 400
    text: str | Promise = _("The request could not be served.")

    def __init__(self, *, retry_after: int | None = None, **details: object) -> None:
        super().__init__(self.code, details)
        self.retry_after = retry_after
        self.details = details

    @property
    def message(self) -> str:
        return str(self.text) % self.details

    def public_details(self) -> dict[str, object]:
        """Return what the envelope's `details` hold."""
        waiting = {} if self.retry_after is None else {"retry_after": self.retry_after}
        return {**self.details, **waiting}

    def __str__(self) -> str:
        return self.message
