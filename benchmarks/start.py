"""How soon `make run` answers on embedded defaults, and what it holds in memory.

python -m benchmarks.start [--quick] [--json]

Set up already; without keys, Redis, PostgreSQL and models, in a directory of its own. Seconds from the command until
/health answers, and until the watched companies are analysed; the second start finds the tables and archive of the
first. Megabytes (of 1,000,000 bytes) are the proportional set size of all its processes together, at the end of the
start and after live analyses of invented companies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests

ROOT = Path(__file__).resolve().parents[1]
ANALYSES = 20
PATIENCE = 120  # seconds


def measure(*, quick: bool) -> dict[str, Any]:
    """Return a first start's and later starts' figures, the middle of several rounds."""
    firsts, seconds = [], []
    for _ in range(1 if quick else 5):
        with tempfile.TemporaryDirectory(prefix="news-service-start-") as folder:
            firsts.append(start(Path(folder)))
            seconds.append(start(Path(folder)))
    return {"first": _middle(firsts), "second": _middle(seconds), "rounds": len(firsts), "analyses": ANALYSES}


def start(folder: Path) -> dict[str, float]:
    """Start the service once, use it and stop it. Raises TimeoutError where it does not come up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables = {**kept, "DATA_DIR": str(folder), "PORT": str(port), "NEWS_PROVIDER": "archive"}
    output, url = folder / "output", f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    with output.open("w") as out:
        command = ["make", "--silent", "run"]
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait(lambda: requests.get(f"{url}/health", timeout=5).ok)
        answers = time.perf_counter() - started
        _wait(lambda: "Try (Ctrl-C" in output.read_text(encoding="utf-8"))
        analysed = time.perf_counter() - started
        at_rest = _megabytes(process.pid)
        for number in range(ANALYSES):
            requests.post(f"{url}/api/v1/search/companies/{quote(f'한빛전자{number}')}/analyze", timeout=60)
        return {
            "seconds_until_it_answers": answers,
            "seconds_until_all_is_analysed": analysed,
            "megabytes": at_rest,
            "megabytes_after_analyses": _megabytes(process.pid),
        }
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except requests.RequestException:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"the service did not come up within {PATIENCE} seconds")


def _megabytes(pid: int) -> float:
    """Return the memory of a process and all it started; what they share counts once."""
    root = psutil.Process(pid)
    return sum(process.memory_full_info().pss for process in (root, *root.children(recursive=True))) / 1e6


def _middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def render(found: dict[str, Any]) -> str:
    """Return what was measured as lines of text."""
    lines = [f"{'':34} {'first start':>12} {'second start':>13}   the middle of {found['rounds']}"]
    lines += [
        f"{name.replace('_', ' '):34} {value:12.1f} {found['second'][name]:13.1f}"
        for name, value in found["first"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, in all under a minute")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    options = parser.parse_args()
    found = measure(quick=options.quick)
    print(json.dumps(found) if options.json else render(found))
