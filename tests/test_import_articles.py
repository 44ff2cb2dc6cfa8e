"""Import articles of one's own: `manage.py import_articles FILE…`."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from search.providers.archive import ArchiveProvider, count_imported, import_articles
from search.providers.records import BadRecord, article_from_record, read_articles
from search.types import Article

FIRST = {
    "title": "한빛전자, 새 공장 착공",
    "url": "https://a.example/1",
    "summary": "한빛전자가 공장을 짓는다.",
    "published_at": "2026-11-20T09:00:00+09:00",
    "publisher": "새벽신문",
}
NAVERS = {
    "title": "<b>한빛전자</b> &quot;흑자&quot;",
    "originallink": "https://www.mk.co.kr/news/2",
    "link": "https://n.news.naver.com/mnews/article/009/0000000002",
    "description": "매출 5 &lt; 10 <b>한빛전자<\\/b>",
    "pubDate": "Fri, 20 Nov 2026 10:00:00 +0900",
}


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path) -> None:
    settings.ARCHIVE_PATH = tmp_path / "archive.sqlite3"


@pytest.fixture
def write(tmp_path):
    """Write a file of records, or of raw text, and return where it is."""

    def write(name: str, *records: object, encoding: str = "utf-8") -> Path:
        lines = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in records]
        path = tmp_path / name
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return write


def run(*paths: Path) -> str:
    out = io.StringIO()
    call_command("import_articles", *map(str, paths), stdout=out, no_color=True)
    return out.getvalue()


def run_in_vain(*paths: Path) -> tuple[str, str]:
    """Return what the command printed and what it died of."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("import_articles", *map(str, paths), stdout=out, no_color=True)
    return out.getvalue(), str(caught.value)


def record(number: int, **fields: object) -> dict[str, object]:
    return FIRST | {"url": f"https://a.example/{number}"} | fields


def imported() -> list[Article]:
    (page,) = ArchiveProvider().pages("한빛전자", sort="date", start=1)
    return list(page.articles)


def test_jsonl_is_imported_and_searched(write, client):
    assert (
        run(write("own.jsonl", FIRST, NAVERS)) == "[1/1] own.jsonl ... 2 new, 0 known\nThe archive holds 2 articles.\n"
    )
    body = client.post("/api/v1/search/companies/한빛전자").json()
    assert body["search_metadata"]["provider"] == "archive"
    assert body["search_metadata"]["total_found"] == 2


