"""`manage.py doctor`: is everything there? The probes of the API, on a terminal."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand

from system import probes
from system.presenters import present_integration, present_ready
from system.probes import Report


class Command(BaseCommand):
    help = "Ask every dependency whether it is there. Exit code 1 where one that is needed is not (2: any other)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--thorough", action="store_true", help="Also send a worker a task and judge a sentence.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print what the API answers.")

    def handle(self, *, thorough: bool, as_json: bool, **options: object) -> None:
        reports = probes.run(_thorough() if thorough else probes.quick_probes())
        if as_json:
            self._print_json(reports, thorough=thorough)
        else:
            for report in reports:
                self._print(report)
        self.stdout.flush()
        if any(report.has_failed for report in reports):
            sys.exit(2 if probes.is_ready(reports) else 1)

    def _print_json(self, reports: list[Report], *, thorough: bool) -> None:
        found = present_integration(reports) if thorough else present_ready(reports)
        self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))

    def _print(self, report: Report) -> None:
        style = self.style.ERROR if report.has_failed else self.style.SUCCESS
        state = style(f"{report.state:<17}")
        self.stdout.write(f"{report.name:<9} {state} {report.duration_ms:>8.1f} ms  {report.detail}")


def _thorough() -> list[probes.Probe]:
    """Return the probes this process can ask: in the embedded mode the worker is a thread of the web process."""
    asked = probes.thorough_probes()
    return [probe for probe in asked if probe.name != "worker" or settings.BACKGROUND == "celery"]
