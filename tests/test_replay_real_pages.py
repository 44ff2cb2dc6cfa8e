"""Replay real pages of Naver's, and other real news in their shape: nothing lost, nothing miscounted."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from search import services
from search.providers.naver import NaverProvider
from search.services import Options
from search.types import Article

DATA = Path(__file__).parents[2] / "shared" / "data"
PAGES = sorted((DATA / "naver").glob("*.json"))

pytestmark = pytest.mark.skipif(not PAGES, reason="needs the real pages in ../shared")

Item = Mapping[str, str]


@pytest.fixture(params=["developers", "hub"])
def door(request, naver, settings):
    settings.NAVER_API = request.param
    return naver


def read_by_eye(markup: str) -> str:
    """Return what a reader sees, found in another way: no other tags than these are in the data."""
    text = re.sub(r"<[\\]?/?b>", "", markup)
    text = html.unescape(html.unescape(re.sub(r"<(?i:br)>", " ", text)))
    text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFC", text).split())


def check(articles: Sequence[Article], items: Sequence[Item]) -> None:
    """Every item is there, in order, its text whole and clean, its publisher named, its date aware."""
    for article, item in zip(articles, items, strict=True):
        assert article.title == read_by_eye(item["title"])
        assert article.summary == read_by_eye(item["description"])
        assert not re.search(r"<[\\/]*b>|&(?:quot|apos|amp|lt|gt|#\d+);|\t|  ", article.text)
        assert article.url == (item["originallink"] or item["link"])
        assert article.link == item["link"]
        assert re.fullmatch(r"[^\s/]+(?: [^\s/]+)*", article.publisher)
        assert article.published_at == parsedate_to_datetime(item["pubDate"])
        assert article.published_at.utcoffset().total_seconds() == 0


def check_counts(answer, *, fetched: int) -> None:
    """Every article fetched is in exactly one story."""
    found = answer.value
    assert found.original_count == fetched
    assert found.original_count - found.duplicates_removed == len(found.stories)
    assert sum(story.mention_count for story in found.stories) == found.original_count


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_item_of_a_real_page_is_whole_and_clean(door, path):
    raw = path.read_bytes()
    door.refuse(200, raw)

    (page,) = NaverProvider().pages('"가"', sort="sim", start=1)

    check(page.articles, json.loads(raw, strict=False)["items"])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_counts_of_a_real_page_agree(door, client, path):
    raw = path.read_bytes()
    count = len(json.loads(raw, strict=False)["items"])
    door.refuse(200, raw)

    body = client.post("/api/v1/search/companies/가나다", {"max_results": 100}, format="json").json()

    counts = body["deduplication"]
    assert counts["original_count"] == count
    assert counts["original_count"] - counts["duplicates_removed"] == body["search_metadata"]["returned_count"]
    assert len(body["items"]) == body["search_metadata"]["returned_count"]
    assert sum(item["mention_count"] for item in body["items"]) == count
    assert body["search_metadata"]["total_found"] == json.loads(raw, strict=False)["total"]


def test_the_same_question_is_not_asked_twice(door, client):
    door.refuse(200, PAGES[0].read_bytes())

    first, second = (client.post("/api/v1/search/companies/가나다").json() for _ in range(2))

    assert len(door.calls) == 1
    assert second["items"] == first["items"]
    assert (first["search_metadata"]["cache_hit"], second["search_metadata"]["cache_hit"]) == (False, True)


def test_a_batch_of_ten_is_not_asked_twice(door, client):
    door.refuse(200, PAGES[0].read_bytes())
    batch = [{"query": f"가나다 {number}", "max_results": 5} for number in range(10)]

    first, second = (client.post("/api/v1/search/batch", batch, format="json").json() for _ in range(2))

    assert len(door.calls) == 10
    assert [answer.get("error") for answer in (*first, *second)] == [None] * 20
    assert [answer["items"] for answer in second] == [answer["items"] for answer in first]
    assert all(answer["search_metadata"]["cache_hit"] for answer in second)


# --- other real news, in that shape ---------------------------------------------------------------------------


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def as_items(name: str, summary: str) -> list[Item]:
    """Return news as Naver would word it: a thousand of them, as many as its window shows."""
    return [
        {
            "title": row["title"],
            "description": row[summary] or "",
            "originallink": f"https://press{number % 40}.example/{number}",
            "link": row.get("url") or f"https://n.news.naver.com/mnews/article/001/{number:010d}",
            "pubDate": "Fri, 20 Nov 2026 09:00:00 +0900",
        }
        for number, row in enumerate(rows(name)[:1000])
    ]


SETS = [
    ("esg/kpmg_esg_dev.jsonl", "description"),
    ("sentiment/woori_bank.jsonl", "lead"),
    ("headlines/company_headlines_2022_dev.jsonl", "lead"),
]


@pytest.mark.parametrize(("name", "summary"), SETS)
def test_a_thousand_real_news_are_whole_clean_and_counted(naver, name, summary):
    naver.items = as_items(name, summary)

    pages = list(NaverProvider().pages("가", sort="sim", start=1))
    check([article for page in pages for article in page.articles], naver.items)

    answer = services.search_company("가나다", Options(max_results=1000))
    check_counts(answer, fetched=1000)
    assert len(naver.calls) == 20


@pytest.mark.parametrize("wanted", [1, 60, 100])
def test_what_is_cut_off_is_still_counted(naver, client, wanted):
    naver.items = as_items(*SETS[0])

    answer = services.search_company("가나다", Options(max_results=wanted))
    body = client.post("/api/v1/search/companies/가나다", {"max_results": wanted}, format="json").json()

    check_counts(answer, fetched=100 * len(naver.calls))
    assert body["search_metadata"]["returned_count"] == wanted
    assert body["deduplication"]["original_count"] == answer.value.original_count


def test_the_publisher_is_the_one_that_naver_shows(naver):
    """Where the link is Naver's alone, its office id names the paper."""
    press = rows("sentiment/woori_bank.jsonl")[:100]
    naver.items = [item | {"originallink": ""} for item in as_items(*SETS[1])[:100]]

    (page,) = NaverProvider().pages("가", sort="sim", start=1)

    named = [(article.publisher, row["press"]) for article, row in zip(page.articles, press, strict=True)]
    assert sum(shown == real for shown, real in named) >= 90, [pair for pair in named if pair[0] != pair[1]]
