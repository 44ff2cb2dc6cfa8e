"""`manage.py serve`: the whole service in the foreground, its watched companies analysed at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from http.client import HTTPConnection
from types import FrameType
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

START_SECONDS = 60
ANALYSIS_SECONDS = 600


class Command(BaseCommand):
    help = "Serve on BIND_ADDRESS:PORT, analyse the watched companies at once, and say what the service runs on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-analysis", action="store_true", help="Do not analyse anything at the start.")

    def handle(self, *, no_analysis: bool, **options: object) -> None:
        signal.signal(signal.SIGTERM, _as_interrupt)
        server = subprocess.Popen([sys.executable, "-m", "gunicorn"], cwd=settings.BASE_DIR)
        try:
            self._wait_until_ready(server)
            if not no_analysis:
                self._analyze_watched()
            self._show_runtime()  # after a model was loaded, its device is known
            self._show_hint()
            server.wait()
        except KeyboardInterrupt:
            self.stderr.write("Stopping ...")
        finally:
            _stop(server)
        if server.returncode > 0:
            raise CommandError(f"The server ended with code {server.returncode}; its last words are above.")

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise CommandError(f"The server did not start; is port {settings.PORT} taken?")
            try:
                _call("GET", "/health", seconds=5)
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise CommandError(f"The server did not answer within {START_SECONDS} seconds.")

    def _show_runtime(self) -> None:
        _, health = _call("GET", "/api/v1/system/health", seconds=60)
        engine = " · ".join(f"{axis} {revision}" for axis, revision in health["engine"].items())
        rows = {
            "provider": health["provider"],
            "engine": engine,
            "device": health["device"],
            "cache": health["cache"],
            "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        }
        self.stdout.write("")
        self.stdout.write(self.style.SUCCESS(f"News Service v{health['version']} on {_address()}"))
        for name, value in rows.items():
            self.stdout.write(f"  {name:<9} {value}")

    def _analyze_watched(self) -> None:
        companies = settings.MONITORED_COMPANIES
        for number, company in enumerate(companies, start=1):
            self.stdout.write(f"[{number}/{len(companies)}] {company} ... ", ending="")
            self.stdout.flush()
            path = f"/api/v1/search/companies/{quote(company, safe='')}/analyze"
            try:
                status, answer = _call("POST", path, seconds=ANALYSIS_SECONDS)
            except OSError as exc:
                self.stdout.write(self.style.ERROR(f"no answer: {exc}"))
                continue
            shown = _summary(answer) if status == 200 else f"{answer['error_code']}: {answer['message']}"
            self.stdout.write(self.style.SUCCESS(shown) if status == 200 else self.style.ERROR(shown))

    def _show_hint(self) -> None:
        company = quote(next(iter(settings.MONITORED_COMPANIES), "삼성전자"))
        self.stdout.write("\nTry (Ctrl-C stops everything):")
        self.stdout.write(f"  curl -X POST {_address()}/api/v1/search/companies/{company}/analyze")
        self.stdout.write(f"  open {_address()}/ or {_address()}/docs\n")
        self.stdout.flush()


def _call(method: str, path: str, *, seconds: float) -> tuple[int, Any]:
    """Return (status, JSON) of a call to our own server. Raises OSError where it cannot be reached."""
    host = "127.0.0.1" if settings.BIND_ADDRESS in {"0.0.0.0", ""} else settings.BIND_ADDRESS  # noqa: S104 compared, not bound
    connection = HTTPConnection(host, settings.PORT, timeout=seconds)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


def _summary(answer: dict[str, Any]) -> str:
    summary = answer["summary"]
    parts = [*summary["esg_distribution"].items(), *summary["sentiment_distribution"].items()]
    return f"{summary['total_analyzed']} stories: " + " ".join(f"{label} {count}" for label, count in parts)


def _address() -> str:
    return f"http://{settings.BIND_ADDRESS}:{settings.PORT}"


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Let requests in flight finish, then make sure."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=35)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
