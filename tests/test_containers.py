"""The container files, read; and the scripts beside them, run. tests/containers_trial.py needs a Docker engine."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from django.conf import settings

from newsservice.env import SETTINGS
from tests.processes import environment, migrate
from tests.servers import free_port

ROOT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILES = {
    "cpu": {"news"},
    "redis": {"web", "worker", "beat", "migrate", "secrets", "redis", "postgres"},
    "gpu": {"web", "worker-gpu", "beat", "migrate", "secrets", "redis", "postgres"},
}
ONCE = {"migrate", "secrets"}


class Thin(yaml.SafeLoader):
    """Reads compose's own tag."""


Thin.add_constructor("!reset", lambda loader, node: "reset")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs_and_limits_that_hold(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] == service["memswap_limit"]  # no swap beyond it
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert name in ONCE or service["restart"] == "unless-stopped"
    assert not {"privileged", "cap_add", "pid"} & service.keys()
    if "build" in service:
        assert re.search(r"^USER 10001$", (ROOT / service["build"]["dockerfile"]).read_text(), re.MULTILINE)
    else:
        assert int(service["user"].split(":")[0]) > 0
        assert "healthcheck" in service


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_and_its_file_start_the_same(profile):
    assert {name for name, service in SERVICES.items() if profile in service["profiles"]} == PROFILES[profile]
    thin = yaml.load((ROOT / f"docker-compose.{profile}.yml").read_text(), Thin)
    assert thin["services"].keys() == PROFILES[profile]
    assert {name: service["extends"]["service"] for name, service in thin["services"].items()} == {
        name: name for name in PROFILES[profile]
    }
    assert thin["name"] == COMPOSE["name"]


def test_nothing_but_the_service_is_published_and_models_cannot_be_written():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"news", "web"}
    assert all(SERVICES[name]["ports"][0].endswith(":8002") for name in ("news", "web"))
    assert COMPOSE["networks"]["servers"]["internal"] is True
    for name in ("redis", "postgres"):
        assert SERVICES[name]["networks"] == ["servers"]
    for name in ("news", "worker", "worker-gpu"):
        assert any(volume.endswith(":/app/models:ro") for volume in SERVICES[name]["volumes"])
    assert "--requirepass" in SERVICES["redis"]["command"][2]


def test_every_variable_given_to_a_container_is_a_setting():
    known = {name for setting in SETTINGS.values() for name in (setting.name, *setting.aliases)}
    for service in SERVICES.values():
        if "build" in service:
            assert {name.removesuffix("_FILE") for name in service.get("environment", {})} <= known


@pytest.mark.parametrize("file", ["Dockerfile.cpu", "Dockerfile.gpu", "Makefile"])
def test_torch_is_the_one_that_is_asked_for_everywhere(file):
    pinned = re.search(r"^torch==\S+", (ROOT / "requirements/cpu.txt").read_text(), re.MULTILINE)
    assert pinned
    assert set(re.findall(r"torch==[\d.]+", (ROOT / file).read_text())) == {pinned[0]}


def test_an_image_holds_all_that_is_imported_and_nothing_secret():
    taken = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for needed in ("manage.py", "gunicorn.conf.py", "newsservice", "mlcore", "search", "dashboard", "system"):
        assert needed in taken
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert not {".env", "var", "models", "."} & set(taken)


