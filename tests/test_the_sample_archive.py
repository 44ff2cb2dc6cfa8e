"""The bundled sample: the first news a newcomer sees, and the truth that tests measure with."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlcore.labels import LABELS
from search.providers.archive import SAMPLE
from search.text import canonical_url, strip_markup

FIELDS = {"title", "summary", "url", "link", "publisher", "published_at", "story", "labels"}
LISTED = Path(__file__).parents[2] / "shared" / "data" / "reference" / "krx_listed.csv"

WATCHED = ("삼성전자", "LG전자")
REAL = {
    *WATCHED,
    *(
        "SK하이닉스",
        "현대차",
        "기아",
        "네이버",
        "카카오",
        "KT",
        "포스코홀딩스",
        "한화솔루션",
        "신세계",
        "아모레퍼시픽",
    ),
    *("토스", "삼성전기", "삼성SDI", "LG이노텍", "LG화학", "삼성물산"),
}
INVENTED = {"늘찬전자", "벼리케미칼", "든솔건설", "솔가람식품", "너울해운", "아라빛바이오"}
INVENTED_BROKERS = {"새길증권", "한물증권", "도담투자증권"}
WRONGDOING = re.compile(
    "횡령|배임|담합|짬짜미|분식|뇌물|비자금|압수수색|중대재해|사망|숨졌|숨지|붕괴|화재|폭발|유출|누출|과징금|과태료|"
    "고발|고소|기소|혐의|수사|소송|리콜|체불|갑질|불법|위반|은폐|조작|파업|횡포|의혹|부당|해킹|제재|무단"
)
COLUMNS = ("[속보]", "[단독]", "[특징주]", "[시황]", "[인사]", "[부고]", "[포토]", "[보도자료]", "[표]")
WIRE_MARKS = ("(종합)", "(종합2보)", " - 미르일보", "美·中", "韓·日")
NAMESAKES = ("KTX", "삼성 라이온즈", "LG 트윈스", "KIA 타이거즈", "KT 위즈", "신세계 이마트배", "토스가 경기")


def read() -> list[dict[str, Any]]:
    with SAMPLE.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def text_of(article: dict[str, Any]) -> str:
    return strip_markup(f"{article['title']} {article['summary']}")


def by_story(articles: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    stories = defaultdict(list)
    for article in articles:
        stories[article["story"]].append(article)
    return list(stories.values())


@pytest.fixture(scope="module")
def articles() -> list[dict[str, Any]]:
    return read()


def test_every_line_is_a_whole_article(articles):
    assert len(articles) >= 360
    for article in articles:
        assert set(article) == FIELDS
        assert set(article["labels"]) == {"esg", "sentiment", "company"}
        texts = [value for field, value in article.items() if field != "labels"]
        assert all(isinstance(value, str) and value.strip() == value != "" for value in texts)


def test_a_summary_is_as_long_as_a_snippet(articles):
    lengths = [len(strip_markup(article["summary"])) for article in articles]

    assert min(lengths) >= 80
    assert max(lengths) <= 200


def test_only_invented_publishers_are_linked(articles):
    host_of: dict[str, set[str]] = defaultdict(set)
    for article in articles:
        for address in (article["url"], article["link"]):
            assert urlsplit(address).scheme == "https"
            assert (urlsplit(address).hostname or "").endswith(".example")
        host_of[article["publisher"]].add(urlsplit(article["url"]).hostname or "")

    assert len(host_of) >= 20
    assert all(len(hosts) == 1 for hosts in host_of.values())
    assert len(set.union(*host_of.values())) == len(host_of)


def test_no_two_articles_share_an_address(articles):
    assert len({canonical_url(article["url"]) for article in articles}) == len(articles)
    assert len({canonical_url(article["link"]) for article in articles}) == len(articles)


def test_some_articles_have_a_portal_page_and_some_do_not(articles):
    portal = [article for article in articles if article["link"] != article["url"]]

    assert 0.5 * len(articles) < len(portal) < len(articles)
    assert all(re.fullmatch(r"https://news\.portal\.example/article/\d{3}/\d{10}", a["link"]) for a in portal)


def test_times_are_aware_and_within_the_month(articles):
    times = [datetime.fromisoformat(article["published_at"]) for article in articles]

    assert all(time.utcoffset() == timedelta(hours=9) for time in times)
    assert times == sorted(times, reverse=True)
    assert datetime(2026, 10, 22, 15, tzinfo=UTC) <= min(times)
    assert max(times) < datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert sum(7 <= time.hour < 19 for time in times) > 0.9 * len(times)


def test_every_class_is_well_represented(articles):
    esg = Counter(article["labels"]["esg"] for article in articles)
    sentiment = Counter(article["labels"]["sentiment"] for article in articles)

    assert set(esg) == set(LABELS["category"])
    assert set(sentiment) == set(LABELS["sentiment"])
    assert min(esg.values()) >= 60
    assert min(sentiment.values()) >= 90


@pytest.mark.parametrize("company", WATCHED)
def test_the_watched_companies_have_every_class(articles, company):
    own = [article["labels"] for article in articles if article["labels"]["company"] == company]
    esg, sentiment = Counter(each["esg"] for each in own), Counter(each["sentiment"] for each in own)

    assert len(own) >= 45
    assert min(esg[code] for code in LABELS["category"]) >= 10
    assert min(sentiment[code] for code in LABELS["sentiment"]) >= 12


def test_every_company_is_known_and_most_have_several_stories(articles):
    count = Counter(article["labels"]["company"] for article in articles)

    assert set(count) == {None} | REAL | INVENTED
    assert sum(articles >= 8 for company, articles in count.items() if company) >= 14


def test_an_article_names_the_company_it_is_about(articles):
    for article in articles:
        assert (article["labels"]["company"] or "") in text_of(article)


def test_wire_copies_come_within_hours_and_in_other_words(articles):
    copies = [story for story in by_story(articles) if len(story) > 1]

    assert len(copies) >= 60
    assert sum(len(story) >= 4 for story in copies) >= 10
    assert max(len(story) for story in copies) <= 7
    for story in copies:
        times = [datetime.fromisoformat(article["published_at"]) for article in story]
        assert max(times) - min(times) < timedelta(hours=24)
        assert all(first["summary"] != second["summary"] for first, second in combinations(story, 2))
        assert all(article["labels"] == story[0]["labels"] for article in story)


def test_no_two_stories_share_a_headline(articles):
    assert len({strip_markup(article["title"]) for article in articles}) == len(articles)


@pytest.mark.parametrize("mark", [*COLUMNS, *WIRE_MARKS, *NAMESAKES])
def test_the_press_has_its_ways(articles, mark):
    assert any(mark in strip_markup(article["title"]) for article in articles)


@pytest.mark.parametrize("markup", ["&quot;", "&apos;", "&#39;", "&amp;", "&lt;", "<b>", "..."])
def test_texts_stand_as_a_provider_serves_them(articles, markup):
    assert any(markup in article["title"] + article["summary"] for article in articles)


def test_cleaning_loses_no_less_than_sign(articles):
    texts = [text_of(article) for article in articles]

    assert any("매출 5 < 10" in text for text in texts)
    assert not any(re.search(r"</?b>|&(?:quot|apos|amp|lt|gt|#39);", text) for text in texts)


def test_no_real_company_is_said_to_have_done_wrong(articles):
    for article in articles:
        text = text_of(article)
        if WRONGDOING.search(text):
            assert article["labels"]["company"] in INVENTED, text
            assert not [name for name in REAL if name in text], text


@pytest.mark.skipif(not LISTED.exists(), reason="needs the list of listed companies in ../shared")
def test_no_invented_company_is_a_listed_one():
    with LISTED.open(encoding="utf-8-sig", newline="") as lines:
        listed = {row["name"] for row in csv.DictReader(lines)}

    assert len(listed) > 1000
    assert not {name for name in INVENTED | INVENTED_BROKERS if any(name in each for each in listed)}
