"""Read RSS and Atom feeds: what a machine without keys gets, and when it gets the sample instead."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from newsservice.outgoing import GuardedAdapter
from search import providers
from search.errors import ProviderError, ProviderTimeout
from search.providers import current_provider, http, rss
from search.providers.rss import SUMMARY_LIMIT, RSSProvider
from search.types import Article, Page
from tests.servers import wait_until
from tests.stand_ins import Exchange, FeedStandIn, StandIn, rss_feed, rss_item

ATOM = """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>새벽</title>
<entry><title type="html">&lt;b&gt;한빛전자&lt;/b&gt; R&amp;amp;D 강화</title><link href="https://saebyeok.example/7"/>
<updated>2026-11-20T09:00:00+09:00</updated><summary type="html">&lt;p&gt;연구소를 연다.&lt;/p&gt;</summary>
<source><title>아침신문</title></source></entry></feed>"""


@pytest.fixture
def feeds(settings) -> Iterator[FeedStandIn]:
    """A web server with a keyless search that finds nothing yet, and a service that asks it."""
    stand_in = FeedStandIn()
    with stand_in.running():
        settings.NEWS_PROVIDER = "rss"
        settings.NEWS_RSS_SEARCH_URL = stand_in.publish("/search", rss_feed()) + "?q={query}&hl=ko"
        settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS = 5.0, 10.0
        yield stand_in


def read(query: str = '"한빛전자"', *, sort: str = "sim", start: int = 1) -> Page:
    (page,) = RSSProvider().pages(query, sort=sort, start=start)  # type: ignore[arg-type]
    return page


def read_one(feeds: FeedStandIn, item: str) -> Article:
    """Return what becomes of a feed's only item."""
    feeds.publish("/search", rss_feed(item))
    (article,) = read().articles
    return article


# --- asking ---------------------------------------------------------------------------------------------------


def test_the_search_gets_the_query_in_its_address(feeds):
    read('"한빛&전자" 실적')

    assert feeds.calls[0].path == "/search"
    assert feeds.calls[0].params == {"q": '"한빛&전자" 실적', "hl": "ko"}


def test_what_the_search_finds_is_taken_whole(feeds):
    feeds.publish("/search", rss_feed(rss_item("아무 말"), rss_item("다른 말", link="https://a.example/2")))

    page = read()

    assert [article.title for article in page.articles] == ["아무 말", "다른 말"]
    assert (page.total, page.is_last) == (2, True)


def test_a_feed_of_ones_own_is_filtered_by_the_query(feeds, settings):
    feed = rss_feed(
        rss_item("한빛전자 실적 발표", link="https://a.example/1"),
        rss_item("남의 실적 발표", link="https://a.example/2"),
        rss_item("둘째 소식", link="https://a.example/3", more="<description>한빛전자의 실적</description>"),
        rss_item("한빛전자 채용", link="https://a.example/4"),
    )
    settings.NEWS_RSS_FEEDS = [feeds.publish("/economy", feed)]

    articles = read('"한빛전자" 실적').articles

    assert [article.url[-1] for article in articles] == ["1", "3"]


@pytest.mark.parametrize(("named", "asked"), [("lg전자", "LG전자"), ("LG전자", "lg전자")])
def test_a_name_in_another_case_is_found_in_a_feed(feeds, settings, named, asked):
    settings.NEWS_RSS_FEEDS = [feeds.publish("/economy", rss_feed(rss_item(f"{named} 실적")))]

    assert len(read(f'"{asked}"').articles) == 1


def test_an_article_in_several_feeds_is_taken_once(feeds, settings):
    feeds.publish("/search", rss_feed(rss_item("한빛전자", link="https://www.a.example/1?utm_source=search")))
    settings.NEWS_RSS_FEEDS = [
        feeds.publish(path, rss_feed(rss_item("한빛전자", link="http://a.example/1"))) for path in ("/a", "/b")
    ]

    assert [article.url for article in read().articles] == ["https://www.a.example/1?utm_source=search"]


