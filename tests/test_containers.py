"""The container files, read; and the scripts beside them, run. tests/containers_trial.py needs a Docker engine."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from django.conf import settings

from newsservice.env import SETTINGS
from tests.processes import MANAGE, environment, migrate, running
from tests.servers import wait_until

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


def test_analyses_at_once_on_a_gpu_share_the_pair_on_the_card():
    worker, on_gpu = SERVICES["worker"], SERVICES["worker-gpu"]
    assert on_gpu["command"] == [*worker["command"], "--pool", "threads"]
    assert on_gpu["environment"] == {**worker["environment"], "WORKER_CONCURRENCY": "${WORKER_CONCURRENCY:-4}"}


def test_nothing_but_the_service_is_published_and_models_cannot_be_written():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"news", "web"}
    assert all(SERVICES[name]["ports"][0].endswith(":8002") for name in ("news", "web"))
    assert COMPOSE["networks"]["servers"]["internal"] is True
    for name in ("redis", "postgres"):
        assert SERVICES[name]["networks"] == ["servers"]
    for name in ("news", "web", "beat", "migrate", "worker", "worker-gpu"):  # one that sees none keys by keywords
        assert any(volume.endswith(":/app/models:ro") for volume in SERVICES[name]["volumes"])
    assert "--requirepass" in SERVICES["redis"]["command"][2]


@pytest.mark.parametrize("file", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_an_image_by_itself_is_closed(file):
    text = (ROOT / file).read_text().replace("\\\n", " ")
    listening = [line for line in text.splitlines() if "BIND_ADDRESS=0.0.0.0" in line]
    assert listening
    assert all("DJANGO_DEBUG=false" in line.split() for line in listening)


def test_what_is_open_is_published_on_this_machine_alone():
    assert {name for name, service in SERVICES.items() if "true" in str(service.get("environment"))} == {"news"}
    assert SERVICES["news"]["environment"]["DJANGO_DEBUG"] == "${DJANGO_DEBUG:-true}"  # .env may close it
    assert SERVICES["news"]["ports"][0].startswith("${PUBLISH_ADDRESS:-127.0.0.1}:")


@pytest.mark.parametrize("hosts", ["news.example.com", ".internal,10.0.0.7", "*"])
def test_a_container_that_answers_to_other_names_is_healthy(tmp_path, hosts):
    closed = {
        "DJANGO_DEBUG": "false",
        "DJANGO_SECRET_KEY": "k" * 50,
        "DJANGO_ALLOWED_HOSTS": hosts,
        "DJANGO_CSRF_TRUSTED_ORIGINS": "https://news.example.com",
    }
    migrate(tmp_path, **closed)
    with running(tmp_path, [sys.executable, "-m", "gunicorn"], until="http://", **closed) as service:
        asked = environment(tmp_path, PORT=service.url.rpartition(":")[2], **closed)
        ask_health = [sys.executable, str(ROOT / "containers/healthy.py")]
        wait_until(lambda: subprocess.run(ask_health, env=asked, capture_output=True).returncode == 0)


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
    for name in ("cat", "date", "dirname", "env", "grep", "gzip", "mkdir", "mktemp", "mv", "rm", "sh", "tar"):
        (programs / name).symlink_to(str(shutil.which(name)))
    for name in ("pg_dump", "pg_restore", "psql"):
        for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}"):
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(path)

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = environment(tmp_path, **variables) | {"PATH": str(programs)}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)

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


def ask(url: str, *statements: str) -> tuple[Any, ...]:
    """Run statements; return the last one's first row."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return tuple(cursor.fetchone() or ()) if cursor.description else ()


def test_a_backup_of_postgres_brings_companies_and_schedule_back(script, tmp_path, database_url):
    backed_up_and_restored(
        script,
        tmp_path,
        lambda: ask(database_url, COUNT),
        lambda: ask(database_url, *SPOIL),
        DATABASE_URL=database_url,
    )


