"""A secret is never told: not in logs, answers, errors, or a traceback on a terminal."""

from __future__ import annotations

import io
import logging
import re
import subprocess

import pytest
import requests
import structlog

from newsservice import logs
from newsservice.env import SETTINGS
from search.errors import ProviderError
from search.providers.naver import NaverProvider
from system import keys
from tests.processes import MANAGE, ROOT, environment, running


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("as_text", [True, False])
def test_a_traceback_in_the_log_does_not_show_the_keys(naver, settings, as_text):
    settings.NAVER_SEARCH_URL = "http://127.0.0.1:9/refused"
    written = Terminal()
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=logs._rendering(as_text), foreign_pre_chain=logs.SHARED_PROCESSORS
        )
    )
    logger = logging.Logger("a-terminal")
    logger.addHandler(handler)
    with pytest.raises(ProviderError) as caught:
        next(NaverProvider().pages("한빛전자", sort="sim", start=1))
    logger.error("it failed", exc_info=caught.value.__cause__)

    assert "Traceback" in written.getvalue()
    assert naver.secret not in written.getvalue()


def test_neither_answers_nor_logs_show_the_keys(client, naver, caplog):
    caplog.set_level(logging.DEBUG)
    naver.refuse(401, {"errorCode": "024", "errorMessage": f"bad key {naver.secret}"})
    answers = [
        client.post("/api/v1/search/news", {"query": "한빛전자"}, format="json"),
        client.post("/api/v1/search/companies/한빛전자/analyze"),
        client.get("/api/v1/system/health"),
        client.get("/api/v1/schema"),
        client.get("/"),
    ]

    assert naver.secret not in caplog.text
    assert all(naver.secret not in answer.content.decode() for answer in answers)


# --- all secrets at once, in a service that runs ---------------------------------------------------------------

SECRETS = {
    "NAVER_CLIENT_ID": "naverid-Xq71Lw",
    "NAVER_CLIENT_SECRET": "naversecret-Zt83Vn",
    "DJANGO_SECRET_KEY": "signing-" + "Qm94Rk" * 10,
    "database": "dbpass-Wd52Hs",
    "redis": "redispass-Ke67Jp",
    "broker": "brokerpass-Ny18Fc",
    "sentry": "sentrykeyRb61Tz",
}


def told(text: str, *more: str) -> list[str]:
    return [secret for secret in (*SECRETS.values(), *more) if secret in text]


@pytest.fixture
def secretive(tmp_path, database_url, redis_server) -> dict[str, str]:
    """Settings full of secrets: some that work, some that are refused and so get into errors."""
    database = database_url.replace("news@", f"news:{SECRETS['database']}@")
    redis = redis_server.url.removeprefix("redis://")
    return {
        **{name: secret for name, secret in SECRETS.items() if name.isupper()},
        "DJANGO_DEBUG": "false",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": database,
        "REDIS_URL": f"redis://:{SECRETS['redis']}@{redis}",  # refused: that Redis knows no password
        "CELERY_BROKER_URL": f"redis://:{SECRETS['broker']}@{redis}",
        "SENTRY_DSN": f"http://{SECRETS['sentry']}@127.0.0.1:9/1",  # where nobody listens
        "BACKGROUND": "embedded",
        "NEWS_PROVIDER": "naver",
        "LOG_LEVEL": "DEBUG",
        "MONITORED_COMPANIES": "한빛전자",
    }


def manage(tmp_path, variables: dict[str, str], *arguments: str) -> str:
    outcome = subprocess.run(
        [*MANAGE, *arguments], cwd=ROOT, env=environment(tmp_path, **variables), capture_output=True, text=True
    )
    return outcome.stdout + outcome.stderr


