"""Celery beat's scheduler, which goes on when the clock is set back or the database is away.

The embedded mode has its own (embedded.py).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from celery.schedules import schedstate
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

logger = logging.getLogger(__name__)

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Entry(ModelEntry):  # type: ignore[misc]  # untyped
    last_run_at: datetime

    def is_due(self) -> schedstate:
        """As django-celery-beat's; what was last run in the future, by a clock set back since, is due."""
        if self.last_run_at > timezone.now():
            self.last_run_at = LONG_AGO
        return super().is_due()  # type: ignore[no-any-return]


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped
    Entry = Entry
    _ticked_at = LONG_AGO

    def all_as_schedule(self) -> dict[str, ModelEntry]:
        """As django-celery-beat's, by which every five minutes a database that is away would end beat.

        What was read last goes on, each entry with its last run; all are read as soon as they can be.
        """
        try:
            return super().all_as_schedule()  # type: ignore[no-any-return]
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("the schedule cannot be read, the one known goes on: %s", exc)
            self._initial_read = True
            known = self._schedule or {}
            return {name: self.Entry(entry.model, app=self.app) for name, entry in known.items()}

    def tick(self, *args: Any, **options: Any) -> float:
        """As Celery's; where the clock was set back since the last, begin as at a start."""
        now = timezone.now()
        if now < self._ticked_at:  # by which entries stand in line, and the next look at their rows too
            self._initial_read, self._heap = True, None
        self._ticked_at = now
        return super().tick(*args, **options)  # type: ignore[no-any-return]
