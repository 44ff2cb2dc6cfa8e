"""A worker's side of the message that a run waits."""

from __future__ import annotations

from typing import Literal

from celery.worker.request import Request


class RunRequest(Request):
    """A message that expires: the next sweep sends another. One that comes back does not."""

    def maybe_expire(self) -> Literal[True] | None:
        """Whether nobody need look: what was delivered before belongs to a run that somebody began and lost."""
        return None if self.delivery_info.get("redelivered") else super().maybe_expire()
