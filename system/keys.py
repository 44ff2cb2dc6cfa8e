"""Making, recognising and revoking keys of the API (docs/decisions/0018-api-keys.md)."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from system.models import ApiKey

logger = logging.getLogger(__name__)

BEGINNING = "nsk_"  # so that scanners of repositories, and people, know one when they see it
SHOWN = len(BEGINNING) + 6  # characters of a key that are kept and listed
KNOWN_SECONDS = 5.0  # how long a process trusts what it read of a key: a revoked one works no longer than that
AWAY_SECONDS = 600.0  # the same while the database is away, when nobody can revoke one either
RETRY_SECONDS = 5.0  # how long a database that is away is left alone
MOST_KNOWN = 1000
USED_SECONDS = 60  # `last_used_at` is written no more often

_known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
_lock = threading.Lock()
_away_until = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that is good, as of when it was read."""

    pk: int
    prefix: str
    scope: str
    expires_at: datetime | None

    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


def create(name: str, *, scope: str, expires_at: datetime | None = None) -> ApiKey:
    """Make a key; return its row, with the key itself as `token`, which nobody knows afterwards.

    Raises django.core.exceptions.ValidationError: the name is taken, or no name.
    """
    row = ApiKey(name=name, scope=scope, expires_at=expires_at)
    assign(row)
    row.full_clean()
    row.save()
    return row


def assign(row: ApiKey) -> None:
    """Give an unsaved row a new key."""
    row.token = BEGINNING + secrets.token_urlsafe(32)
    row.prefix, row.digest = row.token[:SHOWN], _digest(row.token)


def revoke(name: str) -> bool:
    """End a key; whether there was one to end."""
    return bool(ApiKey.objects.filter(name=name, revoked_at=None).update(revoked_at=timezone.now()))


def recognise(token: str) -> Key | None:
    """Return the key of a token; None where there is none, or one that has expired or was revoked.

    At most one query each KNOWN_SECONDS, and an UPDATE each USED_SECONDS. While the database is away, whoever was
    known a short while ago still is.
    """
    global _away_until
    digest = _digest(token)
    read_at, key = _known.get(digest, (float("-inf"), None))
    age = time.monotonic() - read_at
    if age >= KNOWN_SECONDS and not (key and age < AWAY_SECONDS and time.monotonic() < _away_until):
        try:
            key = _read(digest)
        except (OperationalError, InterfaceError) as exc:
            _away_until = time.monotonic() + RETRY_SECONDS
            if key is None or age >= AWAY_SECONDS:
                raise
            logger.warning("the database is away, keys are as they were last known: %s", type(exc).__name__)
    return None if key is None or key.is_expired() else key


def forget() -> None:
    """Trust nothing that was read before."""
    with _lock:
        _known.clear()


def _read(digest: str) -> Key | None:
    row = ApiKey.objects.filter(digest=digest, revoked_at=None).first()
    with _lock:
        if row is None:
            _known.pop(digest, None)
            return None
        key = Key(pk=row.pk, prefix=row.prefix, scope=row.scope, expires_at=row.expires_at)
        _known[digest] = (time.monotonic(), key)
        _known.move_to_end(digest)
        if len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    if not key.is_expired():
        _note_use(row)
    return key


def _note_use(row: ApiKey) -> None:
    before = timezone.now() - timedelta(seconds=USED_SECONDS)
    if row.last_used_at is None or row.last_used_at < before:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=before)
        ApiKey.objects.filter(unnoted, pk=row.pk).update(last_used_at=timezone.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
