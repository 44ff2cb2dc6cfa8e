"""`manage.py serve`: the whole service in the foreground, its watched companies analysed at once."""

from __future__ import annotations

import json
import signal
import socket
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

from dashboard.models import Analysis
from dashboard.presenters import present_summary_line
from dashboard.schedules import sync_schedule
from dashboard.services import schedule_at_once
from search.text import normalize_company

START_SECONDS = 60
ANALYSIS_SECONDS = 300  # how long the start waits for one; it goes on behind

GUNICORN = [sys.executable, "-m", "gunicorn"]
WORKER = [sys.executable, "-m", "celery", "-A", "newsservice", "worker", "--beat", "--loglevel", "INFO"]


class Command(BaseCommand):
    help = "Serve on BIND_ADDRESS:PORT, analyse the watched companies at once, and say what the service runs on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-analysis", action="store_true", help="Do not analyse anything at the start.")

    def handle(self, *, no_analysis: bool, **options: object) -> None:
        signal.signal(signal.SIGTERM, _as_interrupt)
        _refuse_taken_port()
        sync_schedule()
        runs = [] if no_analysis else _queue_watched()  # before there are workers: they find it as they start
        commands = [GUNICORN, WORKER] if settings.BACKGROUND == "celery" else [GUNICORN]
        processes = [subprocess.Popen(command, cwd=settings.BASE_DIR) for command in commands]  # noqa: S603
        try:
            self._wait_until_ready(processes[0])
            self._show_analyses(runs)
            self._show_runtime()  # after a model was loaded, its device is known
            self._show_hint()
            _wait_for_any(processes)
        except KeyboardInterrupt:
            self.stderr.write("Stopping ...")
        finally:
            _stop(processes)
        if ended := [process for process in processes if process.returncode > 0]:
            raise CommandError(f"A process ended with code {ended[0].returncode}; its last words are above.")

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise CommandError("The server did not start; its last words are above.")
            try:
                _call("/health", seconds=5)
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise CommandError(f"The server did not answer within {START_SECONDS} seconds.")

    def _show_analyses(self, runs: list[Analysis]) -> None:
        for number, run in enumerate(runs, start=1):
            self.stdout.write(f"[{number}/{len(runs)}] {run.company.name} ... ", ending="")
            self.stdout.flush()
            _wait_for_end(run)
            failed = run.status != Analysis.Status.SUCCESS
            said = f"{run.error_code or run.status}: {run.error_message}" if failed else present_summary_line(run)
            self.stdout.write(self.style.ERROR(said) if failed else self.style.SUCCESS(said))

    def _show_runtime(self) -> None:
        health = _call("/api/v1/system/health", seconds=60)
        engine = " · ".join(f"{axis} {revision}" for axis, revision in health["engine"].items())
        rows = {
            "provider": health["provider"],
            "engine": engine,
            "device": health["device"],
            "cache": health["cache"],
            "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
            "worker": "Celery" if settings.BACKGROUND == "celery" else "in the web process",
        }
        self.stdout.write("")
        self.stdout.write(self.style.SUCCESS(f"News Service v{health['version']} on {_address()}"))
        for name, value in rows.items():
            self.stdout.write(f"  {name:<9} {value}")

    def _show_hint(self) -> None:
        company = quote(next(iter(settings.MONITORED_COMPANIES), "삼성전자"))
        key = " -H 'X-API-Key: …'" if settings.API_KEYS_REQUIRED else ""
        self.stdout.write("\nTry (Ctrl-C stops everything):")
        if key:
            self.stdout.write("  manage.py create_api_key NAME")
        self.stdout.write(f"  curl -X POST {_address()}/api/v1/search/companies/{company}/analyze{key}")
        self.stdout.write(f"  curl {_address()}/api/v1/dashboard/companies/{company}/latest{key}")
        self.stdout.write(f"  open {_address()}/ or {_address()}/docs\n")
        self.stdout.flush()


def _queue_watched() -> list[Analysis]:
    """Queue MONITORED_COMPANIES, without those that are watched no more; return their runs in that order."""
    order = [normalize_company(name) for name in settings.MONITORED_COMPANIES]
    return sorted(schedule_at_once(order), key=lambda run: order.index(run.company.name))


def _call(path: str, *, seconds: float) -> Any:
    """Return the JSON our own server answers. Raises OSError where it cannot be reached."""
    connection = HTTPConnection(_reachable(), settings.PORT, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Host": _allowed_host()})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def _reachable() -> str:
    """Return an address of this machine at which the service listens."""
    return "127.0.0.1" if settings.BIND_ADDRESS in {"0.0.0.0", ""} else settings.BIND_ADDRESS  # noqa: S104 compared


def _allowed_host() -> str:
    """Return a host name the service answers to."""
    named = [host.removeprefix(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    return named[0] if named else "localhost"


def _refuse_taken_port() -> None:
    """Raise CommandError where somebody listens there already: we would talk to them."""
    address = settings.BIND_ADDRESS
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, settings.PORT))
        except OSError as exc:
            raise CommandError(f"{address}:{settings.PORT} cannot be listened on: {exc.strerror}.") from exc


def _wait_for_end(run: Analysis) -> None:
    deadline = time.monotonic() + ANALYSIS_SECONDS
    while run.is_open and not run.error_code and time.monotonic() < deadline:
        time.sleep(0.1)
        run.refresh_from_db()


def _address() -> str:
    host = _reachable()
    return f"http://[{host}]:{settings.PORT}" if ":" in host else f"http://{host}:{settings.PORT}"


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for_any(processes: list[subprocess.Popen[bytes]]) -> None:
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Let what is in flight finish, then make sure."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=35)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
