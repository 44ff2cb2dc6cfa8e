"""Another pair of models, tried and switched to in a process of its own, which gives its memory back.

On this host in the embedded mode. Where workers run, one of them has it done: web processes hold no model and may have
no torch. What it comes to is then kept where both look, as a self test's answer is (dashboard/selftest.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import msgspec
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from search import store

SECONDS = 100  # for a trial, and for whoever waits for it: gunicorn gives a request 120
LOOK_SECONDS = 0.2
KEPT_SECONDS = 3600


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    refusal: str  # in the words of who asked; "" where the pair answers now


def switch(name: str, *, seconds: float = SECONDS) -> str:
    """Try a pair on this host, and switch to it; return why it is refused, in the current language, else ""."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "switch_model", "--no-color", "--", name]
    speaking = {**os.environ, "LANGUAGE_CODE": translation.get_language()}
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, env=speaking, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return _took_too_long()
    said = done.stderr.strip().splitlines() or [f"manage.py switch_model: {done.returncode}"]
    return said[-1].removeprefix("CommandError: ") if done.returncode else ""


def run(task_id: str, name: str, *, language: str, until: float) -> None:
    """Try and switch as long as somebody waits, and keep what it comes to under the task's id.

    `until`: seconds since the epoch.
    """
    with translation.override(language):
        refusal = switch(name, seconds=min(until - time.time(), SECONDS))
    store.put(_key(task_id), Outcome(refusal=refusal), seconds=KEPT_SECONDS)


def wait_for(task_id: str) -> str:
    """Wait until a worker has tried and switched; return why it is refused, else ""."""
    deadline = time.monotonic() + SECONDS
    while (outcome := store.get(_key(task_id), Outcome)) is None:
        if time.monotonic() >= deadline:
            return _took_too_long()
        time.sleep(LOOK_SECONDS)
    return outcome.refusal


def _took_too_long() -> str:
    return _("It took too long to try the models: use manage.py switch_model.")


def _key(task_id: str) -> str:
    return f"trial:{task_id}"