def test_sort_by_date_is_newest_first_and_undated_last(feeds):
    dates = {"1": "Thu, 19 Nov 2026 09:00:00 +0900", "2": "", "3": "Fri, 20 Nov 2026 09:00:00 +0900"}
    items = [rss_item("한빛전자", link=f"https://a.example/{n}", date=date) for n, date in dates.items()]
    feeds.publish("/search", rss_feed(*items))

    assert [article.url[-1] for article in read(sort="sim").articles] == ["1", "2", "3"]
    assert [article.url[-1] for article in read(sort="date").articles] == ["3", "1", "2"]


@pytest.mark.parametrize(("start", "left"), [(1, 5), (3, 3), (6, 0), (1000, 0)])
def test_start_skips_what_came_before(feeds, start, left):
    feeds.publish("/search", rss_feed(*[rss_item("한빛전자", link=f"https://a.example/{n}") for n in range(5)]))

    page = read(start=start)

    assert (len(page.articles), page.total, page.is_last) == (left, 5, True)


def test_the_answer_names_its_source(feeds, client):
    feeds.publish("/search", rss_feed(rss_item("한빛전자 &amp;quot;실적&amp;quot;")))

    body = client.post("/api/v1/search/companies/한빛전자").json()

    assert body["search_metadata"]["provider"] == "rss"
    assert body["items"][0]["title"] == '한빛전자 "실적"'


# --- articles -------------------------------------------------------------------------------------------------


def test_an_rss_item_becomes_an_article(feeds):
    item = rss_item(
        "<![CDATA[<b>한빛전자</b>, 매출 5 &lt; 10]]>",
        link="https://news.search.example/articles/1?oc=5",
        date="Fri, 20 Nov 2026 00:00:00 GMT",
        more='<source url="https://achim.example">아침신문</source>'
        "<description>새 공장을 &lt;br&gt;짓는다.</description>",
    )

    assert read_one(feeds, item) == Article(
        url="https://news.search.example/articles/1?oc=5",
        link="https://news.search.example/articles/1?oc=5",
        title="한빛전자, 매출 5 < 10",
        summary="새 공장을 짓는다.",
        publisher="아침신문",
        published_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


def test_an_atom_entry_becomes_an_article(feeds):
    feeds.publish("/search", ATOM, type_="application/atom+xml")

    assert read().articles == (
        Article(
            url="https://saebyeok.example/7",
            link="https://saebyeok.example/7",
            title="한빛전자 R&D 강화",
            summary="연구소를 연다.",
            publisher="아침신문",
            published_at=datetime(2026, 11, 20, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("source", "link", "publisher"),
    [
        ('<source url="https://x.example">아침신문</source>', "https://www.mk.co.kr/1", "아침신문"),
        ('<source url="https://www.mk.co.kr"></source>', "https://search.example/1", "매일경제"),
        ("", "https://www.mk.co.kr/1", "매일경제"),
        ("", "https://www.saebyeok.example/1", "saebyeok.example"),
    ],
)
def test_the_publisher_is_the_source_or_the_links_host(feeds, source, link, publisher):
    assert read_one(feeds, rss_item("한빛전자", link=link, more=source)).publisher == publisher


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("한빛전자 실적 - 아침신문", "한빛전자 실적"),
        ("한빛전자 - 실적 - 아침신문", "한빛전자 - 실적"),
        ("한빛전자 실적 - 저녁신문", "한빛전자 실적 - 저녁신문"),
        ("한빛전자 실적", "한빛전자 실적"),
    ],
)
def test_the_publishers_name_behind_a_title_is_taken_off(feeds, written, title):
    item = rss_item(written, more='<source url="https://achim.example">아침신문</source>')

    assert read_one(feeds, item).title == title


def test_a_summary_that_only_repeats_the_title_is_none(feeds):
    repeated = "&lt;a href='https://a.example'&gt;한빛전자 실적&lt;/a&gt;&amp;nbsp;&lt;font&gt;아침신문&lt;/font&gt;"
    source = '<source url="https://achim.example">아침신문</source>'
    item = rss_item("한빛전자 실적 - 아침신문", more=f"{source}<description>{repeated}</description>")

    assert read_one(feeds, item).summary == ""


def test_a_feed_of_whole_articles_is_cut_to_a_summary(feeds):
    body = "<description><![CDATA[" + "<p>한빛전자 소식이 이어진다.</p>" * 500 + "]]></description>"

    summary = read_one(feeds, rss_item("새 소식", more=body)).summary

    assert len(summary) == SUMMARY_LIMIT
    assert summary.startswith("한빛전자 소식이 이어진다. 한빛전자")


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 20 Nov 2026 09:00:00 +0900",
        "Fri, 20 Nov 2026 00:00:00 GMT",
        "Fri, 20 Nov 2026 09:00:00",
        "Fri, 20 Nov 2026 09:00:00 KST",
        "2026-11-20 09:00:00",
        "2026-11-20T00:00:00Z",
        "20 Nov 26 09:00 +0900",
    ],
)
def test_a_date_without_an_offset_is_seouls(feeds, date):
    assert read_one(feeds, rss_item("한빛전자", date=date)).published_at == datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize("date", ["", "어제", "2026.11.20 09:00", "0001-01-01T00:00:00+09:00", "99999-01-01"])
