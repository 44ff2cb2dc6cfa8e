"""Name the newspaper behind a link."""

from __future__ import annotations

import pytest

from search import press


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.mk.co.kr/news/stock/1", "매일경제"),
        ("https://biz.chosun.com/stock/1", "조선비즈"),
        ("https://www.chosun.com/economy/1", "조선일보"),
        ("https://anything.chosun.com/1", "조선일보"),
        ("http://WWW.Hani.co.kr:80/arti/1.html", "한겨레"),
    ],
)
def test_the_most_specific_host_names_the_newspaper(url, name):
    assert press.publisher(url) == name


@pytest.mark.parametrize(
    "link",
    [
        "https://n.news.naver.com/mnews/article/001/0012345678?sid=101",
        "https://n.news.naver.com/article/001/0012345678",
        "https://news.naver.com/main/read.nhn?mode=LSD&mid=sec&oid=001&aid=0012345678",
        "https://finance.naver.com/item/news_read.naver?article_id=0012345678&office_id=001",
    ],
)
def test_a_portals_page_is_named_by_its_office_id(link):
    assert press.publisher(link) == "연합뉴스"
    assert press.publisher("https://no-such-paper.example/1", link=link) == "연합뉴스"


def test_the_publishers_own_host_outweighs_the_office_id():
    link = "https://n.news.naver.com/article/001/0012345678"

    assert press.publisher("https://www.hankyung.com/article/1", link=link) == "한국경제"


def test_an_unknown_host_stands_for_itself_without_www():
    assert press.publisher("https://www.no-such-paper.example/a") == "no-such-paper.example"


@pytest.mark.parametrize("url", ["", "   ", "http://", "http://[broken"])
def test_no_host_gives_no_name(url):
    assert press.publisher(url) == ""


def test_another_sites_article_path_is_no_office_id():
    assert press.publisher("https://naver.com.example.org/article/001/1") == "naver.com.example.org"
    assert press.publisher("https://notnaver.com/article/001/1") == "notnaver.com"


def test_an_unknown_office_id_leaves_the_portals_host():
    assert press.publisher("https://n.news.naver.com/article/998/0000000001") == "n.news.naver.com"


def test_the_table_names_at_least_900_hosts_once_each():
    lines = (press.DATA / "press_hosts.tsv").read_text(encoding="utf-8").splitlines()
    hosts = [line.split("\t")[0] for line in lines]

    assert len(hosts) == len(set(hosts)) >= 900
    assert all(host == host.lower().strip() and "/" not in host and "." in host for host in hosts)
