"""Finished runs without their articles, presented: as JSON, for what was presented once is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock

import msgspec

from dashboard import selectors
from dashboard.models import Analysis
from dashboard.selectors import Brief
from search.presenters import present_summary, service_status
from search.types import Summary

KEPT = 5_000  # runs, of two kilobytes each; the oldest in use goes first

Named = tuple[str, Brief]  # a run, and its company by its name of now


class _Query(msgspec.Struct):
    similarity_threshold: float


class _Found(msgspec.Struct):
    """What lists tell of Analysis.found; the rest is not even read."""

    original_count: int
    duplicates_removed: int
    query: _Query


_kept: OrderedDict[Named, msgspec.Raw] = OrderedDict()
_lock = Lock()


def present_briefs(runs: Iterable[Named]) -> dict[Named, msgspec.Raw]:
    """Present successes, by themselves; one deleted meanwhile is missing.

    A finished run never changes: one query reads what those found that were not presented lately.
    """
    runs = list(runs)
    presented = _recall(runs)
    if new := [named for named in runs if named not in presented]:
        found = selectors.found_by([run.pk for _, run in new])
        made = {(name, run): _encode(name, run, *found[run.pk]) for name, run in new if run.pk in found}
        _keep(made)
        presented |= made
    return presented


def milliseconds(run: Brief | Analysis) -> float:
    """Return how long a run took; 0 where it has not ended."""
    if not run.started_at or not run.finished_at:
        return 0.0
    return round((run.finished_at - run.started_at).total_seconds() * 1000, 1)


def _recall(runs: Iterable[Named]) -> dict[Named, msgspec.Raw]:
    with _lock:
        known = {named: _kept[named] for named in runs if named in _kept}
        for named in known:
            _kept.move_to_end(named)
    return known


def _keep(made: Mapping[Named, msgspec.Raw]) -> None:
    with _lock:
        _kept.update(made)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)


def _encode(company: str, run: Brief, found: str, summary: str) -> msgspec.Raw:
    search = msgspec.json.decode(found, type=_Found)
    brief = {
        "company": company,
        "status": "success",
        "analyzed_at": run.finished_at,
        "trigger": run.trigger,
        "analysis_metadata": {
            "company": company,
            "analysis_id": run.pk,
            "analyzed_count": run.total,
            "analysis_time": run.finished_at,
            "ml_service_status": service_status(run.revisions, judged=run.total),
            "processing_time_ms": milliseconds(run),
            "models": {"category": run.category, "sentiment": run.sentiment},
            "provider": run.provider,
        },
        "summary": present_summary(msgspec.json.decode(summary, type=Summary)),
        "deduplication": {
            "original_count": search.original_count,
            "duplicates_removed": search.duplicates_removed,
            "similarity_threshold": search.query.similarity_threshold,
        },
    }
    return msgspec.Raw(msgspec.json.encode(brief))