def test_a_date_that_cannot_be_read_is_none(feeds, date):
    assert read_one(feeds, rss_item("한빛전자", date=date)).published_at is None


@pytest.mark.parametrize("item", [rss_item(""), rss_item("한빛전자", link=""), rss_item("한", link="javascript:x()")])
def test_an_entry_no_reader_could_open_is_left_out(feeds, item):
    feeds.publish("/search", rss_feed(item, rss_item("한빛전자", link="https://a.example/2")))

    assert [article.url for article in read().articles] == ["https://a.example/2"]


@pytest.mark.parametrize(
    ("encoding", "declared", "type_"),
    [
        ("euc-kr", "euc-kr", "application/rss+xml"),
        ("euc-kr", "euc-kr", "text/xml"),
        ("cp949", "euc-kr", "text/html"),
        ("euc-kr", "", "text/xml; charset=EUC-KR"),
        ("utf-8", "", "text/xml"),
        ("utf-8", "utf-8", "text/plain"),
        ("utf-8-sig", "utf-8", "application/rss+xml"),
        ("utf-16", "utf-16", "application/rss+xml"),
    ],
)
def test_a_feed_is_read_in_its_own_encoding(feeds, encoding, declared, type_):
    feed = rss_feed(rss_item("한빛전자 실적 호조"), declared=declared)
    feeds.publish("/search", feed.encode(encoding), type_=type_)

    assert [article.title for article in read().articles] == ["한빛전자 실적 호조"]


# --- faults ---------------------------------------------------------------------------------------------------


def test_a_feed_that_fails_is_left_out(feeds, settings, caplog):
    feeds.publish("/search", rss_feed(rss_item("한빛전자 하나", link="https://a.example/1")))
    good = feeds.publish("/good", rss_feed(rss_item("한빛전자 둘", link="https://a.example/2")))
    no_feed = feeds.publish("/page", "<html><body>새벽</body></html>", type_="text/html")
    settings.NEWS_RSS_FEEDS = [f"{feeds.url}/missing", no_feed, f"http://127.0.0.1:{_closed_port()}/", good]

    assert [article.title for article in read().articles] == ["한빛전자 하나", "한빛전자 둘"]
    assert caplog.text.count("is left out") == 3


def test_the_search_may_fail_where_a_feed_answers(feeds, settings):
    settings.NEWS_RSS_FEEDS = [feeds.publish("/good", rss_feed(rss_item("한빛전자")))]
    del feeds.feeds["/search"]

    assert len(read().articles) == 1


def test_where_no_feed_answers_it_is_an_error(feeds, settings, client):
    settings.NEWS_RSS_FEEDS = [f"{feeds.url}/missing"]
    del feeds.feeds["/search"]

    response = client.post("/api/v1/search/companies/한빛전자")

    assert (response.status_code, response.json()["error_code"]) == (502, "PROVIDER_ERROR")
    assert response.json()["details"] == {"provider": "rss", "status": 404, "reason": "HTTP 404"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "<html><body>새벽</body></html>",
        '{"items": []}',
        "\0\1\2",
        "<" * 1000,
        "새벽",
        "<?xml version='1.0'?>",
    ],
)
def test_what_is_no_feed_is_an_error(feeds, body):
    feeds.publish("/search", body)

    with pytest.raises(ProviderError, match="not a feed"):
        read()


