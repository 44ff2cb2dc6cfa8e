"""Keys of the API: who may ask, what for, until when. The key itself is kept nowhere."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class ApiKey(models.Model):
    """A key by its SHA-256; `prefix` is what tells it from others where it is listed."""

    token = ""  # no column: the key itself, in the hands of whoever has just made it

    class Scope(models.TextChoices):
        """Each may do what those before it may."""

        READ = "read", _("read")
        WRITE = "write", _("write")
        ADMIN = "admin", _("administer")

    name = models.CharField(_("name"), max_length=100, unique=True, help_text=_("Who uses it."))
    prefix = models.CharField(_("begins with"), max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scope = models.CharField(
        _("scope"),
        max_length=10,
        choices=Scope,
        default=Scope.READ,
        help_text=_("read: ask and search; write: companies and analyses too; admin: clear the cache too."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, help_text=_("Never, where empty."))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(scope__in=["read", "write", "admin"]), name="key_scope_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