def test_secrets_are_made_once_and_each_server_gets_its_own(tmp_path):
    for folder in ("app", "redis", "postgres"):
        (tmp_path / folder).mkdir()
    make = [sys.executable, str(ROOT / "containers/make_secrets.py"), str(tmp_path)]

    def made() -> dict[str, str]:
        subprocess.run(make, check=True)
        return {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    first = made()
    assert first == made()
    assert first["redis/password"] in first["app/redis_url"]
    assert first["postgres/password"] in first["app/database_url"]
    assert len(first["app/secret_key"]) > 50
    (tmp_path / "redis/password").unlink()
    assert made()["app/redis_url"] != first["app/redis_url"]


# --- scripts -------------------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path):
    """Run a script on a database of the test's own, as on a machine without Docker."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("date", "dirname", "env", "grep", "gzip", "mkdir", "mktemp", "mv", "rm", "sh", "tar"):
        (programs / name).symlink_to(str(shutil.which(name)))
    for path in (
        *Path("/usr/lib/postgresql").glob("*/bin/pg_dump"),
        *Path("/usr/lib/postgresql").glob("*/bin/pg_restore"),
    ):
        (programs / path.name).unlink(missing_ok=True)
        (programs / path.name).symlink_to(path)

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = environment(tmp_path, **variables) | {"PATH": str(programs)}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)

    return run


def backed_up_and_restored(script, tmp_path, count, spoil, **variables: str) -> None:
    migrate(tmp_path, **variables)
    subprocess.run(
        [sys.executable, "manage.py", "sync_schedule"], cwd=ROOT, env=environment(tmp_path, **variables), check=True
    )
    before = count()
    assert min(before) > 0
    saved = script(str(ROOT / "backup.sh"), "backups/one.tar.gz", **variables)
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "backups/one.tar.gz").stat().st_mode & 0o077 == 0
    spoil()
    assert count() != before
    restored = script(str(ROOT / "restore.sh"), "backups/one.tar.gz", **variables)
    assert restored.returncode == 0, restored.stderr
    assert count() == before


COUNT = "SELECT (SELECT count(*) FROM dashboard_company), (SELECT count(*) FROM django_celery_beat_periodictask)"
SPOIL = ["DELETE FROM dashboard_company", "DELETE FROM django_celery_beat_periodictask"]


def test_a_backup_of_sqlite_brings_companies_and_schedule_back(script, tmp_path):
    path = tmp_path / "news.sqlite3"

    def count() -> tuple[int, ...]:
        with closing(sqlite3.connect(path)) as connection:
            return tuple(connection.execute(COUNT).fetchone())

    def spoil() -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in SPOIL:
                connection.execute(statement)

    backed_up_and_restored(script, tmp_path, count, spoil)


def test_a_backup_of_postgres_brings_companies_and_schedule_back(script, tmp_path, postgres_url):
    name = f"backup{free_port()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres_url.rpartition("/")[0] + f"/{name}"

    def count() -> tuple[int, ...]:
        with psycopg.connect(url) as connection:
            return tuple(connection.execute(COUNT).fetchone() or ())

    def spoil() -> None:
        with psycopg.connect(url) as connection:
            for statement in SPOIL:
                connection.execute(statement)

    backed_up_and_restored(script, tmp_path, count, spoil, DATABASE_URL=url)


def test_a_file_that_is_no_backup_changes_nothing(script, tmp_path):
    (tmp_path / "notes.txt").write_text("not a backup")
    assert script(str(ROOT / "restore.sh"), "notes.txt").returncode != 0
    assert script(str(ROOT / "restore.sh")).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["cpu"], ["tpu", "test123"], ["cpu", ""], ["cpu", "a", "b"]])
def test_a_switch_says_how_it_is_called(script, arguments):
    outcome = script(str(ROOT / "switch_model.sh"), *arguments)
    assert outcome.returncode == 2
    assert "usage: ./switch_model.sh {cpu|gpu} NAME" in outcome.stderr


def test_a_switch_to_models_that_are_not_there_is_refused(script, tmp_path):
    migrate(tmp_path)
    outcome = script(str(ROOT / "switch_model.sh"), "cpu", "nowhere", LANGUAGE_CODE="en")
    assert outcome.returncode != 0
    assert "nowhere" in outcome.stderr
    assert "Nothing was changed" in outcome.stderr


@pytest.mark.parametrize("name", ["backup.sh", "restore.sh", "switch_model.sh"])
def test_a_script_can_be_run(name):
    assert os.access(ROOT / name, os.X_OK)
