"""The smart cache over a real Redis: shared by processes, and losing it costs speed only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache as django_cache

from search import store
from search.services import Options, analyze_company, search_news

FIFTY = Options(max_results=50)

ASK = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from search.services import Options, search_news
with ThreadPoolExecutor(10) as pool:
    answers = list(pool.map(lambda _: search_news("한빛전자", Options(max_results=50)), range(10)))
print(json.dumps([answer.value.original_count for answer in answers]))
"""


def ask_in_another_process(naver, redis) -> subprocess.Popen[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "REDIS_URL": redis.url,
        "NEWS_PROVIDER": "naver",
        "NAVER_SEARCH_URL": f"{naver.url}/v1/search/news.json",
        "NAVER_CLIENT_ID": naver.id,
        "NAVER_CLIENT_SECRET": naver.secret,
    }
    return subprocess.Popen([sys.executable, "-c", ASK], env=environment, stdout=subprocess.PIPE, text=True)


def test_identical_misses_in_two_processes_are_one_walk(naver, redis):
    naver.delay = 1.5
    processes = [ask_in_another_process(naver, redis) for _ in range(2)]
    found = [json.loads(process.communicate(timeout=300)[0]) for process in processes]

    assert found == [[30] * 10, [30] * 10]
    assert len(naver.calls) == 1


def test_an_answer_survives_the_process_that_made_it(naver, redis):
    ask_in_another_process(naver, redis).communicate(timeout=300)

    assert search_news("한빛전자", FIFTY).is_hit
    assert len(naver.calls) == 1


def test_what_redis_keeps_is_compressed_json(naver, redis):
    analyze_company("한빛전자", FIFTY)
    client = django_cache.client.get_client()
    keys = [key for key in client.keys("*") if b"usage:" not in key and b"quota:" not in key]

    assert len(keys) > 30
    for key in keys:
        assert b"\x28\xb5\x2f\xfd" in client.get(key)[:16], f"{key} holds no zstandard frame"


@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_a_redis_that_goes_away_costs_speed_only(naver, redis, fault):
    search_news("한빛전자", FIFTY)
    getattr(redis, fault)()
    slowest = 0.0
    for _ in range(4):
        started = time.monotonic()
        answer = search_news("한빛전자", FIFTY)
        slowest = max(slowest, time.monotonic() - started)
        assert answer.value.original_count == 30

    # Half a second of waiting for Redis, and the live answer itself.
    assert slowest < 0.5 + 0.5


def test_misses_at_once_without_redis_are_still_one_walk(naver, redis):
    redis.stop()
    naver.delay = 2
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: search_news("한빛전자", FIFTY), range(10)))

    assert len(naver.calls) == 1


def test_a_redis_that_returns_is_used_again(naver, redis, monkeypatch):
    monkeypatch.setattr(store, "RETRY_SECONDS", 0.3)
    redis.stop()
    search_news("한빛전자", FIFTY)
    assert not store.is_connected()
    redis.start()
    time.sleep(0.4)

    assert store.is_connected()
    search_news("한빛전자", FIFTY)
    assert search_news("한빛전자", FIFTY).is_hit


def test_a_lock_is_held_while_its_work_lasts_and_no_longer(redis, monkeypatch):
    monkeypatch.setattr(store, "LEASE_SECONDS", 3)
    client = django_cache.client.get_client()
    with store.locked("work"):
        time.sleep(4.5)
        assert client.keys("*lock:work*")
    assert not client.keys("*lock:work*")


def test_work_that_hangs_holds_a_lock_no_longer_than_a_run_may_take(redis, monkeypatch, settings):
    monkeypatch.setattr(store, "LEASE_SECONDS", 0.5)
    settings.RUN_SECONDS = 1
    started = time.monotonic()
    with store.locked("work"):
        with store.locked("work"):
            assert 1 < time.monotonic() - started < 30


def test_a_process_that_died_holds_a_lock_no_longer_than_its_lease(redis, monkeypatch):
    monkeypatch.setattr(store, "LEASE_SECONDS", 2)
    assert store._acquire("work")  # and never renewed nor released
    started = time.monotonic()
    with store.locked("work"):
        waited = time.monotonic() - started

    assert 0.1 < waited < 20


def test_a_poisoned_value_is_a_miss(naver, redis):
    search_news("한빛전자", FIFTY)
    client = django_cache.client.get_client()
    for key in client.keys("*search*"):
        client.set(key, b"\xc1\xff poison")

    assert search_news("한빛전자", FIFTY).value.original_count == 30


BASE = "/api/v1/dashboard/cache"
OTHERS = 5_000  # keys of others in the same Redis, and as many judgements


@pytest.fixture
def crowded(naver, redis):
    """Return Redis' own counts, of a store of many keys of which few are answers."""
    client = django_cache.client.get_client()
    client.mset({f"of somebody:{number}": "x" for number in range(OTHERS)})
    client.mset({django_cache.make_key(f"prediction:{number}"): "x" for number in range(OTHERS)})
    for name in ("한빛전자", "가람은행"):
        analyze_company(name, FIFTY)
    return client


def scans(client, ask) -> int:
    """Return how many times something has Redis look through a part of its keys."""
    client.config_resetstat()
    ask()
    return client.info("commandstats").get("cmdstat_scan", {"calls": 0})["calls"]


A_WALK = 2 * OTHERS // store.WALKED_AT_ONCE + 2


@pytest.mark.django_db
def test_looking_after_the_cache_is_one_walk_through_its_keys(client, crowded):
    asked = {"entries": lambda: client.get(f"{BASE}/info"), "a company": lambda: client.delete(f"{BASE}/한빛전자")}
    for name, ask in asked.items():
        assert 0 < scans(crowded, ask) <= A_WALK, name
    left = client.get(f"{BASE}/info").json()["companies"]
    assert [one["company"] for one in left] == ["가람은행"]
    assert len(store.keys("prediction:")) == OTHERS

    assert 0 < scans(crowded, lambda: client.delete(f"{BASE}/all")) <= A_WALK
    assert store.keys("prediction:", "analysis:", "search:", "news:", "error:") == []
    assert len(crowded.keys("of somebody:*")) == OTHERS


def test_how_long_many_keys_stay_is_one_round_trip(redis):
    for number in range(50):
        store.put(f"news:{number}", number, seconds=60 + number)
    client = django_cache.client.get_client()
    before = client.info("stats")["total_reads_processed"]
    left = store.seconds_left([*(f"news:{number}" for number in range(50)), "news:gone"])
    trips = client.info("stats")["total_reads_processed"] - before

    assert list(left) == [f"news:{number}" for number in range(50)]
    assert all(58 <= left[f"news:{number}"] - number <= 60 for number in range(50))
    assert trips <= 3  # the question, and what counts it
