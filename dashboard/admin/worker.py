"""Workers: who runs analyses, and who has not been heard of lately."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.admin.record import RecordAdmin
from dashboard.models import Worker
from dashboard.workers import SILENT_SECONDS


@admin.register(Worker)
class WorkerAdmin(RecordAdmin):
    list_display = ("name", "seen_at", "is_heard")
    ordering = ("-seen_at",)

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False

    @admin.display(description=_("heard lately"), boolean=True)
    def is_heard(self, worker: Worker) -> bool:
        return worker.seen_at > timezone.now() - timedelta(seconds=SILENT_SECONDS)
