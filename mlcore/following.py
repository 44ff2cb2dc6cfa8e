"""The thread by which a long-lived process takes up the pair that was switched to."""

from __future__ import annotations

import logging
import threading
import time

from django.db import connection

from mlcore.engine import get_engine

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


def start_following() -> None:
    """Look for a switch every second from now on; costs nothing in a process that has loaded no model."""
    threading.Thread(target=_follow, name="follow_models", daemon=True).start()


def _follow() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            get_engine().follow()
        except Exception:  # whatever it is, the pair in memory goes on, and the next look may go better
            logger.exception("the models' choice could not be followed")
        finally:
            connection.close()
