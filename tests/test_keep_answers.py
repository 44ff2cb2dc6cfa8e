"""The smart cache: fresh, stale, gone, in one process."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache as django_cache

from search import cache, store
from search.errors import ProviderError, ProviderQuotaExceeded, ProviderTimeout
from search.services import Options, analyze_company, search_batch, search_company, search_news
from tests.servers import wait_until
from tests.stand_ins import news_item

FIFTY = Options(max_results=50)


def expire(*, hours: float = 1) -> None:
    """Make everything kept so far older: past its freshness, within the time it may be served stale."""
    for key in list(django_cache._cache):
        name = key.split(":", 2)[2]
        if name.startswith(("search:", "news:", "analysis:")):
            kept = store.get(name, cache.Kept[dict])
            kept.fresh_until -= hours * 3600
            store.put(name, kept, seconds=600)


def test_the_second_identical_search_asks_nobody(naver):
    first = search_news("한빛전자", FIFTY)
    second = search_news("한빛전자", FIFTY)

    assert (first.is_hit, second.is_hit) == (False, True)
    assert second.value == first.value
    assert len(naver.calls) == 1


def test_a_request_for_fewer_results_than_are_kept_is_a_hit(naver):
    search_news("한빛전자", FIFTY)

    assert search_news("한빛전자", Options(max_results=5)).is_hit
    assert len(naver.calls) == 1


def test_a_request_for_more_than_is_kept_walks_on(naver):
    naver.items = [news_item(number) for number in range(250)]
    search_news("한빛전자", Options(max_results=10))
    more = search_news("한빛전자", Options(max_results=200, remove_duplicates=True))

    assert not more.is_hit
    assert len(naver.calls) == 1 + 3


def test_a_source_that_has_no_more_is_not_asked_for_more(naver):
    search_news("한빛전자", Options(max_results=10))

    assert search_news("한빛전자", Options(max_results=1000)).is_hit


@pytest.mark.parametrize(
    "other",
    [
        Options(max_results=50, sort="date"),
        Options(max_results=50, start=11),
        Options(max_results=50, remove_duplicates=False),
        Options(max_results=50, similarity_threshold=0.5),
    ],
    ids=["sort", "start", "duplicates", "threshold"],
)
def test_the_key_holds_all_that_can_change_the_answer(naver, other):
    search_news("한빛전자", FIFTY)

    assert not search_news("한빛전자", other).is_hit


def test_a_company_and_the_same_words_are_two_questions(naver):
    search_news("한빛전자", FIFTY)

    assert not search_company("한빛전자", FIFTY).is_hit


def test_force_refresh_asks_anew_and_rewrites(naver):
    search_news("한빛전자", FIFTY)
    naver.items = naver.items[:3]
    refreshed = search_news("한빛전자", Options(max_results=50, mode="refresh"))
    after = search_news("한빛전자", FIFTY)

    assert not refreshed.is_hit
    assert after.is_hit
    assert after.value.original_count == 3


def test_no_cache_neither_reads_nor_writes(naver):
    bypass = Options(max_results=50, mode="bypass")
    search_news("한빛전자", bypass)
    search_news("한빛전자", bypass)

    assert len(naver.calls) == 2
    assert not search_news("한빛전자", FIFTY).is_hit


def test_cache_enabled_false_makes_every_answer_anew(naver, settings):
    settings.CACHE_ENABLED = False
    search_news("한빛전자", FIFTY)

    assert not search_news("한빛전자", FIFTY).is_hit
    assert len(naver.calls) == 2


def test_a_stale_answer_is_served_while_it_is_made_anew(naver):
    search_news("한빛전자", FIFTY)
    naver.items = naver.items[:3]
    expire()
    stale = search_news("한빛전자", FIFTY)

    assert (stale.is_hit, stale.is_stale) == (True, True)
    assert stale.value.original_count == 30
    wait_until(lambda: not search_news("한빛전자", FIFTY).is_stale)
    assert search_news("한빛전자", FIFTY).value.original_count == 3
    assert len(naver.calls) == 2


def test_a_stale_answer_is_served_while_the_provider_is_down(naver):
    search_news("한빛전자", FIFTY)
    naver.refuse(500, b"down")
    expire()
    for _ in range(5):
        assert search_news("한빛전자", FIFTY).is_stale
    refreshed = search_news("한빛전자", Options(max_results=50, mode="refresh"))

    assert (refreshed.is_hit, refreshed.is_stale) == (True, True)


def test_a_failing_provider_is_not_asked_again_for_each_reader_of_a_stale_answer(naver):
    search_news("한빛전자", FIFTY)
    naver.refuse(400, {"errorCode": "SE99"})
    expire()
    search_news("한빛전자", FIFTY)
    wait_until(lambda: len(naver.calls) == 2)
    wait_until(lambda: not cache._flights)
    for _ in range(20):
        assert search_news("한빛전자", FIFTY).is_stale

    assert len(naver.calls) == 2


def test_without_any_answer_the_failure_is_told_and_remembered_for_seconds(naver, settings):
    settings.ERROR_CACHE_SECONDS = 3
    naver.refuse(429, {"errorCode": "012", "errorMessage": "too fast"})
    with pytest.raises(ProviderQuotaExceeded):
        search_news("한빛전자", FIFTY)
    naver.recover()
    with pytest.raises(ProviderQuotaExceeded) as caught:
        search_news("한빛전자", FIFTY)

    assert 1 <= caught.value.retry_after <= 3
    assert caught.value.details["provider_code"] == "012"
    assert len(naver.calls) == 1
    time.sleep(3.1)
    assert search_news("한빛전자", FIFTY).value.original_count == 30


def test_an_empty_answer_is_kept_briefly(naver, settings):
    naver.items = []
    search_news("한빛전자", FIFTY)
    assert search_news("한빛전자", FIFTY).is_hit
    expire(hours=(settings.EMPTY_CACHE_SECONDS + 1) / 3600)

    assert search_news("한빛전자", FIFTY).is_stale


def test_twenty_identical_misses_at_once_are_one_walk(naver):
    naver.delay = 0.2
    together = threading.Barrier(20)

    def ask(_: int):
        together.wait()
        return search_news("한빛전자", FIFTY)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))

    assert len(naver.calls) == 1
    assert all(answer.value == answers[0].value for answer in answers)


def test_those_who_wait_for_a_failure_share_it(naver):
    naver.delay = 0.2
    naver.refuse(400, {"errorCode": "SE01"})
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        with pytest.raises(ProviderError) as caught:
            search_news("한빛전자", FIFTY)
        return str(caught.value.details["provider_code"])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"SE01"}
    assert len(naver.calls) == 1


def test_who_waited_for_too_little_asks_for_the_rest(naver):
    naver.items = [news_item(number) for number in range(150)]
    naver.delay = 1
    with ThreadPoolExecutor(2) as pool:
        few = pool.submit(search_news, "한빛전자", Options(max_results=1, remove_duplicates=False))
        wait_until(lambda: naver.calls)
        many = pool.submit(search_news, "한빛전자", Options(max_results=120, remove_duplicates=False))

    assert len(few.result().value.stories) == 100
    assert len(many.result().value.stories) == 150


def test_a_batch_repeated_asks_nobody(naver):
    requests = [(f"한빛전자 {number}", Options(max_results=10)) for number in range(10)]
    search_batch(requests)
    assert len(naver.calls) == 10
    again = search_batch(requests)

    assert len(naver.calls) == 10
    assert all(answer.is_hit for answer in again)


def test_an_analysis_is_kept_and_warms_the_search(naver):
    first = analyze_company("한빛전자", FIFTY)
    second = analyze_company("한빛전자", FIFTY)

    assert (first.is_hit, second.is_hit) == (False, True)
    assert second.value == first.value
    assert search_company("한빛전자", FIFTY).is_hit
    assert len(naver.calls) == 1


def test_an_analysis_of_fewer_stories_is_summed_up_anew(naver):
    whole = analyze_company("한빛전자", FIFTY).value
    few = analyze_company("한빛전자", Options(max_results=2))

    assert few.is_hit
    assert few.value.judged == whole.judged[:2]
    assert few.value.summary.total == sum(few.value.summary.categories.values()) == 2


def test_an_analysis_is_never_made_of_stale_news(naver):
    search_company("한빛전자", FIFTY)
    naver.items = naver.items[:3]
    expire()

    assert analyze_company("한빛전자", FIFTY).value.found.original_count == 3


def test_a_stale_analysis_is_served_while_the_provider_is_down(naver, settings):
    analyze_company("한빛전자", FIFTY)
    naver.delay, settings.PROVIDER_READ_SECONDS = 5, 0.2
    expire(hours=25)
    answer = analyze_company("한빛전자", Options(max_results=50, mode="refresh"))

    assert answer.is_stale
    assert answer.value.found.original_count == 30
    with pytest.raises(ProviderTimeout):
        analyze_company("다른회사", FIFTY)


def test_what_cannot_be_read_back_is_made_anew(naver, caplog):
    search_news("한빛전자", FIFTY)
    for key in list(django_cache._cache):
        django_cache.set(key.split(":", 2)[2], b"\x00 not what was kept", 600)

    assert not search_news("한빛전자", FIFTY).is_hit
    assert "unreadable" in caplog.text
    assert search_news("한빛전자", FIFTY).is_hit


def test_the_same_text_is_never_judged_twice(naver, monkeypatch):
    from mlcore.pair import Pair

    judged: list[str] = []
    classify = Pair.classify
    monkeypatch.setattr(
        Pair, "classify", lambda self, texts, **how: (judged.extend(texts), classify(self, texts, **how))[1]
    )
    analyze_company("한빛전자", FIFTY)
    analyze_company("한빛전자", Options(max_results=50, sort="date"))
    analyze_company("한빛전자", Options(max_results=50, mode="refresh"))

    assert judged
    assert len(judged) == len(set(judged))
