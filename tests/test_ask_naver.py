"""Ask Naver for news, through either of its doors, and hear its refusals."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import time_machine

from search import pipeline
from search.errors import ProviderAuthError, ProviderError, ProviderQuotaExceeded, ProviderTimeout
from search.providers.naver import DIALECTS, NaverProvider
from search.types import Article, Page, SearchQuery
from tests.stand_ins import Exchange, FeedStandIn, NaverStandIn, StandIn, news_item

SPENT = {"errorMessage": "Query limit exceeded.", "errorCode": "010"}
TOO_FAST = {"errorMessage": "Rate limit exceeded.", "errorCode": "012"}


def ask(query: str = '"한빛전자"', *, sort: str = "sim", start: int = 1) -> list[Page]:
    return list(NaverProvider().pages(query, sort=sort, start=start))  # type: ignore[arg-type]


def ask_in_vain() -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask()
    return caught.value


def answer_with(naver: NaverStandIn, **item: object) -> tuple[Article, ...]:
    """Return what becomes of an item that differs from a good one so."""
    naver.refuse(200, {"total": 1, "items": [news_item(1) | item]})
    return ask()[0].articles


def gateway_error(code: str, message: str) -> dict[str, object]:
    return {"error": {"errorCode": code, "message": message, "details": "See the guide."}}


# --- asking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "id_header", "secret_header"),
    [
        ("developers", "X-Naver-Client-Id", "X-Naver-Client-Secret"),
        ("hub", "X-NCP-APIGW-API-KEY-ID", "X-NCP-APIGW-API-KEY"),
    ],
)
def test_each_door_gets_its_own_headers(naver, settings, api, id_header, secret_header):
    settings.NAVER_API = api

    assert len(ask()[0].articles) == 30
    headers = naver.calls[0].headers
    assert (headers[id_header], headers[secret_header]) == (naver.id, naver.secret)
    assert [name for name in headers if name.startswith("X-N")] == [id_header, secret_header]


def test_each_door_has_its_own_address():
    assert DIALECTS["developers"].url == "https://openapi.naver.com/v1/search/news.json"
    assert DIALECTS["hub"].url == "https://naverapihub.apigw.ntruss.com/search/v1/news"


@pytest.mark.parametrize("api", ["developers", "hub"])
def test_without_another_address_a_door_is_asked_at_its_own(settings, api):
    """The address is seen by a proxy that stands where the network is."""
    hosts: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor(max_workers=1) as pool:
        settings.NAVER_API, settings.NAVER_SEARCH_URL = api, ""
        settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS = 5.0, 10.0
        asking = pool.submit(_ask_through, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        connection, _ = proxy.accept()
        with connection:
            hosts.append(connection.recv(4096).split()[1].decode())
        proxy.close()
        assert isinstance(asking.result(), ProviderError)

    assert hosts == [f"{DIALECTS[api].url.split('/')[2]}:443"]


def _ask_through(proxy: str) -> ProviderError:
    provider = NaverProvider()
    provider._client.proxies = {"https": proxy}
    with pytest.raises(ProviderError) as caught:
        next(provider.pages("q", sort="sim", start=1))
    return caught.value


@pytest.mark.parametrize(
    ("company", "query"),
    [
        ("한빛전자", '"한빛전자"'),
        ("LG 전자", '"LG 전자"'),
        ('한빛"전자', '"한빛전자"'),
        ("A&B=C+D%20/#?", '"A&B=C+D%20/#?"'),
        ("ＬＧ전자", '"LG전자"'),
    ],
)
def test_a_companys_name_is_asked_as_one_phrase(naver, client, company, query):
    response = client.post(f"/api/v1/search/companies/{quote(company, safe='')}")

    assert response.status_code == 200
    assert response.json()["search_metadata"]["query"] == query
    assert [call.params["query"] for call in naver.calls] == [query]


def test_words_are_asked_as_they_are(naver, client):
    client.post("/api/v1/search/news", {"query": '한빛전자 "새 공장"'}, format="json")

    assert naver.calls[0].params == {"query": '한빛전자 "새 공장"', "display": "100", "start": "1", "sort": "sim"}


@pytest.mark.parametrize(("sort", "asked"), [("sim", "sim"), ("accuracy", "sim"), ("date", "date")])
def test_sort_and_start_reach_naver(naver, client, sort, asked):
    client.post("/api/v1/search/news", {"query": "한빛전자", "sort": sort, "start": 11}, format="json")

    assert (naver.calls[0].params["sort"], naver.calls[0].params["start"]) == (asked, "11")


# --- walking --------------------------------------------------------------------------------------------------


def starts(naver: NaverStandIn) -> list[int]:
    return [int(call.params["start"]) for call in naver.calls]


def find(*, wanted: int, dedup: bool = True, start: int = 1):
    query = SearchQuery(text="한빛전자", is_company=True, remove_duplicates=dedup, start=start)
    return pipeline.find_stories(NaverProvider(), query, wanted=wanted)


def test_pages_of_100_are_walked_until_enough_is_found(naver):
    naver.items = [news_item(number) for number in range(500)]

    found = find(wanted=150, dedup=False)

    assert starts(naver) == [1, 101]
    assert len(found.stories) == 200
    assert not found.is_exhausted


def test_copies_do_not_count_towards_what_is_wanted(naver):
    copies = [news_item(7) | {"originallink": f"https://press{number}.example/7"} for number in range(100)]
    naver.items = copies + [news_item(number) for number in range(200)]

    found = find(wanted=2)

    assert starts(naver) == [1, 101]
    assert found.stories[0].mention_count >= 100


@pytest.mark.parametrize(("count", "walked"), [(0, [1]), (99, [1]), (100, [1]), (101, [1, 101]), (200, [1, 101])])
def test_the_walk_ends_with_the_last_article(naver, count, walked):
    naver.items = [news_item(number) for number in range(count)]

    pages = ask()

    assert starts(naver) == walked
    assert [page.is_last for page in pages] == [False] * (len(walked) - 1) + [True]
    assert sum(len(page.articles) for page in pages) == pages[-1].total == count


def test_the_walk_ends_at_the_windows_end(naver):
    naver.items = [news_item(number) for number in range(1300)]

    found = find(wanted=1300, dedup=False)

    assert starts(naver) == list(range(1, 1000, 100))
    assert (found.total_found, found.original_count, found.is_exhausted) == (1300, 1000, True)


@pytest.mark.parametrize(("start", "walked"), [(850, [850, 950]), (901, [901]), (1000, [1000])])
def test_a_walk_may_begin_near_the_windows_end(naver, start, walked):
    naver.items = [news_item(number) for number in range(1300)]

    assert ask(start=start)[-1].is_last
    assert starts(naver) == walked


def test_what_slides_onto_the_next_page_is_taken_once(naver):
    """A news item that comes in between two calls moves all others by one."""
    naver.items = [news_item(number) for number in range(200)]

    def one_more_each_time(exchange: Exchange) -> None:
        naver.search(exchange)
        naver.items.insert(0, news_item(1000 + len(naver.calls)))

    naver.handler = one_more_each_time
    found = find(wanted=200, dedup=False)

    urls = [story.article.url for story in found.stories]
    assert starts(naver) == [1, 101, 201]
    assert len(urls) == len(set(urls)) == found.original_count == 200


def test_one_connection_serves_a_whole_walk(naver):
    ports = set()
    naver.items = [news_item(number) for number in range(500)]

    def note_port(exchange: Exchange) -> None:
        ports.add(exchange.request.client_address[1])
        naver.search(exchange)

    naver.handler = note_port
    ask()

    assert (len(naver.calls), len(ports)) == (5, 1)


# --- items ----------------------------------------------------------------------------------------------------


def test_an_item_becomes_an_article(naver):
    (article,) = answer_with(
        naver,
        title="<b>한빛전자</b>, 매출 5 &lt; 10 &quot;부진&apos;",
        originallink="https://www.mk.co.kr/news/1",
        link="https://n.news.naver.com/mnews/article/009/0000000001",
        description="<b>한빛전자<\\/b>\t소식 <유럽> R&amp;D",
        pubDate="Fri, 20 Nov 2026 09:00:00 +0900",
    )

    assert article == Article(
        url="https://www.mk.co.kr/news/1",
        link="https://n.news.naver.com/mnews/article/009/0000000001",
        title="한빛전자, 매출 5 < 10 \"부진'",
        summary="한빛전자 소식 <유럽> R&D",
        publisher="매일경제",
        published_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


def test_an_item_without_the_publishers_link_has_naversown(naver):
    (article,) = answer_with(naver, originallink="", link="https://n.news.naver.com/mnews/article/001/0000000001")

    assert article.url == article.link == "https://n.news.naver.com/mnews/article/001/0000000001"
    assert article.publisher == "연합뉴스"


@pytest.mark.parametrize(
    "item",
    [
        {"title": ""},
        {"title": "<b></b>"},
        {"title": None},
        {"title": ["한빛"]},
        {"link": "", "originallink": ""},
        {"link": "javascript:alert(1)", "originallink": "ftp://press.example/1"},
        {"link": "http://press.example:port/", "originallink": "http://[broken"},
    ],
)
def test_an_item_no_reader_could_open_is_left_out(naver, caplog, item):
    assert answer_with(naver, **item) == ()
    assert "left out" in caplog.text


@pytest.mark.parametrize("link", ["http://press.example:99999999/1", "https://press.example/\ud800"])
def test_a_broken_link_costs_no_other_article(naver, link):
    items = [news_item(1) | {"originallink": link}, news_item(2)]
    naver.refuse(200, json.dumps({"total": 2, "items": items}).encode())

    assert [story.article.url for story in find(wanted=10, dedup=False).stories] == [
        news_item(1)["link"],
        news_item(2)["originallink"],
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Fri, 20 Nov 2026 09:00:00 +0900", datetime(2026, 11, 20, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 00:00:00 GMT", datetime(2026, 11, 20, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 09:00:00", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T09:00:00+09:00", datetime(2026, 11, 20, tzinfo=UTC)),
        ("Thu, 31 Nov 2026 09:00:00 +0900", None),
        ("Fri, 20 Nov 2026 25:00:00 +0900", None),
        ("Fri, 31 Dec 9999 23:59:59 +0000", None),
        ("어제", None),
        ("", None),
        (None, None),
        (20261120, None),
    ],
)
def test_a_date_is_read_in_utc_or_not_at_all(naver, written, meant):
    assert answer_with(naver, pubDate=written)[0].published_at == meant


@pytest.mark.parametrize(
    "raw",
    [
        b'{"total": 1, "items": [{"title": "\xed\x95\x9c\tA", "link": "https://a.example/1"}]}',
        b'{"total": 1, "items": [{"title": "\xed\x95\x9c A\xed\x95", "link": "https://a.example/1"}]}',
        b'{"total": 1, "items": [{"title": "\\ud55c A\\ud83d", "link": "https://a.example/1"}]}',
        b'{"total": 1, "items": [{"title": "\\ud55c A\\u0000", "link": "https:\\/\\/a.example\\/1"}]}',
        b'\xef\xbb\xbf{"total": 1, "items": [{"title": "\\ud55c A", "link": "https://a.example/1"}]}\r\n',
    ],
)
def test_a_broken_character_costs_no_page(naver, raw):
    naver.refuse(200, raw)

    assert [(article.title, article.url) for article in ask()[0].articles] == [("한 A", "https://a.example/1")]


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, {"errorMessage": "NID AUTH Result Invalid", "errorCode": "024"}, ProviderAuthError, "024"),
        (401, gateway_error("200", "Authentication Failed"), ProviderAuthError, "200"),
        (401, b"<html>", ProviderAuthError, ""),
        (403, {"errorMessage": "Not Allowed", "errorCode": "403"}, ProviderAuthError, "403"),
        (403, gateway_error("210", "Permission Denied"), ProviderAuthError, "210"),
        (429, SPENT, ProviderQuotaExceeded, "010"),
        (429, TOO_FAST, ProviderQuotaExceeded, "012"),
        (429, gateway_error("400", "Quota Exceeded"), ProviderQuotaExceeded, "400"),
        (429, gateway_error("410", "Throttle Limited"), ProviderQuotaExceeded, "410"),
        (429, gateway_error("420", "Rate Limited"), ProviderQuotaExceeded, "420"),
        (429, b"", ProviderQuotaExceeded, ""),
        (400, {"errorMessage": "Incorrect query request", "errorCode": "SE01"}, ProviderError, "SE01"),
        (400, {"errorMessage": "Invalid start value", "errorCode": "SE03"}, ProviderError, "SE03"),
        (400, {"errorMessage": "Malformed encoding", "errorCode": "SE06"}, ProviderError, "SE06"),
        (404, {"errorMessage": "Invalid search api", "errorCode": "SE05"}, ProviderError, "SE05"),
        (404, gateway_error("300", "Not Found Exception"), ProviderError, "300"),
        (418, ["a teapot"], ProviderError, ""),
        (204, b"", ProviderError, ""),
    ],
)
def test_a_refusal_keeps_its_meaning_and_is_not_asked_again(naver, status, body, error, code):
    naver.refuse(status, body)

    refusal = ask_in_vain()

    assert type(refusal) is error
    assert (refusal.details["status"], refusal.details["provider_code"]) == (status, code)
    assert str(status) in refusal.message
    assert code in refusal.message
    assert len(naver.calls) == 1


@pytest.mark.parametrize("body", [SPENT, gateway_error("400", "Quota Exceeded")])
def test_a_spent_day_lasts_until_midnight_in_seoul(naver, body):
    naver.refuse(429, body)

    with time_machine.travel("2026-11-22T22:30:00+09:00"):
        assert ask_in_vain().retry_after == pytest.approx(5400, abs=5)


@pytest.mark.parametrize("body", [TOO_FAST, gateway_error("410", "Throttle"), gateway_error("420", "Rate"), b"?"])
def test_too_much_speed_lasts_a_second(naver, body):
    naver.refuse(429, body)

    assert ask_in_vain().retry_after == 1


@pytest.mark.parametrize("status", [413, 429])
def test_not_even_a_retry_after_makes_it_ask_again(naver, status):
    naver.refuse(status, SPENT, headers={"Retry-After": "1"})

    ask_in_vain()
    assert len(naver.calls) == 1


@pytest.mark.parametrize(
    ("status", "body", "answered", "code"),
    [
        (401, {"errorMessage": "Invalid", "errorCode": "024"}, 502, "PROVIDER_AUTH_ERROR"),
        (429, TOO_FAST, 503, "PROVIDER_QUOTA_EXCEEDED"),
        (400, {"errorMessage": "Incorrect query", "errorCode": "SE01"}, 502, "PROVIDER_ERROR"),
    ],
)
def test_the_api_tells_a_refusal_apart(naver, client, status, body, answered, code):
    naver.refuse(status, body)

    response = client.post("/api/v1/search/companies/한빛전자")

    assert (response.status_code, response.json()["error_code"]) == (answered, code)
    assert response.json()["details"]["provider_code"] == body["errorCode"]
    assert response.headers.get("Retry-After") == ("1" if answered == 503 else None)


def test_a_refused_key_is_an_error_and_never_another_source(naver, client, settings):
    feeds = FeedStandIn()
    with feeds.running():
        settings.NEWS_PROVIDER = "auto"
        settings.NEWS_RSS_SEARCH_URL = feeds.publish("/search", "<rss version='2.0'/>") + "?q={query}"
        settings.NAVER_CLIENT_SECRET = "a-wrong-one"

        responses = [client.post("/api/v1/search/companies/한빛전자") for _ in range(2)]

    assert [response.json()["error_code"] for response in responses] == ["PROVIDER_AUTH_ERROR"] * 2
    assert feeds.calls == []


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {"Retry-After": "60"})])
def test_a_server_error_is_tried_twice_more_then_said(naver, status, headers):
    naver.refuse(status, {"errorMessage": "System Error", "errorCode": "SE99"}, headers=headers)
    started = time.monotonic()

    failure = ask_in_vain()

    assert type(failure) is ProviderError
    assert (failure.details["status"], failure.details["provider_code"]) == (status, "SE99")
    assert len(naver.calls) == 3
    assert time.monotonic() - started < 30  # the minute is not waited for


@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_recovers_is_heard(naver, times):
    naver.refuse(502, b"<html>Bad Gateway</html>", times=times)

    assert len(ask()[0].articles) == 30
    assert len(naver.calls) == times + 1


def test_a_connection_that_drops_is_tried_twice_more(naver):
    naver.fail(Exchange.hang_up)

    failure = ask_in_vain()

    assert (type(failure), failure.details["reason"]) == (ProviderError, "no connection")
    assert len(naver.calls) == 3


def test_a_connection_that_drops_once_is_made_good(naver):
    naver.fail(Exchange.hang_up, times=1)

    assert len(ask()[0].articles) == 30


def test_a_kept_connection_that_was_closed_is_opened_anew(naver):
    naver.items = [news_item(number) for number in range(300)]

    def close_after_each(exchange: Exchange) -> None:
        naver.search(exchange)
        exchange.hang_up()

    naver.handler = close_after_each

    assert sum(len(page.articles) for page in ask()) == 300


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Naver</body></html>",
        b'{"total": 1, "items": [{"title": "',
        b"[" * 100_000,
        b'{"items": []}',
        b'{"total": 1}',
        b'{"total": "1", "items": []}',
        b'{"total": true, "items": []}',
        b'{"total": 1.5, "items": []}',
        b'{"total": 1, "items": {}}',
        b'{"total": 1, "items": ["news"]}',
        b'{"total": 1, "items": [null]}',
        b"[]",
        b"null",
        b"\xff\xfe\x00",
    ],
)
def test_an_answer_that_is_no_news_is_an_error(naver, body):
    naver.refuse(200, body)

    failure = ask_in_vain()

    assert type(failure) is ProviderError
    assert failure.details["reason"].startswith("the answer is not")
    assert len(naver.calls) == 1


def test_an_answer_that_breaks_off_is_an_error(naver):
    naver.refuse(200, b'{"total": 0, "items": []}', length=1000)

    failure = ask_in_vain()

    assert (type(failure), failure.details["reason"]) == (ProviderError, "the answer broke off")


def test_a_packed_answer_is_unpacked(naver):
    body = json.dumps({"total": 1, "items": [news_item(1)]}).encode()
    naver.refuse(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})

    assert len(ask()[0].articles) == 1


def test_a_badly_packed_answer_is_an_error(naver):
    naver.refuse(200, b"not packed", headers={"Content-Encoding": "gzip"})

    assert ask_in_vain().details["reason"] == "the answer cannot be unpacked"


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b" " * 8_100_000, {}), (gzip.compress(b" " * 100_000_000), {"Content-Encoding": "gzip"})],
    ids=["plain", "packed"],
)
def test_an_oversized_answer_is_not_read_to_its_end(naver, body, headers):
    naver.refuse(200, body, headers=headers)

    assert ask_in_vain().details["reason"] == "the answer is too large"


def test_silence_is_a_timeout_and_not_tried_again(naver, settings):
    settings.PROVIDER_READ_SECONDS = 0.2
    naver.delay = 30
    started = time.monotonic()

    failure = ask_in_vain()

    assert type(failure) is ProviderTimeout
    assert len(naver.calls) == 1
    assert time.monotonic() - started < 15


def test_an_answer_that_trickles_is_a_timeout(naver, settings):
    settings.PROVIDER_READ_SECONDS = 0.2
    naver.fail(lambda exchange: exchange.trickle(seconds=30))
    started = time.monotonic()

    failure = ask_in_vain()

    assert (type(failure), failure.details["reason"]) == (ProviderTimeout, "the answer trickles")
    assert time.monotonic() - started < 15


def test_an_answer_that_stops_half_way_is_a_timeout(naver, settings):
    settings.PROVIDER_READ_SECONDS = 0.2

    def stop_half_way(exchange: Exchange) -> None:
        exchange.reply(200, b'{"items": [', length=1000)
        exchange.request.wfile.flush()
        time.sleep(5)

    naver.fail(stop_half_way)

    assert type(ask_in_vain()) is ProviderTimeout


def test_a_refused_connection_is_an_error(naver, settings):
    settings.NAVER_SEARCH_URL = f"http://127.0.0.1:{_closed_port()}/v1/search/news.json"

    failure = ask_in_vain()

    assert (type(failure), failure.details["reason"]) == (ProviderError, "no connection")


def test_a_slow_naver_is_told_apart_by_the_api(naver, settings, client):
    settings.PROVIDER_READ_SECONDS = 0.2
    naver.delay = 5

    response = client.post("/api/v1/search/companies/한빛전자")

    assert (response.status_code, response.json()["error_code"]) == (504, "PROVIDER_TIMEOUT")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_carries_our_key_to_no_other_host(naver, status):
    elsewhere = StandIn(lambda exchange: exchange.reply(200, {"total": 0, "items": []}))
    with elsewhere.running():
        naver.refuse(status, b"", headers={"Location": f"{elsewhere.url}/search"})
        failure = ask_in_vain()

    assert (type(failure), failure.details["status"]) == (ProviderError, status)
    assert elsewhere.calls == []


def test_a_redirects_endless_body_is_a_timeout(naver, settings):
    settings.PROVIDER_READ_SECONDS = 0.5
    headers = {"Location": f"{naver.url}/elsewhere"}
    naver.fail(lambda exchange: exchange.trickle(seconds=60, status=302, headers=headers))
    started = time.monotonic()
    assert type(ask_in_vain()) is ProviderTimeout
    assert time.monotonic() - started < 30


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# --- pace -----------------------------------------------------------------------------------------------------


def test_calls_keep_the_pace_and_waiting_for_it_is_no_timeout(naver, settings):
    settings.NAVER_CALLS_PER_SECOND = 5
    settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS = 2.0, 2.0
    provider = NaverProvider()
    started = time.monotonic()

    with ThreadPoolExecutor(max_workers=25) as pool:
        pages = list(pool.map(lambda _: next(provider.pages("q", sort="sim", start=1)), range(25)))

    assert len(pages) == len(naver.calls) == 25
    assert time.monotonic() - started > 3.9


# --- secrets --------------------------------------------------------------------------------------------------


def _repeat_the_key(naver, settings) -> None:
    naver.refuse(401, {"errorMessage": f"Not Exist Client ID : {naver.id}/{naver.secret}", "errorCode": "024"})


def _close(naver, settings) -> None:
    settings.NAVER_SEARCH_URL = f"http://127.0.0.1:{_closed_port()}/"


def _break_the_secret(naver, settings) -> None:
    settings.NAVER_CLIENT_SECRET = f"{naver.secret}\nand-more"


def _add_korean_to_the_secret(naver, settings) -> None:
    settings.NAVER_CLIENT_SECRET = f"{naver.secret}-비밀"


def _fall_silent(naver, settings) -> None:
    settings.PROVIDER_READ_SECONDS, naver.delay = 0.1, 5


FAULTS = {
    _repeat_the_key: "PROVIDER_AUTH_ERROR",
    _close: "PROVIDER_ERROR",
    _break_the_secret: "PROVIDER_ERROR",
    _add_korean_to_the_secret: "PROVIDER_AUTH_ERROR",
    _fall_silent: "PROVIDER_TIMEOUT",
    lambda naver, settings: naver.refuse(429, TOO_FAST): "PROVIDER_QUOTA_EXCEEDED",
    lambda naver, settings: naver.refuse(500, b"x"): "PROVIDER_ERROR",
    lambda naver, settings: naver.refuse(200, b"x", length=9): "PROVIDER_ERROR",
}


@pytest.mark.parametrize(("arrange", "code"), FAULTS.items())
def test_no_key_or_secret_is_told_or_logged(naver, settings, client, caplog, arrange, code):
    caplog.set_level(logging.DEBUG)
    naver.id = settings.NAVER_CLIENT_ID = "sesame-id"
    settings.NAVER_API = "hub"
    arrange(naver, settings)

    error = ask_in_vain()
    response = client.post("/api/v1/search/companies/한빛전자")

    told = [str(error), repr(error), repr(error.details), repr(error.args), *traceback.format_exception(error)]
    told += [response.content.decode(), str(response.headers), caplog.text]
    assert error.code == response.json()["error_code"] == code
    assert not [each for each in told if naver.id in each or naver.secret in each]