def manage(tmp_path: Path, *arguments: str, **variables: str) -> None:
    subprocess.run([*MANAGE, *arguments], cwd=ROOT, env=environment(tmp_path, **variables), check=True)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_older_tables_replaces_newer_ones(script, tmp_path, request, kind):
    variables = {"DATABASE_URL": request.getfixturevalue("database_url")} if kind == "postgresql" else {}
    migrate(tmp_path, **variables)
    manage(tmp_path, "migrate", "system", "zero", "--verbosity", "0", **variables)  # as before there were keys
    assert script(str(ROOT / "backup.sh"), "old.tar.gz", **variables).returncode == 0
    migrate(tmp_path, **variables)
    manage(tmp_path, "create_api_key", "newer", "--scope", "read", **variables)

    restored = script(str(ROOT / "restore.sh"), "old.tar.gz", **variables)

    assert restored.returncode == 0, restored.stderr
    manage(tmp_path, "create_api_key", "newer", "--scope", "read", **variables)  # the name is free, the table there


ARCHIVED = "CREATE TABLE note AS SELECT 'as it was' AS text"


def archive(tmp_path: Path, *statements: str) -> tuple[Any, ...]:
    with closing(sqlite3.connect(tmp_path / "archive.sqlite3")) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        return tuple(connection.execute("SELECT text FROM note").fetchone())


def repack(tmp_path: Path, name: str, spoil: Callable[[Path], None]) -> None:
    """Change a file of the backup one.tar.gz, also one within its files.tar."""
    parts, files = tmp_path / "parts", tmp_path / "parts/files"
    files.mkdir(parents=True)
    subprocess.run(["tar", "-C", parts, "-xzf", tmp_path / "one.tar.gz"], check=True)
    subprocess.run(["tar", "-C", files, "-xf", parts / "files.tar"], check=True)
    spoil(parts / name if (parts / name).exists() else files / name)
    subprocess.run(
        ["tar", "-C", files, "-cf", parts / "files.tar", *(path.name for path in files.iterdir())], check=True
    )
    shutil.rmtree(files)
    subprocess.run(["tar", "-C", parts, "-czf", tmp_path / "one.tar.gz", "."], check=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database at all, " * 1000)


@pytest.mark.parametrize(
    ("kind", "name", "spoil"),
    [
        ("sqlite", "news.sqlite3", cut),
        ("sqlite", "news.sqlite3", Path.unlink),
        ("sqlite", "archive.sqlite3", overwrite),
        ("postgresql", "news.dump", cut),
        ("postgresql", "archive.sqlite3", overwrite),
    ],
)
def test_a_broken_backup_leaves_everything_as_it_was(script, tmp_path, request, kind, name, spoil):
    variables = {"DATABASE_URL": request.getfixturevalue("database_url")} if kind == "postgresql" else {}
    migrate(tmp_path, **variables)
    archive(tmp_path, ARCHIVED)
    assert script(str(ROOT / "backup.sh"), "one.tar.gz", **variables).returncode == 0
    repack(tmp_path, name, spoil)
    manage(tmp_path, "sync_schedule", **variables)
    archive(tmp_path, "UPDATE note SET text = 'newer'")

    restored = script(str(ROOT / "restore.sh"), "one.tar.gz", **variables)

    assert restored.returncode != 0
    assert "Restored" not in restored.stdout
    assert archive(tmp_path) == ("newer",)
    if kind == "postgresql":
        assert min(ask(variables["DATABASE_URL"], COUNT)) > 0
    else:
        with closing(sqlite3.connect(tmp_path / "news.sqlite3")) as connection:
            assert min(connection.execute(COUNT).fetchone()) > 0


def test_a_dump_that_the_server_refuses_midway_leaves_everything_as_it_was(script, tmp_path, database_url):
    migrate(tmp_path, DATABASE_URL=database_url)
    ask(database_url, "CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE mine (mood mood)")
    archive(tmp_path, ARCHIVED)
    assert script(str(ROOT / "backup.sh"), "one.tar.gz", DATABASE_URL=database_url).returncode == 0
    manage(tmp_path, "sync_schedule", DATABASE_URL=database_url)
    archive(tmp_path, "UPDATE note SET text = 'newer'")

    restored = script(str(ROOT / "restore.sh"), "one.tar.gz", DATABASE_URL=database_url)

    assert restored.returncode != 0
    assert 'type "mood" already exists' in restored.stderr
    assert min(ask(database_url, COUNT)) > 0
    assert archive(tmp_path) == ("newer",)


def test_a_backup_of_nothing_is_none(script, tmp_path):
    outcome = script(str(ROOT / "backup.sh"), "one.tar.gz")

    assert outcome.returncode != 0
    assert "There is no database to save" in outcome.stderr
    assert "Saved" not in outcome.stdout
    assert not (tmp_path / "one.tar.gz").exists()


# A stand-in for Docker: containers are what the environment says, and what is run in one runs here.
DOCKER = f"""#!/bin/sh
shift
case $* in
    version) ;;
    "ps --all --quiet") printf "${{CONTAINERS?cannot connect}}" ;;
    "ps --services --status running") printf "$RUNNING" ;;
    *)
        shift 2
        while [ "$1" = -e ]; do export "$2"; shift 2; done
        echo "in $1:" "$2" >&2
        shift
        PATH={Path(sys.executable).parent}:$PATH exec "$@" ;;
esac
"""


@pytest.fixture
def docker(script, tmp_path):
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    return script


@pytest.mark.parametrize(
    "command", [["backup.sh", "one.tar.gz"], ["restore.sh", "one.tar.gz"], ["switch_model.sh", "cpu", "test123"]]
)
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"CONTAINERS": "f00\\n", "RUNNING": "redis\\n"}, "none of these runs: news worker"),
        ({}, "Docker does not say"),
    ],
)
def test_what_is_in_containers_that_stand_still_is_not_sought_here(docker, tmp_path, command, state, said):
    migrate(tmp_path)
    assert script_of_host(docker, "one.tar.gz").returncode == 0
    outcome = docker(str(ROOT / command[0]), *command[1:], **state)

    assert outcome.returncode != 0
    assert said in outcome.stderr
    assert "Saved" not in outcome.stdout