def test_a_running_service_tells_none_of_its_secrets(tmp_path, naver, secretive):
    naver.refuse(401, {"errorCode": "024", "errorMessage": f"{SECRETS['NAVER_CLIENT_SECRET']} is no key"}, times=999)
    secretive["NAVER_SEARCH_URL"] = f"{naver.url}/v1/search/news.json"
    said = manage(tmp_path, secretive, "migrate")
    (key,) = re.findall(r"nsk_\S+", manage(tmp_path, secretive, "create_api_key", "who asks", "--scope", "admin"))
    headers = {"X-API-Key": key}
    with running(tmp_path, [*MANAGE, "serve"], **secretive) as service:
        base = f"{service.url}/api/v1"
        answers = [
            requests.get(f"{base}/system/health", timeout=20),
            requests.get(f"{base}/system/ready", timeout=20),
            requests.get(f"{base}/system/metrics", headers=headers, timeout=20),
            requests.get(f"{base}/schema", headers=headers, timeout=20),
            requests.get(f"{base}/dashboard/status", headers=headers, timeout=20),
            requests.get(f"{base}/dashboard/companies", headers={"X-API-Key": f"{key}x"}, timeout=20),
            requests.post(f"{base}/search/companies/한빛전자/analyze", headers=headers, timeout=60),
            requests.post(f"{base}/search/news", data=b"{", headers=headers, timeout=20),
            requests.get(f"{service.url}/", timeout=20),
        ]
        said += service.output()
    said += manage(tmp_path, secretive, "doctor") + manage(tmp_path, secretive, "check", "--deploy")

    assert [answer.status_code for answer in answers[2:5]] == [200, 200, 200]
    assert answers[6].json().get("error_code") == "PROVIDER_AUTH_ERROR", answers[6].text
    assert "Traceback" not in "".join(answer.text for answer in answers)
    assert told(said, key) == []
    assert told("".join(answer.text + str(answer.headers) for answer in answers), key) == []
    assert '"api_key": "nsk_' in said  # who it was is told, by what tells keys apart


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://news:dbpass-Wd52Hs@db.internal/news"),
        ("REDIS_URL", "http://:redispass-Ke67Jp@redis.internal"),
        ("DATABASE_URL", "postgres://news:dbpass-Wd52Hs/x@db.internal/news"),
        ("REDIS_URL", "redis://:redispass-Ke67Jp/x@redis.internal"),
        ("CELERY_BROKER_URL", "redis://:12/brokerpass-Ny18Fc@queue.internal"),
        ("SENTRY_DSN", "https://sentrykeyRb61Tz@sentry.internal/project"),
        ("CELERY_BROKER_URL", "amqp://guest:brokerpass-Ny18Fc@queue.internal"),
        ("NAVER_CLIENT_ID", "naverid-Xq71Lw\u200b"),
    ],
)
def test_a_setting_that_is_refused_names_itself_alone(tmp_path, name, value):
    said = manage(tmp_path, {"NAVER_CLIENT_SECRET": SECRETS["NAVER_CLIENT_SECRET"], name: value}, "check")
    assert name in said
    assert told(said) == []


@pytest.mark.django_db
def test_the_page_of_an_error_in_the_embedded_mode_shows_no_secret(admin_client, settings, monkeypatch):
    settings.DEBUG = True
    settings.NAVER_CLIENT_ID, settings.NAVER_CLIENT_SECRET = SECRETS["NAVER_CLIENT_ID"], SECRETS["NAVER_CLIENT_SECRET"]
    settings.SECRET_KEY = SECRETS["DJANGO_SECRET_KEY"]
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://:{SECRETS['redis']}@127.0.0.1:6379/1"
    settings.DATABASE_URL = f"postgres://news:{SECRETS['database']}@127.0.0.1/news"

    def fails() -> None:
        headers = {"X-Naver-Client-Secret": SECRETS["NAVER_CLIENT_SECRET"]}  # at hand where it happens
        raise RuntimeError(len(headers))

    monkeypatch.setattr("system.views.describe_runtime", fails)
    admin_client.raise_request_exception = False
    page = admin_client.get("/", headers={"Accept": "text/html"}, SERVER_NAME="localhost")

    assert page.status_code == 500
    assert "RuntimeError" in page.content.decode()
    assert "NAVER_CLIENT_SECRET" in page.content.decode()
    assert told(page.content.decode()) == []


@pytest.mark.django_db
def test_neither_the_admin_nor_a_repr_shows_a_key(admin_client, naver, settings):
    row = keys.create("a test", scope="read")
    known = keys.recognise(row.token)
    settings.NAVER_CLIENT_SECRET = SECRETS["NAVER_CLIENT_SECRET"]
    shown = repr((row, known, keys.ApiKey.objects.get(), NaverProvider(), SETTINGS))
    for path in ("", "system/apikey/", f"system/apikey/{row.pk}/change/", "dashboard/cache/", "dashboard/worker/"):
        page = admin_client.get(f"/admin/{path}", SERVER_NAME="localhost", follow=True)
        shown += page.content.decode()

    assert told(shown, row.token, row.digest) == []
