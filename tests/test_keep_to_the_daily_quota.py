"""The day's calls to Naver: counted before each, by all processes, with or without Redis; the last are for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from dashboard import services
from dashboard.models import Analysis
from search import quota, store
from search.errors import ProviderQuotaExceeded
from search.services import Options, analyze_company, search_news
from tests.stand_ins import news_item
from tests.test_keep_answers import expire

FIFTY = Options(max_results=50)
PROCESSES, EACH = 6, 150

SPEND = """
import json, sys, time
import django
django.setup()
from search import quota, store
from search.errors import ProviderQuotaExceeded
store.RETRY_SECONDS = 0.05
print("ready", flush=True)
sys.stdin.readline()
granted = 0
for _ in range(int(sys.argv[1])):
    try:
        quota.spend()
        granted += 1
    except ProviderQuotaExceeded:
        pass
    time.sleep(float(sys.argv[2]))
print(json.dumps(granted), flush=True)
"""


@pytest.fixture(autouse=True)
def _own_ledger(settings, tmp_path) -> None:
    settings.DATA_DIR = tmp_path
    settings.NAVER_QUOTA_RESERVE = 0


class Spenders:
    """Processes that all spend at once."""

    def __init__(self, data: Path, *, limit: int, pause: float = 0.0, **variables: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATA_DIR": str(data),
            "NAVER_DAILY_QUOTA": str(limit),
            "NAVER_QUOTA_RESERVE": "0",
            **variables,
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", SPEND, str(EACH), str(pause)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()

    def granted(self) -> int:
        """Wait for all; return how many calls they were granted together."""
        return sum(json.loads(process.communicate(timeout=300)[0]) for process in self.processes)


def test_many_processes_count_each_call_once_without_redis(tmp_path):
    assert Spenders(tmp_path, limit=25_000).granted() == PROCESSES * EACH
    assert quota.state().used == PROCESSES * EACH


def test_many_processes_count_each_call_once_in_redis(tmp_path, redis):
    assert Spenders(tmp_path, limit=25_000, REDIS_URL=redis.url).granted() == PROCESSES * EACH
    assert quota.state().used == PROCESSES * EACH


@pytest.mark.parametrize("with_redis", [False, True])
def test_many_processes_are_granted_the_limit_and_no_more(tmp_path, settings, redis, with_redis):
    variables = {"REDIS_URL": redis.url} if with_redis else {}
    settings.REDIS_URL = variables.get("REDIS_URL", "")
    settings.NAVER_DAILY_QUOTA = 700

    assert Spenders(tmp_path, limit=700, **variables).granted() == 700
    assert (quota.state().used, quota.state().remaining) == (700, 0)


def test_a_redis_killed_in_between_that_comes_back_empty_costs_no_count(tmp_path, redis):
    spenders = Spenders(tmp_path, limit=25_000, pause=0.01, REDIS_URL=redis.url)
    for _ in range(2):
        time.sleep(0.4)
        redis.stop()
        time.sleep(0.3)
        redis.start()

    assert spenders.granted() == PROCESSES * EACH
    time.sleep(2.1)  # this process's own breaker
    quota.spend()
    assert quota.state().used == PROCESSES * EACH + 1
    assert store.counters([quota._key(quota._day())]) == {quota._key(quota._day()): PROCESSES * EACH + 1}


def test_the_limit_holds_while_redis_is_away(settings, redis):
    settings.NAVER_DAILY_QUOTA = 10
    for _ in range(7):
        quota.spend()
    redis.stop()
    for _ in range(3):
        quota.spend()
    with pytest.raises(ProviderQuotaExceeded):
        quota.spend()
    assert quota.state().used == 10


def test_hosts_with_a_file_each_share_the_count_in_redis(settings, redis, tmp_path):
    quota.spend()
    settings.DATA_DIR = tmp_path / "another-host"
    settings.DATA_DIR.mkdir()
    quota.spend()
    assert quota.state().used == 2


def test_one_call_is_counted_for_each_page_and_each_retry(naver):
    naver.items = [news_item(number) for number in range(250)]
    search_news("한빛전자", Options(max_results=1000, remove_duplicates=False))
    assert quota.state().used == len(naver.calls) == 3
    naver.refuse(500, b"", times=2)
    search_news("가람은행", FIFTY)
    assert quota.state().used == len(naver.calls) > 5


def test_beyond_the_limit_nothing_is_called_and_the_client_is_told_when(naver, settings, client, db):
    settings.NAVER_DAILY_QUOTA = 1
    search_news("한빛전자", FIFTY)
    with time_machine.travel("2026-11-22T23:59:00+09:00", tick=False):
        quota.spend()
        response = client.post("/api/v1/search/news", {"query": "가람은행"}, format="json")

    assert response.status_code == 503
    assert response.json()["error_code"] == "PROVIDER_QUOTA_EXCEEDED"
    assert 60 <= int(response["Retry-After"]) <= 62
    assert len(naver.calls) == 1


def test_no_retry_is_made_beyond_the_limit(naver, settings):
    settings.NAVER_DAILY_QUOTA = 2
    naver.refuse(500, b"")
    with pytest.raises(ProviderQuotaExceeded):
        search_news("한빛전자", FIFTY)
    assert len(naver.calls) == quota.state().used == 2


def test_an_expired_answer_is_served_stale_beyond_the_limit(naver, settings):
    search_news("한빛전자", FIFTY)
    settings.NAVER_DAILY_QUOTA = 1
    expire()
    answer = search_news("한빛전자", Options(max_results=50, mode="refresh"))

    assert (answer.is_stale, answer.value.original_count) == (True, 30)
    assert len(naver.calls) == 1


@pytest.mark.parametrize("hour", [0, 9])
def test_a_day_begins_at_its_hour_in_seoul(settings, hour):
    settings.NAVER_DAILY_QUOTA, settings.NAVER_QUOTA_RESET_HOUR = 2, hour
    with time_machine.travel(f"2026-11-22T{(hour - 1) % 24:02d}:59:58+09:00", tick=False):
        quota.spend()
        quota.spend()
        with pytest.raises(ProviderQuotaExceeded) as caught:
            quota.spend()
        assert caught.value.retry_after == 3
        assert quota.state().resets_at.astimezone(quota.SEOUL).hour == hour
    with time_machine.travel(f"2026-11-{22 + (hour == 0)}T{hour:02d}:00:00+09:00", tick=False):
        assert quota.state().used == 0
        quota.spend()
        assert quota.state().used == 1


def test_a_file_of_nonsense_begins_anew_and_one_that_cannot_be_written_stops_no_call(settings, tmp_path, caplog):
    (tmp_path / "quota").write_bytes(b"\xff\x00 nonsense")
    quota.spend()
    assert quota.state().used == 1
    settings.DATA_DIR = tmp_path / "missing"
    quota.spend()
    assert "cannot be counted" in caplog.text


# --- what is kept for people -----------------------------------------------------------------------------------


@pytest.fixture
def reserve(naver, settings) -> None:
    """Two calls are left, kept for people."""
    settings.NAVER_DAILY_QUOTA, settings.NAVER_QUOTA_RESERVE = 3, 2
    quota.spend()


@pytest.mark.django_db
def test_a_scheduled_run_waits_for_the_reset_and_costs_no_call(reserve, naver):
    run = services.request_analysis("한빛전자", trigger="schedule")
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.attempts, run.error_code) == ("queued", 0, "PROVIDER_QUOTA_EXCEEDED")
    assert 0 <= (run.run_after - quota.state().resets_at).total_seconds() < 60
    assert naver.calls == []


@pytest.mark.django_db
@pytest.mark.parametrize("trigger", ["api", "manual", "admin", "command"])
def test_a_person_may_use_the_reserve_also_for_what_the_schedule_had_put_off(reserve, naver, trigger):
    run = services.request_analysis("한빛전자", trigger="schedule")
    services.run_analysis(run.pk, worker="here:1")
    assert services.request_analysis("한빛전자", trigger=trigger).pk == run.pk
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.trigger) == ("success", trigger)
    assert len(naver.calls) == 1


@pytest.mark.django_db
def test_what_the_schedule_put_off_runs_after_the_reset(reserve, naver):
    run = services.request_analysis("한빛전자", trigger="schedule")
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()
    with time_machine.travel(run.run_after):
        services.run_analysis(run.pk, worker="here:1")
    assert Analysis.objects.get().status == "success"


@pytest.mark.django_db
def test_providers_without_a_quota_are_not_counted(settings):
    settings.NEWS_PROVIDER, settings.NAVER_DAILY_QUOTA = "archive", 1
    quota.spend()
    run = services.request_analysis("삼성전자", trigger="schedule")
    services.run_analysis(run.pk, worker="here:1")
    analyze_company("LG전자", FIFTY)
    assert Analysis.objects.filter(pk=run.pk, status="success").exists()
    assert quota.state().used == 1


# --- where it is shown -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_status_metrics_probes_and_the_admin_say_how_the_day_stands(naver, settings, client, admin_client):
    settings.NAVER_DAILY_QUOTA, settings.NAVER_QUOTA_RESERVE = 1000, 100
    search_news("한빛전자", FIFTY)
    said = client.get("/api/v1/dashboard/status").json()["provider_quota"]
    resets_at = timezone.datetime.fromisoformat(said.pop("resets_at"))
    assert said == {"provider": "naver", "limit": 1000, "used": 1, "remaining": 999, "reserve": 100}
    assert resets_at == quota.state().resets_at

    text = client.get("/api/v1/system/metrics").content.decode()
    assert 'news_provider_quota_remaining{provider="naver"} 999.0' in text
    assert 'news_provider_quota_limit{provider="naver"} 1000.0' in text
    english = {"HTTP_ACCEPT_LANGUAGE": "en"}
    ready = client.get("/api/v1/system/ready", **english).json()
    assert "999 of the day's 1000 calls are left" in ready["checks"]["provider"]["detail"]
    page = admin_client.get("/admin/dashboard/analysis/running/", **english).content.decode()
    assert '<progress value="1" max="1000"' in page
    assert "999 are left" in page


@pytest.mark.django_db
def test_where_nothing_is_counted_nothing_is_said(client):
    assert client.get("/api/v1/dashboard/status").json()["provider_quota"] is None
    assert "news_provider_quota" not in client.get("/api/v1/system/metrics").content.decode()
