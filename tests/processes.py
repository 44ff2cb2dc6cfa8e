"""The service as a user starts it: a process of its own, its environment, its output."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import requests
from django.conf import settings

from tests.servers import free_port, wait_until
from tests.stand_ins import NaverStandIn

ROOT = Path(settings.BASE_DIR)
COMPANY = "/api/v1/search/companies/%EC%82%BC%EC%84%B1%EC%A0%84%EC%9E%90"
MANAGE = [sys.executable, "manage.py"]


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_WAIT_POLICY") if name in os.environ}
    return {**kept, "DATA_DIR": str(tmp_path), "NEWS_PROVIDER": "archive", "PYTHONUNBUFFERED": "1", **variables}


class Service:
    """A service running in a process group of its own, as a terminal would give it."""

    def __init__(self, process: subprocess.Popen[str], log: Path, port: int) -> None:
        self.process, self.log, self.url = process, log, f"http://127.0.0.1:{port}"

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def stop(self, with_: signal.Signals = signal.SIGINT) -> int:
        os.killpg(self.process.pid, with_)
        return self.process.wait(timeout=120)


@contextmanager
def running(
    tmp_path: Path, command: list[str], *, until: str = "Try (Ctrl-C", cwd: Path = ROOT, **variables: str
) -> Iterator[Service]:
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(tmp_path, PORT=str(port), **variables),
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    service = Service(process, log, port)
    try:
        wait_until(lambda: until in service.output() or process.poll() is not None)
        assert process.poll() is None, service.output()
        yield service
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def asking(naver: NaverStandIn) -> dict[str, str]:
    return {
        "NEWS_PROVIDER": "auto",
        "NAVER_SEARCH_URL": f"{naver.url}/v1/search/news.json",
        "NAVER_CLIENT_ID": naver.id,
        "NAVER_CLIENT_SECRET": naver.secret,
    }


def migrate(tmp_path: Path, **variables: str) -> None:
    """Make the tables of a service; those of the embedded defaults are made once and copied."""
    if "DATABASE_URL" in variables:
        _migrate(tmp_path, **variables)
    else:
        shutil.copy(_migrated_file(), tmp_path)


@cache
def _migrated_file() -> Path:
    directory = Path(tempfile.mkdtemp(dir=os.environ["DATA_DIR"]))
    _migrate(directory)
    return directory / "news.sqlite3"


def _migrate(directory: Path, **variables: str) -> None:
    subprocess.run(
        [*MANAGE, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment(directory, **variables), check=True
    )


class Operator:
    """Somebody signed in to the admin of a running service, who reads English."""

    def __init__(self, address: str, variables: dict[str, str]) -> None:
        """`address`: of the service; `variables`: its environment."""
        password = "a-long-password"
        subprocess.run(
            [*MANAGE, "createsuperuser", "--noinput", "--username", "operator", "--email", "o@example.com"],
            cwd=ROOT,
            env={**variables, "DJANGO_SUPERUSER_PASSWORD": password},
            check=True,
            capture_output=True,
        )
        self.address, self.browser = address, requests.Session()
        self.browser.headers["Accept-Language"] = "en"
        self.read("/admin/login/")
        self.index = self.send("/admin/login/?next=/admin/", username="operator", password=password)

    def read(self, page: str) -> str:
        return self.browser.get(self.address + page, timeout=60).text

    def send(self, page: str, **form: str) -> str:
        form["csrfmiddlewaretoken"] = self.browser.cookies["csrftoken"]
        answer = self.browser.post(self.address + page, form, timeout=150)
        assert answer.status_code == 200
        return answer.text
