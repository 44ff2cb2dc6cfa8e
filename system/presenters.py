"""What the probes found, in the shape of docs/api.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.selftest import SelfTest
from system.probes import Report, is_ready

Json = dict[str, object]


def present_ready(reports: Sequence[Report], *, with_details: bool = True) -> Json:
    failed = any(report.has_failed for report in reports)
    status = "degraded" if failed else "ready"
    return {"status": status if is_ready(reports) else "unavailable", "checks": _present(reports, with_details)}


def present_integration(reports: Sequence[Report]) -> Json:
    return {
        "status": "failed" if any(report.has_failed for report in reports) else "success",
        "duration_ms": max(report.duration_ms for report in reports),
        "checks": _present(reports),
    }


def present_self_test(test: SelfTest) -> Json:
    finished = test.finished_at
    return {
        "task_id": test.task_id,
        "status": test.status,
        "queued_at": datetime.fromtimestamp(test.queued_at, UTC),
        "finished_at": None if finished is None else datetime.fromtimestamp(finished, UTC),
        "worker": test.worker,
        "labels": test.labels,
        "methods": test.methods,
        "error": test.error,
        "result_url": f"{reverse('self-test-result')}?{urlencode({'task_id': test.task_id})}",
    }


def _present(reports: Sequence[Report], with_details: bool = True) -> Json:
    return {
        report.name: {"status": report.state, "needed": report.is_needed}
        | ({"duration_ms": report.duration_ms, "detail": report.detail} if with_details else {})
        for report in reports
    }
