"""DJANGO_DEBUG=false: what the settings become, what Django's own deployment check says, what a proxy may say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from search.checks import check_addresses
from system.checks import check_background, check_exposure, check_files_of_settings, check_limits
from tests.models import make_pair

ROOT = Path(django_settings.BASE_DIR)
PRODUCTION = {
    "DJANGO_DEBUG": "false",
    "DJANGO_SECRET_KEY": "q7Zp3vL9wK2xB8nR4tY6mC1hJ5gD0sF-aEuIoPzXyWvUtSrQpOnMl",
    "DJANGO_ALLOWED_HOSTS": "news.example.com,.internal",
}
HOST = {"SERVER_NAME": "news.example.com"}
# As manage.py, whatever `.env` lies about.
ISOLATED = """
import os, sys
from newsservice import env
env.read_dotenv = lambda *paths: None
os.environ["DJANGO_SETTINGS_MODULE"] = "newsservice.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
SHOWN = ["CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE"]
SHOW = f"""
import json, sys
from newsservice import env
env.read_dotenv = lambda *paths: None
from newsservice import settings
print(json.dumps({{name: getattr(settings, name) for name in {SHOWN}}}))
"""


def python(tmp_path: Path, code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "NEWS_PROVIDER": "archive"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**environment, **PRODUCTION, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_deployment_check_has_nothing_to_say(tmp_path):
    make_pair(tmp_path / "models", "test123")
    command = ["check", "--deploy", "--fail-level", "WARNING"]
    outcome = python(tmp_path, ISOLATED, *command, MODELS_DIR=str(tmp_path / "models"))

    assert outcome.returncode == 0, outcome.stderr
    assert "no issues (2 silenced)" in outcome.stdout  # about names below: only their owner knows


NETWORK = {"BIND_ADDRESS": "0.0.0.0"}


@pytest.mark.parametrize(
    ("check", "changes", "found"),
    [
        (check_exposure, {"API_KEYS_REQUIRED": False}, []),
        (check_exposure, {**NETWORK, "API_KEYS_REQUIRED": False}, ["system.W002"]),
        (check_exposure, {**NETWORK, "HTTPS_ONLY": True}, ["system.W003"]),
        (check_exposure, {**NETWORK, "HTTPS_ONLY": True, "TRUST_FORWARDED_PROTO": True}, []),
        (check_exposure, {**NETWORK, "HTTPS_ONLY": False}, []),
        (check_limits, {}, []),
        (check_limits, {"RATE_LIMITS": False}, ["system.W004"]),
        (check_limits, {"WEB_WORKERS": 2}, ["system.W005"]),
        (check_limits, {"WEB_WORKERS": 2, "REDIS_URL": "redis://127.0.0.1"}, []),
        (check_limits, {"TRUST_FORWARDED_PROTO": True}, ["system.W006"]),
        (check_limits, {"TRUST_FORWARDED_PROTO": True, "NUM_PROXIES": 1}, []),
        (check_background, {"BACKGROUND": "celery"}, ["system.W007"]),  # the tests' database is SQLite
        (check_background, {"BACKGROUND": "embedded"}, []),
        (check_addresses, {}, []),
        (check_addresses, {"NEWS_RSS_FEEDS": ["ftp://feeds.example/x", "feeds.example"]}, ["search.E001"] * 2),
        (check_addresses, {"NEWS_RSS_FEEDS": ["http://[::1/x"]}, ["search.E001"]),
        (check_addresses, {"NEWS_RSS_FEEDS": ["http://localhost/x", "http://10.0.0.1/x"]}, ["search.W001"] * 2),
        (check_addresses, {"NEWS_RSS_FEEDS": ["http://10.0.0.1/x"], "OUTGOING_ALLOWED": ["10.0.0.0/8"]}, []),
        (check_addresses, {"NAVER_SEARCH_URL": "http://proxy.example/x", "NAVER_CLIENT_ID": "id"}, ["search.W002"]),
        (check_addresses, {"NAVER_SEARCH_URL": "http://127.0.0.1/x", "NAVER_CLIENT_ID": "id"}, []),
    ],
)
def test_a_check_finds_what_is_set_wrong_and_says_what_to_do(settings, check, changes, found):
    ready = {"API_KEYS_REQUIRED": True, "RATE_LIMITS": True, "WEB_WORKERS": 1, "OUTGOING_ALLOWED": []}
    for name, value in {**ready, **changes}.items():
        setattr(settings, name, value)
    messages = check(None)
    assert [message.id for message in messages] == found
    assert all(message.hint for message in messages)


def test_a_broker_that_nobody_asks_is_told(settings, monkeypatch):
    settings.BACKGROUND = "embedded"
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1")
    assert [message.id for message in check_background(None)] == ["system.W008"]


@pytest.mark.parametrize("name", ["REDIS_URL", "DATABASE_URL", "DJANGO_SECRET_KEY", "SERVICE_PORT"])
def test_a_setting_that_its_file_stands_above_is_told(monkeypatch, name):
    monkeypatch.setenv(f"{name}_FILE", "/secrets/app/one")
    assert check_files_of_settings(None) == []
    monkeypatch.setenv(name, "s3cret")
    (message,) = check_files_of_settings(None)
    assert message.id == "system.W009"
    assert message.msg.startswith(f"{name} is not read")
    assert "s3cret" not in str(message)


def test_the_settings_that_production_comes_to(tmp_path):
    assert json.loads(python(tmp_path, SHOW).stdout) == {
        "CSRF_TRUSTED_ORIGINS": ["https://news.example.com", "https://*.internal"],
        "SECURE_PROXY_SSL_HEADER": None,
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
    }
    chosen = {
        "DJANGO_CSRF_TRUSTED_ORIGINS": "https://elsewhere.example.com",
        "TRUST_FORWARDED_PROTO": "true",
        "HTTPS_ONLY": "false",
    }
    assert json.loads(python(tmp_path, SHOW, **chosen).stdout) == {
        "CSRF_TRUSTED_ORIGINS": ["https://elsewhere.example.com"],
        "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
        "SECURE_SSL_REDIRECT": False,
        "SESSION_COOKIE_SECURE": False,
    }


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"DJANGO_SECRET_KEY": ""}, "DJANGO_SECRET_KEY"),
        ({"DJANGO_ALLOWED_HOSTS": ""}, "DJANGO_ALLOWED_HOSTS"),
        ({"DJANGO_ALLOWED_HOSTS": "*"}, "DJANGO_CSRF_TRUSTED_ORIGINS"),
        ({"DJANGO_CSRF_TRUSTED_ORIGINS": "news.example.com"}, "DJANGO_CSRF_TRUSTED_ORIGINS"),
    ],
)
def test_what_production_cannot_do_without_is_asked_for(tmp_path, variables, named):
    assert named in python(tmp_path, SHOW, **variables).stderr.splitlines()[-1]