def script_of_host(docker, file: str) -> subprocess.CompletedProcess[str]:
    """Back up as where Docker is but this service has no container."""
    return docker(str(ROOT / "backup.sh"), file, CONTAINERS="")


def test_in_containers_the_database_is_asked_in_its_own(docker, tmp_path, postgres_url):
    server = urlsplit(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE news")
    url = postgres_url.rpartition("/")[0] + "/news"
    variables = {"DATABASE_URL": url, "PGHOST": str(server.hostname), "PGPORT": str(server.port)}
    compose = {"CONTAINERS": "f00\\nba5\\n", "RUNNING": "web\\npostgres\\n"}
    migrate(tmp_path, DATABASE_URL=url)
    manage(tmp_path, "sync_schedule", DATABASE_URL=url)
    before = ask(url, COUNT)

    saved = docker(str(ROOT / "backup.sh"), "one.tar.gz", **compose, **variables)
    ask(url, *SPOIL)
    restored = docker(str(ROOT / "restore.sh"), "one.tar.gz", **compose, **variables)
    without = docker(str(ROOT / "backup.sh"), "two.tar.gz", **{**compose, **variables, "RUNNING": "web\\n"})

    assert "in postgres: pg_dump" in saved.stderr
    assert restored.returncode == 0, restored.stderr
    assert {"in web: python", "in postgres: psql"} <= set(restored.stderr.splitlines())
    assert ask(url, COUNT) == before
    assert without.returncode != 0
    assert "none of these runs: postgres" in without.stderr
    assert not (tmp_path / "two.tar.gz").exists()


def test_a_file_that_is_no_backup_changes_nothing(script, tmp_path):
    (tmp_path / "notes.txt").write_text("not a backup")
    assert script(str(ROOT / "restore.sh"), "notes.txt").returncode != 0
    assert script(str(ROOT / "restore.sh")).returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["one.tar.gz", "two.tar.gz"]])
def test_a_backup_says_how_it_is_called(script, tmp_path, arguments):
    migrate(tmp_path)
    outcome = script(str(ROOT / "backup.sh"), *arguments)
    assert outcome.returncode == 2
    assert "usage: ./backup.sh [FILE]" in outcome.stderr
    assert not (tmp_path / arguments[0]).exists()


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
