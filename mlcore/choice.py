"""Which pair is active: the choice in the database, else MODEL_NAME (docs/decisions/0014-switching-models.md)."""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone

from mlcore.models import Choice
from newsservice.behind import LookBehind

logger = logging.getLogger(__name__)

MEMO_SECONDS = 1.0
AWAY_SECONDS = 5.0  # how long a database that is away is left alone


class _Memo:
    """The chosen name as this process last read it: none where nobody chose."""

    def __init__(self) -> None:
        self.name = ""
        self.read_at: float | None = None
        self.read_again_at = 0.0
        self.is_away = False

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self.read_again_at

    @property
    def active(self) -> str:
        return self.name or str(settings.MODEL_NAME)


_memo = _Memo()
_reading = threading.Lock()


def active_name(*, is_fresh: bool = False) -> str:
    """Return the name of the pair to classify with, at most a second old; where `is_fresh`, read now.

    Where the database is away or has no such table yet: what was read last, else MODEL_NAME. Whoever finds another
    thread reading, which may take a while, goes by what was read last.
    """
    if is_fresh or _memo.is_due:
        waits = is_fresh or _memo.read_at is None
        if _reading.acquire(blocking=waits):
            try:
                if is_fresh or _memo.is_due:
                    _read()
            finally:
                _reading.release()
    return _memo.active


def known_name() -> str:
    """Return what was read last, and have it read anew behind the caller's back: waits for nothing."""
    if _memo.is_due:
        _behind.ask()
    return _memo.active


def forget() -> None:
    """Read it anew when it is next asked for."""
    global _memo
    with _reading:
        _memo = _Memo()


def current_choice() -> Choice:
    """Return the row, or an empty one that is not saved."""
    return Choice.objects.filter(pk=Choice.THE_ROW).first() or Choice(pk=Choice.THE_ROW)


def choose(name: str) -> str:
    """Make a pair the active one, and the active one the former; return the former's name.

    Of two at once the later one waits, and finds the other's as its former.
    """
    with transaction.atomic():
        row = _locked()
        active = row.name or str(settings.MODEL_NAME)
        if active != name or not row.name:
            row.former = active if active != name else row.former
            row.name, row.switched_at = name, timezone.now()
        row.save()
    forget()
    return row.former


def _locked() -> Choice:
    Choice.objects.get_or_create(pk=Choice.THE_ROW)
    return Choice.objects.select_for_update().get(pk=Choice.THE_ROW)


def _read() -> None:
    try:
        _memo.name = Choice.objects.filter(pk=Choice.THE_ROW).values_list("name", flat=True).first() or ""
    except Error as exc:
        # At the start there may be no table yet: nothing to speak of.
        if _memo.read_at is not None and not _memo.is_away:
            known = _memo.name or str(settings.MODEL_NAME)
            logger.warning("the choice of models cannot be read, %s goes on: %s", known, type(exc).__name__)
        _memo.is_away = True
    else:
        _memo.is_away = False
    _memo.read_at = time.monotonic()
    _memo.read_again_at = _memo.read_at + (AWAY_SECONDS if _memo.is_away else MEMO_SECONDS)


def _look() -> None:
    try:
        active_name(is_fresh=True)
    finally:
        connection.close()


_behind = LookBehind(_look, seconds=MEMO_SECONDS)