def test_a_feed_of_nothing_is_no_error(feeds):
    assert read().articles == ()


def test_a_feed_cut_short_gives_what_is_whole(feeds):
    items = [rss_item("한빛전자", link=f"https://a.example/{n}", date="2026-11-20") for n in range(3)]
    feeds.publish("/search", rss_feed(*items)[:-100])

    assert len(read().articles) >= 2


def test_a_feed_that_trickles_is_left_out_in_time(feeds, settings):
    feeds.publish("/search", rss_feed(rss_item("한빛전자")))
    settings.PROVIDER_READ_SECONDS = 0.2
    slow = StandIn(lambda exchange: exchange.trickle(seconds=30))
    with slow.running():
        settings.NEWS_RSS_FEEDS = [slow.url]
        started = time.monotonic()
        assert len(read().articles) == 1
        assert time.monotonic() - started < 15


def test_a_feed_that_moved_is_followed(feeds, settings):
    target = feeds.publish("/new", rss_feed(rss_item("한빛전자")))
    moved = StandIn(lambda exchange: exchange.reply(301, b"", headers={"Location": target}))
    with moved.running():
        settings.NEWS_RSS_FEEDS = [f"{moved.url}/old"]
        assert len(read().articles) == 1


@pytest.mark.parametrize("target", ["file:///etc/hostname", "/"])
def test_a_feed_that_moved_nowhere_is_left_out(feeds, settings, target):
    moved = StandIn(lambda exchange: exchange.reply(301, b"", headers={"Location": target}))
    with moved.running():
        settings.NEWS_RSS_FEEDS = [moved.url]
        assert read().articles == ()


@pytest.fixture
def moved(feeds, settings) -> Iterator[StandIn]:
    """A server that sends on to /search after so many redirects (`/3`); each body trickles for as long as it likes."""

    def send_on(exchange: Exchange) -> None:
        left = int(exchange.call.path.strip("/"))
        location = f"/{left - 1}" if left > 1 else settings.NEWS_RSS_SEARCH_URL
        exchange.trickle(seconds=30, status=302, headers={"Location": location})

    feeds.publish("/search", rss_feed(rss_item("한빛전자")))
    stand_in = StandIn(send_on)
    with stand_in.running():
        yield stand_in


def test_of_a_redirect_no_body_is_read(moved):
    started = time.monotonic()
    client = http.session(GuardedAdapter())
    assert http.get(client, f"{moved.url}/5", provider="rss", redirects=True).status == 200
    assert rss._answers(client, f"{moved.url}/5")
    assert time.monotonic() - started < 15  # ten bodies of half a minute


def test_of_a_failure_that_is_tried_again_no_body_is_read(feeds, settings):
    settings.PROVIDER_READ_SECONDS = 0.5
    with StandIn(lambda exchange: exchange.trickle(seconds=30, status=503)).running() as stand_in:
        client = http.session(GuardedAdapter(max_retries=http.RetryFaults.default_policy()))
        started = time.monotonic()
        with pytest.raises(ProviderTimeout):
            http.get(client, stand_in.url, provider="rss")
        assert len(stand_in.calls) == 3
    assert time.monotonic() - started < 25


def test_redirects_are_followed_so_many_times_and_no_more(moved):
    client = http.session(GuardedAdapter())
    with pytest.raises(ProviderError, match="TooManyRedirects"):
        http.get(client, f"{moved.url}/6", provider="rss", redirects=True)
    assert len(moved.calls) == 6
    assert not rss._answers(client, f"{moved.url}/6")


def test_redirects_have_one_time_together(moved, settings):
    settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS = 1.0, 1.0
    moved.delay = 0.8  # each is soon enough
    with pytest.raises(ProviderTimeout):
        http.get(http.session(GuardedAdapter()), f"{moved.url}/5", provider="rss", redirects=True)
    assert len(moved.calls) < 5


@pytest.mark.parametrize("location", ["http://[::1", "http://a.example:x/", "ftp://a.example/", "http://\xff\xfe:1/"])
def test_a_redirect_to_no_address_is_a_failure_like_others(feeds, location):
    with StandIn(lambda exchange: exchange.reply(302, b"", headers={"Location": location})).running() as stand_in:
        client = http.session(GuardedAdapter())
        with pytest.raises(ProviderError):
            http.get(client, stand_in.url, provider="rss", redirects=True)
        assert not rss._answers(client, stand_in.url)


