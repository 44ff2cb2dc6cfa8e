"""Search the archive: the bundled sample, or articles of one's own."""

from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from search.errors import ProviderError
from search.providers import archive
from search.providers.archive import SAMPLE, ArchiveProvider, import_articles
from search.text import strip_markup
from search.types import Article

NOON = datetime(2026, 11, 20, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def archive_path(settings, tmp_path) -> Path:
    """An archive of one's own that does not exist yet."""
    settings.NEWS_PROVIDER = "archive"
    settings.ARCHIVE_PATH = tmp_path / "new" / "archive.sqlite3"
    return settings.ARCHIVE_PATH


def article(number: int, title: str, summary: str = "", *, published_at: datetime | None = NOON) -> Article:
    return Article(
        url=f"https://a.example/{number}",
        link=f"https://portal.example/{number}",
        title=title,
        summary=summary,
        publisher="새벽신문",
        published_at=published_at,
    )


def fill(*titles: str) -> None:
    """Fill the archive with articles, the newest first."""
    import_articles(article(n, title, published_at=NOON - timedelta(hours=n)) for n, title in enumerate(titles))


def search(query: str, *, sort: str = "sim", start: int = 1) -> list[Article]:
    pages = list(ArchiveProvider().pages(query, sort=sort, start=start))  # type: ignore[arg-type]
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [each for page in pages for each in page.articles]


def titles(query: str, **options) -> list[str]:
    return [each.title for each in search(query, **options)]


# --- what is found --------------------------------------------------------------------------------------------


def test_the_sample_is_there_from_the_start(client):
    body = client.post("/api/v1/search/companies/삼성전자", {"max_results": 1000}, format="json").json()

    with SAMPLE.open(encoding="utf-8") as lines:
        articles = [json.loads(line) for line in lines]
    named = [a for a in articles if "삼성전자" in strip_markup(a["title"]) + " " + strip_markup(a["summary"])]
    assert body["search_metadata"]["provider"] == "archive (sample)"
    assert body["search_metadata"]["total_found"] == body["deduplication"]["original_count"] == len(named) > 40


def test_a_sample_article_is_whole():
    with SAMPLE.open(encoding="utf-8") as lines:
        written = json.loads(next(lines))

    found = next(each for each in search(f'"{strip_markup(written["title"])}"') if each.url == written["url"])

    assert (found.link, found.publisher) == (written["link"], written["publisher"])
    assert found.summary == strip_markup(written["summary"])
    assert found.published_at == datetime.fromisoformat(written["published_at"])


def test_articles_of_ones_own_replace_the_sample(client):
    fill("한빛전자 실적 발표")

    body = client.post("/api/v1/search/companies/한빛전자").json()

    assert body["search_metadata"]["provider"] == "archive"
    assert [item["title"] for item in body["items"]] == ["한빛전자 실적 발표"]
    assert search("삼성전자") == []


def test_an_archive_of_nothing_leaves_the_sample():
    assert import_articles([]) == (0, 0)

    assert ArchiveProvider().name == "archive (sample)"
    assert search("삼성전자")


def test_an_article_comes_back_as_it_was_given():
    given = [article(1, "한빛전자 '하나'", '"요약"; DROP TABLE article'), article(2, "한빛전자 둘", published_at=None)]

    import_articles(given)

    assert search("한빛전자") == given


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"한빛 전자"', {"한빛 전자 실적"}),
        ("한빛 전자", {"한빛 전자 실적", "전자 업계의 한빛"}),
        ('실적 "한빛 전자"', {"한빛 전자 실적"}),
        ("lg", {"LG 실적"}),
        ("없는말", set()),
        ("실적 없는말", set()),
    ],
)
def test_phrases_and_words_must_all_be_named(query, found):
    fill("한빛 전자 실적", "전자 업계의 한빛", "LG 실적")

    assert set(titles(query)) == found


def test_a_word_may_stand_in_the_summary_and_no_term_spans_title_and_summary():
    import_articles([article(1, "새 공장", "한빛전자가 짓는다"), article(2, "한빛", "전자 업계")])

    assert titles("공장 한빛전자") == ["새 공장"]
    assert titles("한빛전자") == ["새 공장"]


@pytest.mark.parametrize("query", ["100%", "a_b", "c\\d", "%", "_", "\\", "'", "''; --", "[", "*", "?", "🙂"])
def test_a_character_with_a_meaning_of_its_own_means_itself(query):
    fill("수익률 100% 달성", "이름 a_b", "경로 c\\d", "따옴표 ' 하나", "별 * 물음 ? [괄호] 🙂", "100퍼센트 axb ccd")

    assert titles(query) == [title for title in titles("") if query in title]


