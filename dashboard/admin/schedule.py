"""The schedule: django-celery-beat's own pages, with actions for those alone who may change it."""

from __future__ import annotations

from django.contrib import admin
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]  # untyped
    # Not "run": the embedded mode has no broker to run by, and no entry waits long for its own time.
    actions = ("enable_tasks", "disable_tasks", "toggle_tasks")
    enable_tasks = admin.action(PeriodicTaskAdmin.enable_tasks, permissions=["change"])
    disable_tasks = admin.action(PeriodicTaskAdmin.disable_tasks, permissions=["change"])
    toggle_tasks = admin.action(PeriodicTaskAdmin.toggle_tasks, permissions=["change"])
