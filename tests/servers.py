"""Redis and PostgreSQL of the test run's own: on free ports, in temporary directories, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import randrange

import psutil
import redis


class ServerMissing(Exception):
    """A server program is not on this machine."""


# Below what the system gives to whoever asks for any port, so that none is taken before its server listens, or while
# that is down; each process of the run has its own, and another run begins elsewhere.
_ports = count(20_000 + 1_500 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) + randrange(1_000))


def free_port() -> int:
    """Return a port that nothing listens on, and that is not told again."""
    return next(port for port in _ports if not _is_taken(port))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class RedisServer:
    """A private Redis that can be stopped, frozen and started again on its port."""

    def __init__(self) -> None:
        self.program = shutil.which("redis-server")
        if not self.program:
            raise ServerMissing("redis-server")
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/1"

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([str(self.program), *arguments], stdout=subprocess.DEVNULL)
        wait_until(lambda: redis.Redis(port=self.port).ping(), failing_with=redis.ConnectionError)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def empty(self) -> None:
        redis.Redis(port=self.port).flushall()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)


def wait_until(condition, *, failing_with: type[Exception] = OSError, seconds: float = 180) -> None:
    """Wait for a true answer, longer than any busy machine takes; an exception of the given kind means not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except failing_with:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true within {seconds} seconds")
        time.sleep(0.05)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a private PostgreSQL; yield the URL of its database. initdb refuses root: then as user postgres."""
    programs = _postgres_programs()
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="news-service-postgres-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(directory, "postgres")
    data = directory / "data"
    try:
        _run(
            [
                *as_user,
                programs / "initdb",
                "-D",
                data,
                "-U",
                "news",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
            ]
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {directory} -c fsync=off -c max_connections=60"
        _run([*as_user, programs / "pg_ctl", "-D", data, "-o", options, "-l", directory / "log", "-w", "start"])
        url = f"postgres://news@127.0.0.1:{port}/postgres"
        _restarts[url] = [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "restart"]
        yield url
    finally:
        _run([*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], check=False)
        shutil.rmtree(directory, ignore_errors=True)


_restarts: dict[str, list[object]] = {}


def restart_postgres(url: str) -> None:
    """Restart a server of `postgres` as a crash would: every connection breaks."""
    _run(_restarts[url])


@contextmanager
def stopped_postgres(url: str) -> Iterator[None]:
    """Have nobody listen where a server of `postgres` does."""
    restart = _restarts[url]
    _run([*restart[:-1], "stop"])
    try:
        yield
    finally:
        _run(restart)


@contextmanager
def frozen_postgres(url: str) -> Iterator[None]:
    """Stop every process of a server of `postgres` in its tracks: its sockets take what comes, nobody answers."""
    data = Path(str(_restarts[url][_restarts[url].index("-D") + 1]))
    main = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    stopped = [main]
    main.suspend()
    try:
        for child in main.children(recursive=True):
            child.suspend()
            stopped.append(child)
        yield
    finally:
        for process in reversed(stopped):  # the main one last: it takes away what had just ended
            process.resume()


def _postgres_programs() -> Path:
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = newest[-1] if newest else shutil.which("initdb")
    if not found:
        raise ServerMissing("initdb (PostgreSQL)")
    return Path(found).parent


def _run(command: list[object], *, check: bool = True) -> None:
    subprocess.run([str(part) for part in command], check=check, cwd="/", stdout=subprocess.DEVNULL)
