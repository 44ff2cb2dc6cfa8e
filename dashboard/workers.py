"""Who runs analyses, and who is alive: every worker says so in a row."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from dashboard.models import Worker
from newsservice.database import patience

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10
SILENT_SECONDS = 30  # after which a worker is taken for dead


_name = ""
_life = secrets.token_hex(4)  # a container that starts again has its old host name and process ids


def own_name() -> str:
    """Return this worker's name: host, process id and which life of it; its child processes go by the same."""
    return _name or f"{socket.gethostname()}:{os.getpid()}:{_life}"


def take_name() -> None:
    """Fix the name before a pool is forked."""
    global _name
    _name = own_name()


class Heart:
    """Says every BEAT_SECONDS, from a thread of its own, that this worker lives."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)

    def start(self) -> None:
        """Say so at once; a database that is away at the start hears it later."""
        self._say()
        self._thread.start()

    def stop(self) -> None:
        """Stop, also where nothing was ever started: a worker that never reached its broker."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        say_goodbye(own_name())

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            self._say()

    def _say(self) -> None:
        try:
            with patience(SILENT_SECONDS):  # after which a new connection may be heard where this one is not
                say_alive(own_name())
        except (DatabaseError, InterfaceError) as exc:
            logger.warning("the database is away: %s", exc)
        finally:
            connection.close()


def say_alive(name: str) -> None:
    Worker.objects.update_or_create(name=name, defaults={"seen_at": timezone.now()})


def say_goodbye(name: str) -> None:
    Worker.objects.filter(name=name).delete()


def alive() -> set[str]:
    """Return the names of the workers that live: heard lately, and, on this host, still a process.

    One heard in the future was heard before the clock was set back: if it lives, it says so again in a moment.
    """
    silence, now = timedelta(seconds=SILENT_SECONDS), timezone.now()
    heard = Worker.objects.filter(seen_at__gt=now - silence, seen_at__lt=now + silence)
    return {name for name in heard.values_list("name", flat=True) if not _is_gone(name)}


def forget_dead() -> None:
    """Drop the rows of workers not heard for an hour."""
    Worker.objects.filter(seen_at__lt=timezone.now() - timedelta(hours=1)).delete()


def _is_gone(name: str) -> bool:
    host, _, process = name.partition(":")
    pid = process.partition(":")[0]
    if host != socket.gethostname():
        return False
    if own_name().startswith(f"{host}:{pid}:"):
        return name != own_name()  # an earlier life of this process
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
