"""A look at something that may hang, behind the caller's back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class LookBehind:
    """Has something looked at in a thread, one at a time, and no sooner than `seconds` after the last."""

    def __init__(self, look: Callable[[], object], *, seconds: float) -> None:
        self._look, self._seconds = look, seconds
        self._due_at = 0.0
        self._looking = threading.Lock()

    def ask(self) -> None:
        """Have it looked at, if it is time; returns at once."""
        if time.monotonic() >= self._due_at and self._looking.acquire(blocking=False):
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._look()
        finally:
            self._due_at = time.monotonic() + self._seconds
            self._looking.release()
