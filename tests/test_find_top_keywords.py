"""Find the telling nouns of one article and of many."""

from __future__ import annotations

import pytest

from search import keywords

ARTICLE = (
    "한빛전자, 평택에 배터리공장 착공…1조원 투자 한빛전자가 평택에 배터리공장을 짓는다고 15일 밝혔다. "
    "홍길동 기자 = 배터리공장은 내년 상반기 완공될 예정이며 한빛전자서비스도 입주한다. 사진=연합뉴스"
)


def test_compound_nouns_come_out_whole_and_first():
    found = keywords.extract(ARTICLE, leave_out=["한빛전자"])

    assert found[0] == "배터리공장"
    assert "평택" in found


def test_the_company_its_sister_and_the_newspaper_are_left_out():
    found = keywords.extract(ARTICLE, leave_out=["한빛전자"])

    assert not any(word.startswith("한빛전자") for word in found)
    assert "연합뉴스" not in found


def test_the_companys_other_names_are_left_out_too():
    found = keywords.extract("현대차 노사 교섭 재개. 현대자동차는 임금인상안을 냈다.", leave_out=["현대자동차"])

    assert "임금인상안" in found
    assert not {"현대차", "현대자동차"} & set(found)


@pytest.mark.parametrize("word", ["홍길동", "기자", "사진", "상반기", "예정", "1조원", "15일"])
def test_stop_words_and_figures_are_no_keywords(word):
    assert word not in keywords.extract(ARTICLE)


def test_an_empty_text_has_no_keywords():
    assert keywords.extract("") == ()
    assert keywords.extract("… 2024. 1. 3!!") == ()


def test_what_many_articles_share_outranks_what_one_says_often():
    ranked = keywords.rank([("탄소중립", "재활용"), ("탄소중립", "태양광"), ("탄소중립",), ("해상풍력",)])

    assert ranked[0] == "탄소중립"


def test_a_word_of_every_business_article_ranks_below_a_telling_one():
    ranked = keywords.rank([("시장", "폐배터리"), ("시장", "폐배터리")])

    assert ranked == ("폐배터리", "시장")


def test_a_word_inside_a_better_one_is_not_repeated():
    ranked = keywords.rank([("배터리공장", "배터리"), ("배터리공장", "배터리")])

    assert ranked == ("배터리공장",)


def test_a_keyword_counts_once_an_article():
    ranked = keywords.rank([("누수", "누수", "누수"), ("점검",), ("점검",)])

    assert ranked[0] == "점검"


def test_the_limit_is_kept():
    assert len(keywords.rank([("가나", "다라", "마바")], limit=2)) == 2
    assert keywords.rank([], limit=5) == ()
    assert keywords.rank([("가나",)], limit=0) == ()