@pytest.fixture
def behind_a_proxy(settings):
    """What HTTPS_ONLY and TRUST_FORWARDED_PROTO come to, in this process."""
    settings.ALLOWED_HOSTS = ["news.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://news.example.com"]
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 3600


def test_plain_http_is_sent_to_https_but_not_the_health_check(behind_a_proxy):
    assert Client(**HOST).get("/docs").headers["Location"] == "https://news.example.com/docs"
    assert Client(**HOST).get("/health").status_code == 200
    answer = Client(**HOST).get("/", headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=3600"
    assert Client(SERVER_NAME="evil.example.com").get("/health").status_code == 400


@pytest.mark.django_db
def test_one_signs_in_to_the_admin_behind_a_proxy_and_from_its_own_pages_only(behind_a_proxy):
    User.objects.create_superuser("operator", password="a-long-word-1234")
    client = Client(enforce_csrf_checks=True, headers={"X-Forwarded-Proto": "https"}, **HOST)
    token = client.get("/admin/login/").context["csrf_token"]
    form = {"username": "operator", "password": "a-long-word-1234", "csrfmiddlewaretoken": str(token)}

    refused = client.post("/admin/login/", form, headers={"Origin": "https://evil.example.com"})
    taken = client.post("/admin/login/", form, headers={"Origin": "https://news.example.com"})

    assert refused.status_code == 403
    assert taken.status_code == 302
    assert taken.cookies["sessionid"]["secure"]
    assert taken.cookies["sessionid"]["httponly"]
    assert taken.cookies["sessionid"]["samesite"] == "Lax"


@pytest.mark.parametrize("path", ["/", "/docs", "/admin/login/", "/api/v1/schema", "/health", "/nothing"])
def test_every_answer_carries_the_policy_and_headers(path):
    headers = Client(SERVER_NAME="localhost").get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in f"{policy};"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_only_redoc_may_write_styles():
    policy = Client(SERVER_NAME="localhost").get("/redoc").headers["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src 'self';" in f"{policy};"


# --- docs/security.md ------------------------------------------------------------------------------------------


def test_the_tests_that_are_named_are_there():
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text())
    assert len(named) >= 10
    for file, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"


def test_every_risk_and_every_check_is_told():
    page = (ROOT / "docs/security.md").read_text()
    assert [int(number) for number in re.findall(r"^\| API(\d+) .*`tests/", page, re.MULTILINE)] == [*range(1, 11)]
    code = "".join((ROOT / app / "checks.py").read_text() for app in ("mlcore", "search", "system"))
    made = set(re.findall(r'"(?:system|search|mlcore)\.[EW]\d{3}"', code)) | {
        f'"system.{id_}"' for id_ in re.findall(r'id="(W\d{3})"', code)
    }
    assert {f'"{told}"' for told in re.findall(r"`(\w+\.[EW]\d{3})`", page)} == made