def test_navers_own_fields_are_understood(write):
    run(write("naver.jsonl", NAVERS))

    assert imported() == [
        Article(
            url="https://www.mk.co.kr/news/2",
            link="https://n.news.naver.com/mnews/article/009/0000000002",
            title='한빛전자 "흑자"',
            summary="매출 5 < 10 한빛전자",
            publisher="매일경제",
            published_at=datetime(2026, 11, 20, 1, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_is_imported_from_any_editor(write, encoding, newline):
    rows = ["title,url,summary,published_at,publisher", '"한빛전자, ""둘""",https://a.example/1,"두\n줄",2026-11-20,']
    path = write("own.CSV", newline.join([*rows, ""]), encoding=encoding)

    assert "1 new" in run(path)
    assert imported() == [
        Article(
            url="https://a.example/1",
            link="https://a.example/1",
            title='한빛전자, "둘"',
            summary="두 줄",
            publisher="a.example",
            published_at=datetime(2026, 11, 19, 15, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_jsonl_may_have_a_mark_blank_lines_and_no_last_newline(write, encoding):
    assert "2 new" in run(write("own.jsonl", "", FIRST, "  ", NAVERS, encoding=encoding))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-20T09:00:00+09:00", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20 09:00", datetime(2026, 11, 20, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 00:00:00 GMT", datetime(2026, 11, 20, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_a_date_without_an_offset_is_seouls(written, meant):
    assert article_from_record(FIRST | {"published_at": written}).published_at == meant


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (record(9, title=""), "no title"),
        (record(9, title="<b></b>"), "no title"),
        (record(9, title=["한빛"]), "title is not text"),
        (record(9, summary={"a": 1}), "summary is not text"),
        (record(9, published_at=20261120), "published_at is not text"),
        (record(9, url=""), "no http(s) url: ''"),
        (record(9, url="/news/1"), "no http(s) url: '/news/1'"),
        (record(9, url="javascript:alert(1)"), "no http(s) url"),
        (record(9, url="http://a.example:port/"), "no http(s) url"),
        (record(9, published_at="어제"), "date '어제' cannot be read"),
        (record(9, published_at="0001-01-01T00:00+09:00"), "date"),
        (record(9, published_at="9999-12-31T23:59-09:00"), "date"),
        ("{not json", "not JSON: '{not json"),
        ("[" * 100_000, "not JSON"),
        ('"a text"', "not an object"),
        ("[1, 2]", "not an object"),
        ("null", "not an object"),
    ],
)
def test_a_bad_record_is_named_by_its_line_and_nothing_of_its_file_is_kept(write, bad, said):
    path = write("own.jsonl", record(1), "", record(2), bad, record(3))

    printed, died_of = run_in_vain(path)

    assert f"own.jsonl, line 4: {said}" in printed
    assert died_of == "1 of 1 failed."
    assert count_imported() == 0


def test_a_bad_csv_row_is_named_by_its_line(write):
    header = "title,url,summary"
    good = '"한빛전자","https://a.example/1","두\n줄"'

    assert "own.csv, line 4: no title" in run_in_vain(write("own.csv", header, good, ",https://a.example/2,"))[0]
    assert count_imported() == 0


def test_a_csv_row_shorter_or_longer_than_its_header_is_read(write):
    rows = ["title,url,summary", "한빛전자 하나,https://a.example/1", "한빛전자 둘,https://a.example/2,요약,더,더"]

    assert "2 new" in run(write("own.csv", *rows))


def test_a_csv_field_of_megabytes_is_named_by_its_line(write):
    path = write("own.csv", "title,url,summary", f"한빛전자,https://a.example/1,{'말' * 200_000}")

    assert "own.csv, line 2: field larger than field limit" in run_in_vain(path)[0]


@pytest.mark.parametrize("name", ["own.csv", "own.jsonl"])
def test_a_file_in_another_encoding_is_refused(write, name):
    path = write(name, "title,url\n한빛전자,https://a.example/1", encoding="cp949")

    assert f"{name}: not UTF-8 text" in run_in_vain(path)[0]


@pytest.mark.parametrize(
    ("name", "content"), [("own.csv", ""), ("own.csv", "title,url"), ("own.jsonl", ""), ("own.jsonl", "\n \n")]
)
def test_a_file_of_nothing_brings_nothing(write, name, content):
    assert "0 new, 0 known" in run(write(name, content))


def test_half_a_character_costs_no_article(write):
    run(write("own.jsonl", '{"title": "한빛전자 \\ud83d\\u0000 실적", "url": "https://a.example/1"}'))

    assert [article.title for article in imported()] == ["한빛전자 실적"]


def test_a_second_time_brings_nothing_new(write):
    path = write("own.jsonl", *[record(number) for number in range(250)])

    assert "250 new, 0 known" in run(path)
    assert "0 new, 250 known" in run(path)
    assert count_imported() == 250


def test_copies_within_a_file_are_counted_as_known(write):
    copies = ["https://a.example/1", "http://www.a.example/1#top", "https://a.example/1?utm_source=x"]

    assert "1 new, 2 known" in run(write("own.jsonl", *[record(0, url=url) for url in copies]))


def test_a_file_that_fails_does_not_stop_the_next(write, tmp_path):
    good, bad = write("good.jsonl", record(1)), write("bad.jsonl", record(2), "?")
    also_good = write("also_good.csv", "title,url\n한빛전자,https://a.example/3")

    printed, died_of = run_in_vain(tmp_path / "missing.jsonl", bad, good, tmp_path, also_good)

    lines = printed.splitlines()
    assert lines[0].startswith("[1/5] missing.jsonl ... ")
    assert "No such file" in lines[0]
    assert lines[1].startswith("[2/5] bad.jsonl ... bad.jsonl, line 2: not JSON")
    assert lines[2] == "[3/5] good.jsonl ... 1 new, 0 known"
    assert "Is a directory" in lines[3]
    assert lines[4] == "[5/5] also_good.csv ... 1 new, 0 known"
    assert died_of == "3 of 5 failed."
    assert count_imported() == 2


def test_an_archive_that_cannot_be_written_is_said(write, settings):
    settings.ARCHIVE_PATH.write_bytes(b"no archive" * 1000)

    printed, died_of = run_in_vain(write("own.jsonl", FIRST))

    assert "archive.sqlite3" in printed
    assert died_of == "1 of 1 failed."


def test_articles_are_read_one_by_one(write):
    """A year of articles need not fit into memory, and what is bad at the end is met at the end."""
    articles = read_articles(write("own.jsonl", record(1), "?"))

    assert next(articles).url == "https://a.example/1"
    with pytest.raises(BadRecord):
        next(articles)


def test_an_import_that_dies_keeps_nothing():
    def articles():
        yield article_from_record(record(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_articles(articles())

    assert count_imported() == 0
    assert ArchiveProvider().name == "archive (sample)"
