"""Settings from the environment and `.env`: nonsense is refused by name, the rest just works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils.translation import override

ROOT = Path(settings.BASE_DIR)
SHOW = "from newsservice import settings; print(getattr(settings, '{}'))"


def start(tmp_path: Path, *, show: str = "PORT", **variables: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "var"), **variables}
    return subprocess.run(
        [sys.executable, "-c", SHOW.format(show)], env=environment, cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("SERVICE_PORT", "-1"),
        ("DJANGO_DEBUG", "maybe"),
        ("CACHE_ENABLED", "2"),
        ("NEWS_PROVIDER", "bing"),
        ("NAVER_API", "v3"),
        ("NAVER_SEARCH_URL", "openapi.naver.com"),
        ("NEWS_RSS_SEARCH_URL", "https://news.example/rss"),
        ("REDIS_URL", "localhost:6379"),
        ("DATABASE_URL", "mysql://localhost/news"),
        ("SIMILARITY_THRESHOLD", "1.5"),
        ("SIMILARITY_THRESHOLD", "nan"),
        ("CACHE_TTL_HOURS", "inf"),
        ("CACHE_EXPIRE_HOURS", "a day"),
        ("ML_BATCH_SIZE", "1025"),
        ("TORCH_NUM_THREADS", "1e3"),
        ("LOG_LEVEL", "LOUD"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:port"),
        ("NAVER_SEARCH_URL", "https:///v1/search"),
        ("WEB_THREADS", "٣٠٠٠"),
        ("NAVER_CLIENT_SECRET_FILE", "/no/such/file"),
    ],
)
def test_nonsense_stops_the_process_and_is_named(tmp_path, name, value):
    outcome = start(tmp_path, **{name: value})

    assert outcome.returncode != 0
    last = outcome.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name.removesuffix("_FILE") in last


def test_a_secret_that_is_refused_is_not_told(tmp_path):
    outcome = start(tmp_path, REDIS_URL="hunter2@localhost")

    assert "REDIS_URL" in outcome.stderr
    assert "hunter2" not in outcome.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://:s3cret/pw@redis.internal:6379/1"),
        ("REDIS_URL", "redis://:12/s3cret@redis.internal:6379/1"),  # 12 would be a port
        ("REDIS_URL", "redis://:s3cret#pw@redis.internal"),
        ("CELERY_BROKER_URL", "rediss://:s3cret?pw@redis.internal"),
        ("DATABASE_URL", "postgres://news:s3cret/pw@db.internal/news"),
        ("DATABASE_URL", "postgres://news:12#s3cret@db.internal/news"),
        ("DATABASE_URL", "postgresql://news:12?s3cret@db.internal/news"),
        ("DATABASE_URL", "postgres://news:s3cret[@db.internal/news"),
        ("DATABASE_URL", "postgres://news:s3cret@db.internal:70000/news"),
        ("NAVER_SEARCH_URL", "http://proxy:s3cret/pw@proxy.internal/v1"),
    ],
)
def test_a_password_that_is_not_quoted_is_refused_with_a_hint_and_not_told(tmp_path, name, value):
    outcome = start(tmp_path, **{name: value})

    assert outcome.returncode != 0
    last = outcome.stderr.strip().splitlines()[-1]
    assert f"ImproperlyConfigured: {name}: its host or port cannot be read" in last
    assert "%2F" in last
    assert "s3cret" not in outcome.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://:s3cret%2Fpw%40@redis.internal:6379/1"),
        ("REDIS_URL", "redis://[::1]:6379/1"),
        ("DATABASE_URL", "postgres://news@/news?host=/run/postgresql"),
        ("DATABASE_URL", "postgres:///news"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_URL", "sqlite:////srv/who@where/news.sqlite3"),
        ("SENTRY_DSN", "https://key:old@sentry.internal:9000/under/a/path/42"),
        ("NAVER_SEARCH_URL", "https://proxy.internal/@naver/search"),
    ],
)
def test_an_address_that_can_be_read_is_taken(tmp_path, name, value):
    outcome = start(tmp_path, show=name, **{name: value})

    assert outcome.stdout.strip() == value, outcome.stderr


@pytest.mark.parametrize(
    "dsn",
    ["https://sentry.internal", "https://s3cret@sentry.internal", "https://s3cret@sentry.internal/x",
     "https://s3cret@sentry.internal/1/"],
)  # fmt: skip
def test_what_is_no_dsn_is_refused_and_not_told(tmp_path, dsn):
    outcome = start(tmp_path, SENTRY_DSN=dsn)

    assert "ImproperlyConfigured: SENTRY_DSN: use https://KEY@HOST/PROJECT" in outcome.stderr.splitlines()[-1]
    assert "s3cret" not in outcome.stderr


def test_a_company_nobody_can_be_called_is_refused_before_anything_runs(tmp_path):
    outcome = subprocess.run(
        [sys.executable, "manage.py", "sync_schedule"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "MONITORED_COMPANIES": f"삼성전자,{'가' * 51}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert outcome.returncode != 0
    assert f"(search.E002) MONITORED_COMPANIES: '{'가' * 51}' is no company's name" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("address", "bind"),
    [("127.0.0.1", "127.0.0.1:8002"), ("::1", "[::1]:8002"), ("[::1]", "[::1]:8002"), ("localhost", "localhost:8002")],
)
def test_gunicorn_is_told_an_ipv6_address_in_brackets(tmp_path, address, bind):
    outcome = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--print-config"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "BIND_ADDRESS": address},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert f"['{bind}']" in outcome.stdout, outcome.stderr


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (
            "postgres://news@db/news?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=9",
            {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "connect_timeout": 9, "pool": ...},
        ),
        ("postgres://news@db/news", {"connect_timeout": 5, "pool": ...}),
        ("sqlite:////srv/news.sqlite3?timeout=60", {"timeout": 60, "transaction_mode": "IMMEDIATE"}),
    ],
)
def test_what_the_databases_address_says_of_the_connection_is_kept(tmp_path, url, kept):
    script = (
        "import json; from newsservice import settings\n"
        "print(json.dumps(settings.DATABASES['default']['OPTIONS'], default=str))"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "DATABASE_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    options = json.loads(outcome.stdout)

    assert all(options[name] == value for name, value in kept.items() if value is not ...)
    assert options.keys() >= kept.keys()


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "migrate"],
        ["containers/database.py", "run", "pg_dump"],
        ["containers/database.py", "run", "psql"],
    ],
)
def test_a_server_without_tls_is_refused_where_the_address_asks_for_it(tmp_path, postgres_url, command):
    outcome = subprocess.run(
        [sys.executable, *command],
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path),
            "DATABASE_URL": f"{postgres_url}?sslmode=verify-full&sslrootcert={__file__}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )

    assert outcome.returncode != 0
    assert "server does not support SSL" in outcome.stderr


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"DJANGO_DEBUG": "false"}, "DJANGO_SECRET_KEY"),
        ({"DJANGO_DEBUG": "false", "DJANGO_SECRET_KEY": "s" * 50}, "DJANGO_ALLOWED_HOSTS"),
        ({"NAVER_CLIENT_ID": "only"}, "NAVER_CLIENT_SECRET"),
        ({"NEWS_PROVIDER": "naver"}, "NAVER_CLIENT_ID"),
    ],
)
def test_what_is_needed_together_is_asked_for(tmp_path, variables, named):
    assert named in start(tmp_path, **variables).stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "show", "value"),
    [
        ({}, "PORT", "8002"),
        ({"SERVICE_PORT": "9000"}, "PORT", "9000"),
        ({"PORT": "9001", "SERVICE_PORT": "9000"}, "PORT", "9001"),
        ({"PORT": " "}, "PORT", "8002"),
        ({"CACHE_EXPIRE_HOURS": "12"}, "ANALYSIS_CACHE_SECONDS", "43200"),
        ({"MONITORED_COMPANIES": " 삼성전자 ,, 기아 "}, "MONITORED_COMPANIES", "['삼성전자', '기아']"),
        ({"CACHE_ENABLED": "False"}, "CACHE_ENABLED", "False"),
        ({"NAVER_API": "HUB"}, "NAVER_API", "hub"),
        ({"UNKNOWN_VARIABLE": "whatever"}, "PORT", "8002"),
        ({"MODELS_DIR": "/app/models"}, "MODELS_DIR", "/app/models"),
    ],
)
def test_a_variable_does_what_its_name_says(tmp_path, variables, show, value):
    outcome = start(tmp_path, show=show, **variables)

    assert outcome.stdout.strip() == value, outcome.stderr


def read_dotenv(tmp_path: Path, content: bytes, show: str, **variables: str) -> str:
    """Read a `.env` as the settings do, in a process of its own."""
    (tmp_path / ".env").write_bytes(content)
    script = (
        "import os, sys; from pathlib import Path; from newsservice import env\n"
        "env.read_dotenv(Path(sys.argv[1])); print(os.environ.get(sys.argv[2]))"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / ".env"), show],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return outcome.stdout.strip() or outcome.stderr


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"NAVER_CLIENT_SECRET=abc#def$x", "abc#def$x"),
        (b"NAVER_CLIENT_SECRET='with space'", "with space"),
        (b"export NAVER_CLIENT_SECRET=abc", "abc"),
        (b"NAVER_CLIENT_SECRET = abc", "abc"),
        (b"NAVER_CLIENT_SECRET=abc # of 2026", "abc"),
        (b"\xef\xbb\xbfNAVER_CLIENT_SECRET=abc\r\nX=1\r\n", "abc"),
        (b"this is no setting\nNAVER_CLIENT_SECRET=abc", "abc"),
    ],
)
def test_a_dotenv_file_is_read_as_people_write_it(tmp_path, line, value):
    assert read_dotenv(tmp_path, line, "NAVER_CLIENT_SECRET") == value


def test_the_environment_wins_over_the_dotenv_file(tmp_path):
    assert read_dotenv(tmp_path, b"PORT=1", "PORT", PORT="2") == "2"


def test_a_dotenv_file_that_is_no_text_is_named(tmp_path):
    assert "cannot be read" in read_dotenv(tmp_path, "PORT=가".encode("euc-kr"), "PORT")


def test_a_secret_may_be_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("from-a-file\n")
    outcome = start(
        tmp_path,
        show="NAVER_CLIENT_SECRET",
        NAVER_CLIENT_ID="id",
        NAVER_CLIENT_SECRET_FILE=str(tmp_path / "secret"),
    )

    assert outcome.stdout.strip() == "from-a-file"


@pytest.mark.parametrize("active", ["ko", "en"])
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([], ".env.example"),
        (["--markdown"], "docs/configuration.md"),
        (["--markdown", "--language", "ko"], "docs/configuration.ko.md"),
    ],
)
def test_the_list_of_settings_is_true(capsys, arguments, path, active):
    with override(active):
        call_command("describe_settings", *arguments)

    assert capsys.readouterr().out == (ROOT / path).read_text(encoding="utf-8")


def test_a_variable_of_old_that_does_nothing_is_told(tmp_path):
    outcome = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "CELERY_RESULT_BACKEND": "redis://x"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert outcome.returncode == 0
    assert "CELERY_RESULT_BACKEND is ignored" in outcome.stderr


@pytest.mark.parametrize("value", ["한글", "a\nb"])
def test_a_key_no_header_can_carry_is_refused_without_being_told(tmp_path, value):
    outcome = start(tmp_path, NAVER_CLIENT_ID=f"id{value}", NAVER_CLIENT_SECRET="s")

    assert "NAVER_CLIENT_ID" in outcome.stderr.splitlines()[-1]
    assert value not in outcome.stderr