def test_credentials_in_an_address_go_to_its_own_host_alone(feeds):
    there = StandIn(lambda exchange: exchange.reply(200, b""))
    with there.running(), StandIn(lambda exchange: send(exchange)).running() as here:

        def send(exchange: Exchange) -> None:
            target = f"{here.url}/moved" if exchange.call.path == "/" else there.url
            exchange.reply(302, b"", headers={"Location": target})

        address = here.url.replace("http://", "http://me:word@")
        http.get(http.session(GuardedAdapter()), f"{address}/", provider="rss", redirects=True)
    assert [call.headers.get("Authorization") for call in here.calls] == ["Basic bWU6d29yZA=="] * 2
    assert [call.headers.get("Authorization") for call in there.calls] == [None]


def test_a_feed_of_a_billion_laughs_does_no_harm(feeds):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    item = rss_item("한빛전자 &l9;")
    feeds.publish("/search", f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ㅋ">{laughs}]>{rss_feed(item)[21:]}')
    started = time.monotonic()

    assert all(len(article.title) < 1000 for article in read().articles)
    assert time.monotonic() - started < 60


def test_a_feed_reads_no_file_of_ours(feeds, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a-very-secret-secret", encoding="utf-8")
    doctype = f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    feeds.publish("/search", f'<?xml version="1.0"?>{doctype}{rss_feed(rss_item("한빛전자 &x;"))[21:]}')

    assert "secret" not in repr(read())


# --- auto -----------------------------------------------------------------------------------------------------


@pytest.fixture
def auto(feeds, settings) -> FeedStandIn:
    settings.NEWS_PROVIDER, settings.NAVER_CLIENT_ID, settings.NAVER_CLIENT_SECRET = "auto", "", ""
    return feeds


def test_without_keys_the_feeds_are_read(auto, client, caplog):
    auto.publish("/search", rss_feed(rss_item("한빛전자")))

    body = client.post("/api/v1/search/companies/한빛전자").json()

    assert (body["search_metadata"]["provider"], len(body["items"])) == ("rss", 1)
    assert "news come from feeds" in caplog.text


def test_where_feeds_cannot_be_reached_it_is_the_sample_and_said(auto, settings, client, caplog):
    settings.NEWS_RSS_SEARCH_URL = f"http://127.0.0.1:{_closed_port()}/?q={{query}}"

    body = client.post("/api/v1/search/companies/삼성전자").json()

    assert body["search_metadata"]["provider"] == "archive (sample)"
    assert body["items"]
    assert "news come from the archive" in caplog.text


def test_a_gateway_that_lets_nothing_out_is_no_reachable_feed(auto):
    auto.handler = lambda exchange: exchange.reply(403, b"Blocked")

    assert current_provider().name == "archive (sample)"


def test_a_feed_of_ones_own_is_reachable_where_the_search_is_not(auto, settings):
    settings.NEWS_RSS_FEEDS = [auto.publish("/economy", rss_feed())]
    del auto.feeds["/search"]

    assert current_provider().name == "rss"


def test_a_feed_that_does_not_answer_is_given_up_soon(auto, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.NEWS_RSS_SEARCH_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/?q={{query}}"
        started = time.monotonic()
        assert current_provider().name == "archive (sample)"
        assert time.monotonic() - started < 15


def test_reachability_is_asked_once_in_a_while_and_holds_nobody_up(auto, monkeypatch):
    auto.handler = lambda exchange: exchange.reply(503, b"")
    assert [current_provider().name for _ in range(3)] == ["archive (sample)"] * 3
    assert len(auto.calls) == 1

    def answer_late(exchange: Exchange) -> None:
        time.sleep(0.2)
        auto.serve(exchange)

    auto.handler = answer_late
    monkeypatch.setattr(providers._feeds, "_probe_at", 0.0)  # five minutes later
    assert current_provider().name == "archive (sample)"

    wait_until(lambda: current_provider().name == "rss")
    assert len(auto.calls) == 2


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
