"""Keys of the API in the admin: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from system import keys
from system.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("name", "prefix", "scope", "created_at", "expires_at", "last_used_at", "is_good")
    list_filter = ("scope",)
    search_fields = ("name", "prefix")
    fields = ("name", "scope", "expires_at")
    actions = ("revoke",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: ApiKey, form: object, change: bool) -> None:
        if not change:
            keys.assign(obj)
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, here and never again: a message would carry it through a cookie."""
        context = {
            **admin.site.each_context(request),
            "title": _("A new API key"),
            "opts": self.opts,
            "row": obj,
            "key": obj.token,
        }
        return render(request, "admin/system/apikey/made.html", context)  # never cached, as all of the admin

    @admin.action(description=gettext_lazy("Revoke"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, _("Revoked: %(count)d. They end within seconds.") % {"count": count})

    @admin.display(description=gettext_lazy("good"), boolean=True)
    def is_good(self, row: ApiKey) -> bool:
        return row.revoked_at is None and (row.expires_at is None or row.expires_at > timezone.now())
