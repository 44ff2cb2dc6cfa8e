"""What is counted, for Prometheus. At the bottom of the house, so that every app may count.

Counters and histograms are files in PROMETHEUS_MULTIPROC_DIR, one for each kind and process, so that a scrape of any
web process adds up all of them, workers included. What can go down (queue, quota) is no metric here: it is asked when
it is scraped (system/metrics.py), so that none tells of a process that is no more. Every metric has labels, which
makes its file only once something was counted. No label holds what a client chose: no company, no query, no address.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from prometheus_client import Counter, Histogram, values

FOREIGN_SECONDS = 7 * 86_400  # how long the files of another host, or of a container that is gone, are kept


def own_identifier() -> str:
    """Return what names this process in a file's name: its host too, since containers share process ids."""
    return f"{socket.gethostname().replace('_', '-')}~{os.getpid()}"


if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    values.ValueClass = values.MultiProcessValue(process_identifier=own_identifier)  # type: ignore[no-untyped-call]

REQUESTS = Counter("news_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "news_request_seconds",
    "Time to answer a request.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
CACHE_LOOKS = Counter("news_cache_looks", "Looks into the cache.", ["layer", "outcome"])
PROVIDER_CALLS = Counter("news_provider_calls", "Calls to a news provider, each retry one.", ["provider", "outcome"])
ANALYSES = Counter("news_analyses", "Background analyses that ended.", ["status"])
INFERENCE_BATCHES = Counter("news_inference_batches", "Batches a model has read.", ["axis"])
INFERENCE_TOKENS = Counter("news_inference_tokens", "Tokens a model has read, padding left out.", ["axis"])
INFERENCE_SECONDS = Histogram(
    "news_inference_seconds",
    "Time a model took for a batch.",
    ["axis"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def forget_dead(directory: Path) -> int:
    """Remove the files of processes that are no more; return how many. What they counted is gone with them.

    Called where a process starts that is scraped: Prometheus takes the drop for what it is, a restart.
    """
    dead = [path for path in directory.glob("*.db") if _is_dead(path)]
    for path in dead:
        path.unlink(missing_ok=True)
    return len(dead)


def _is_dead(path: Path) -> bool:
    host, _, pid = path.stem.partition("_")[2].rpartition("~")
    if host != own_identifier().rpartition("~")[0]:
        return path.stat().st_mtime < time.time() - FOREIGN_SECONDS
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        return False
    return False