def test_a_long_query_of_many_words_is_answered():
    fill(" ".join(map(str, range(100, 150))))

    assert len(search(" ".join(map(str, range(100, 150))))) == 1


@pytest.mark.parametrize("query", ["", " ", '""', '" "', '"'])
def test_a_query_of_nothing_does_no_harm(query):
    fill("한빛전자")

    assert len(search(query)) <= 1


# --- in which order -------------------------------------------------------------------------------------------


def test_what_is_named_in_the_title_comes_first_then_the_newest():
    import_articles(
        [
            article(1, "새 소식", "한빛전자", published_at=NOON),
            article(2, "한빛전자 옛 소식", published_at=NOON - timedelta(days=2)),
            article(3, "한빛전자 어제 소식", published_at=NOON - timedelta(days=1)),
            article(4, "한빛전자 언젠가", published_at=None),
        ]
    )

    assert [each.url[-1] for each in search("한빛전자", sort="sim")] == ["3", "2", "4", "1"]
    assert [each.url[-1] for each in search("한빛전자", sort="date")] == ["1", "3", "2", "4"]


@pytest.mark.parametrize("sort", ["sim", "date"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_pages_of_100_bring_every_article_once(count, sort):
    import_articles(article(number, f"한빛전자 {number}", published_at=NOON) for number in range(count))
    fill("다른 소식")

    pages = list(ArchiveProvider().pages("한빛전자", sort=sort, start=1))

    found = [each.url for page in pages for each in page.articles]
    assert len(found) == len(set(found)) == count
    assert {page.total for page in pages} == {count}
    assert len(pages) == max(1, -(-count // 100))


@pytest.mark.parametrize(("start", "left"), [(1, 120), (21, 100), (120, 1), (121, 0), (1000, 0)])
def test_start_skips_what_came_before(start, left):
    fill(*[f"한빛전자 {number}" for number in range(120)])

    assert titles("한빛전자", start=start) == titles("한빛전자")[start - 1 :]
    assert len(search("한빛전자", start=start)) == left


# --- when it goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_archive_is_an_error(archive_path, client, content):
    archive_path.parent.mkdir()
    archive_path.write_bytes(content)

    response = client.post("/api/v1/search/companies/한빛전자")

    assert (response.status_code, response.json()["error_code"]) == (502, "PROVIDER_ERROR")
    assert response.json()["details"]["reason"].startswith("archive.sqlite3: ")
    assert str(archive_path.parent) not in response.content.decode()


def test_an_archive_damaged_inside_is_an_error(archive_path):
    import_articles(article(number, f"한빛전자 {number} " + "말 " * 200) for number in range(300))
    with sqlite3.connect(archive_path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(archive_path.read_bytes())
    data[8192 : len(data) - 8192] = b"\xff" * (len(data) - 16384)
    archive_path.write_bytes(data)

    with pytest.raises(ProviderError):
        search("한빛전자")


def test_a_folder_in_the_archives_place_is_an_error(archive_path):
    archive_path.mkdir(parents=True)

    with pytest.raises(ProviderError):
        ArchiveProvider()


# --- at once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_many_search_at_once(own):
    if own:
        fill(*[f"삼성전자 {number}" for number in range(150)])
    archive._sample.cache_clear()
    expected = len(search("삼성전자"))

    with ThreadPoolExecutor(max_workers=16) as pool:
        found = list(pool.map(lambda _: len(search("삼성전자")), range(48)))

    assert found == [expected] * 48


def test_searches_go_on_while_an_import_is_under_way():
    fill("한빛전자 하나")
    written, searched = Event(), Event()

    def more_than_fits_into_memory():
        for number in range(1000):
            yield article(100 + number, f"한빛전자 {number}", "말 " * 2000)
        written.set()
        assert searched.wait(30)

    with ThreadPoolExecutor(max_workers=1) as pool:
        importing = pool.submit(import_articles, more_than_fits_into_memory())
        assert written.wait(60)
        started = time.monotonic()
        try:
            assert titles("한빛전자") == ["한빛전자 하나"]
            assert time.monotonic() - started < 15
        finally:
            searched.set()
        assert importing.result() == (1000, 0)

    assert len(search("한빛전자")) == 1001


def test_two_imports_at_once_both_arrive():
    def import_hundred(first: int) -> tuple[int, int]:
        return import_articles(article(first + number, f"한빛전자 {number}") for number in range(100))

    with ThreadPoolExecutor(max_workers=4) as pool:
        counts = list(pool.map(import_hundred, range(0, 400, 100)))

    assert counts == [(100, 0)] * 4
    assert len(search("한빛전자")) == 400
