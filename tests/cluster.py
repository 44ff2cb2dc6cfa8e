"""Redis mode by plain processes: web, workers and beat on a real Redis and a real Postgres."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import requests
from django.conf import settings

from tests.processes import MANAGE, asking, environment
from tests.servers import RedisServer, free_port, wait_until
from tests.stand_ins import NaverStandIn

CELERY = [sys.executable, "-m", "celery", "-A", "newsservice"]
THREADS = ("--pool", "threads", "--concurrency", "4")
DONE = "SELECT count(*) FROM dashboard_analysis WHERE status = 'success'"


class Cluster:
    """Web, workers and beat on one Redis and one Postgres."""

    def __init__(self, tmp_path: Path, variables: dict[str, str], database_url: str) -> None:
        self.tmp_path, self.variables, self.database_url = tmp_path, variables, database_url
        self.url = f"http://127.0.0.1:{variables['PORT']}/api/v1"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.tmp_path / f"log{len(self.processes)}").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self.variables, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start(*CELERY, "worker", "--loglevel", "INFO", *arguments)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()

    def workers(self) -> int:
        return requests.get(f"{self.url}/dashboard/status", timeout=60).json()["workers"]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self.tmp_path.glob("log*"))


def make_tables(tmp_path: Path, postgres_url: str) -> str:
    """Return the name of a database with our tables and schedule, to be copied: that takes no time."""
    database_url = create_database(postgres_url, "tables")
    variables = environment(tmp_path, DATABASE_URL=database_url, MONITORED_COMPANIES=",")
    for command in (["migrate", "--verbosity", "0"], ["sync_schedule"]):
        subprocess.run([*MANAGE, *command], cwd=settings.BASE_DIR, env=variables, check=True)
    return "tables"


def create_database(postgres_url: str, name: str, *, template: str = "template1") -> str:
    """Create a database on the same server as another; return its URL."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return postgres_url.rpartition("/")[0] + f"/{name}"


@contextmanager
def running_cluster(
    tmp_path: Path, naver: NaverStandIn, redis_server: RedisServer, database_url: str
) -> Iterator[Cluster]:
    """Web and beat, on an empty database; a test starts the workers it wants."""
    variables = environment(
        tmp_path,
        PORT=str(free_port()),
        DATABASE_URL=database_url,
        REDIS_URL=redis_server.url,
        MONITORED_COMPANIES=",",
        RUN_SECONDS="60",
        NAVER_CALLS_PER_SECOND="100",
        **asking(naver),
    )
    cluster = Cluster(tmp_path, variables, database_url)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start(sys.executable, "-m", "gunicorn")
        cluster.start(*CELERY, "beat", "--loglevel", "INFO")
        wait_until(lambda: cluster.workers() == 0)
        yield cluster


def watch_later(cluster: Cluster, names: list[str], *, minutes: int = 20) -> None:
    """Watch companies whose time by schedule comes later."""
    with psycopg.connect(cluster.database_url) as connection:
        for name in names:
            connection.execute(
                "INSERT INTO dashboard_company (name, aliases, stock_code, is_watched, next_run_at, created_at)"
                " VALUES (%s, '[]', '', true, now() + %s * interval '1 minute', now())",
                [name, minutes],
            )


def trigger(cluster: Cluster, name: str) -> dict:
    response = requests.post(f"{cluster.url}/dashboard/companies/{quote(name)}/trigger", timeout=30)
    assert response.status_code == 202, response.text
    return response.json()
