"""The admin: what is watched, what was found, what runs, what is cached (docs/decisions/0011-admin.md)."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from dashboard.admin import analysis, article, company, schedule, worker  # noqa: F401 they register themselves

admin.site.site_header = _("News Service")
admin.site.site_title = _("News Service")
admin.site.enable_nav_sidebar = False  # the header leads everywhere, and the lists need the room
admin.site.index_title = _("What is watched, what was found, what runs")
