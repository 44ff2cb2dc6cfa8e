"""Where a Docker engine is: ask the compose profile `redis` all that docs/api.md asks, then kill every part in turn.

    docker compose --profile redis up -d --wait
    NEWS_API_KEY=$(… manage.py create_api_key trial --scope admin) python tests/containers_trial.py

Needs curl, and root (it kills with SIGKILL from the host, as a crash would). Prints a row for each part; exits with 1
where a call was refused or outlasted its time, an analysis was lost, or something did not come back by itself.
"""

# ruff: noqa: T201  # what it prints is its answer

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

API = "/api/v1"
PORT = int(os.environ.get("PORT", "8002"))
KEY = os.environ.get("NEWS_API_KEY", "")
CALL_SECONDS = 10  # none of the calls below may take longer, whatever is dead
RECOVERY_SECONDS = 180
PARTS = ["web", "worker", "beat", "redis", "postgres"]
COMPANIES = ["삼성전자", "LG전자", "늘찬전자", *(f"시험회사{number}" for number in range(5))]


def call(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Return status and JSON; 0 where nobody listens."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=2 * CALL_SECONDS)
    headers = {"Content-Type": "application/json", "Host": "localhost"} | ({"X-API-Key": KEY} if KEY else {})
    try:
        connection.request(method, API + path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    except (ConnectionError, HTTPException):
        return 0, None
    finally:
        connection.close()


def compose(*arguments: str) -> str:
    return subprocess.run(["docker", "compose", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def pid_of(part: str) -> int:
    container = compose("--profile", "redis", "ps", "-q", part)
    command = ["docker", "inspect", "-f", "{{.State.Pid}}", container]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def wait_until(condition: Callable[[], bool], what: str) -> float:
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > RECOVERY_SECONDS:
            sys.exit(f"FAILED: {what}: not within {RECOVERY_SECONDS} seconds")
        time.sleep(0.2)
    return time.monotonic() - started


def analyses() -> dict[str, int]:
    """Count analyses by their status."""
    query = "SELECT json_object_agg(status, n) FROM (SELECT status, count(*) n FROM dashboard_analysis GROUP BY 1) x"
    said = compose("exec", "-T", "postgres", "psql", "-U", "news", "-Atc", query)
    return json.loads(said or "{}")


def trigger(company: str) -> str | None:
    """Ask for an analysis; return its task, or None where the service says that it cannot take it."""
    status, answer = call("POST", f"/dashboard/companies/{quote(company)}/trigger")
    return answer["task_id"] if status == 202 else None


def probe() -> dict[str, tuple[float, int]]:
    """Ask one of each kind; return seconds and status."""
    asked = {
        "health": ("GET", "/system/health", None),
        "ready": ("GET", "/system/ready", None),
        "status": ("GET", "/dashboard/status", None),
        "search": ("POST", f"/search/companies/{quote('삼성전자')}", {"force_refresh": True}),
        "cached": ("POST", f"/search/companies/{quote('삼성전자')}", {"max_results": 5}),
        "trigger": ("POST", f"/dashboard/companies/{quote('시험회사0')}/trigger", None),
    }
    times = {}
    for name, (method, path, body) in asked.items():
        started = time.monotonic()
        status, _ = call(method, path, body)
        times[name] = (time.monotonic() - started, status)
    return times


def is_whole() -> bool:
    status, answer = call("GET", "/system/ready")
    return status == 200 and all(
        check["status"] in {"ok", "model", "keyword_fallback"} for check in answer["checks"].values()
    )


def succeeded(task: str) -> bool:
    status, answer = call("GET", f"/dashboard/tasks/{task}")
    return status == 200 and answer["status"] == "success"


def kill(part: str) -> bool:
    """Kill a part under work and wait for everything to be back; print what happened; whether all was well."""
    tasks = [task for company in COMPANIES if (task := trigger(company))]
    old = pid_of(part)
    os.kill(old, signal.SIGKILL)
    killed_at = time.monotonic()
    calls: dict[str, tuple[float, int]] = {}
    seen: set[int] = set()
    while time.monotonic() - killed_at < RECOVERY_SECONDS:
        times = probe()
        seen |= {status for _, status in times.values()}
        calls = {name: max(calls.get(name, (0.0, 0)), found) for name, found in times.items()}
        if pid_of(part) not in {0, old} and is_whole():
            break
    whole = time.monotonic() - killed_at
    wait_until(lambda: all(map(succeeded, tasks)), f"{part}: what was asked before the kill")
    done = time.monotonic() - killed_at
    again = wait_until(lambda: bool(trigger(COMPANIES[0])), f"{part}: a new analysis")
    slowest = max(calls, key=lambda name: calls[name][0])
    row = [
        part,
        f"{calls[slowest][0]:.2f} s ({slowest})",
        " ".join(map(str, sorted(seen))),
        f"{whole:.1f} s",
        f"{len(tasks)} of {len(tasks)} in {done:.1f} s",
        f"{again:.1f} s",
    ]
    print("| " + " | ".join(row) + " |", flush=True)
    return calls[slowest][0] <= CALL_SECONDS


def documented_calls() -> list[tuple[str, bool]]:
    """Return the curls of the API page, its errors left out, and whether each is shown to succeed."""
    page = (
        (Path(__file__).resolve().parents[1] / "docs" / "api.md").read_text(encoding="utf-8").split("\n## Errors")[0]
    )
    shown = re.findall(r"```bash\n(curl .*?)```\n```json\n(.*?)```", page, re.DOTALL)
    return [(command, not re.match(r'\{\s*"error_code"', answer)) for command, answer in shown]


def ask_documented_calls() -> bool:
    """Ask each with curl itself, tasks by the ids that were given here; whether every one was answered as shown."""
    task, fine = "", True
    calls = documented_calls()
    for command, succeeds in calls:
        words = shlex.split(re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", task, command.replace("\\\n", " ")))
        words = [word.replace("127.0.0.1:8002", f"127.0.0.1:{PORT}") for word in words]
        asked = [*words, "-sS", "-g", "-H", f"X-API-Key: {KEY}", "-w", "\n%{http_code}"]
        answer, _, status = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.rpartition("\n")
        task = (json.loads(answer).get("task_id", task) if answer.startswith("{") else task) or task
        if command.rstrip().split(" -H")[0].endswith("/trigger"):
            wait_until(lambda: succeeded(task), f"the analysis of {command}")  # noqa: B023 waited for at once
        if status.startswith("2") != succeeds:
            fine = False
            print(f"{status} {command}{answer}")
    print(f"{len(calls)} calls of docs/api.md asked with curl{'' if fine else ', not all answered as shown there'}")
    return fine and bool(calls)


def main() -> int:
    wait_until(is_whole, "the start")
    fine = [ask_documented_calls()]  # which add and delete a company
    for company in COMPANIES:
        call("POST", "/dashboard/companies", {"name": company})
    print("| killed | slowest call | statuses (0: refused) | all ready | asked before | a new one |")
    print("|---|---|---|---|---|---|")
    fine += [kill(part) for part in PARTS]
    wait_until(lambda: set(analyses()) == {"success"}, f"every analysis a success, not {analyses()}")
    print(f"Analyses: {analyses()}")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
