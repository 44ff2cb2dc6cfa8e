"""What a worker's own process does about the messages that its processes of the pool run."""

from __future__ import annotations

from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker.request import Request

from dashboard import tasks, workers


class RunRequest(Request):
    """A run in a process of the pool."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Where the process died (short memory, killed), offer the run to every worker: it is this one's no more."""
        super().on_failure(exc_info, *args, **kwargs)
        if issubclass(exc_info.type, (WorkerLostError, SystemExit)):
            run_id = self.args[0]
            tasks.announce(run_id, lost_by=[workers.own_name()])
