"""Say whether an article is about the company asked for, and how much."""

from __future__ import annotations

from itertools import pairwise

import pytest

from search import companies, relevance
from search.types import Article, SearchQuery


def article(title, summary=""):
    return Article(url="u", link="l", title=title, summary=summary, publisher="p", published_at=None)


def verdict(company, title, summary=""):
    return relevance.judge(article(title, summary), company=company).verdict


def about(company):
    return SearchQuery(text=company, is_company=True)


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("삼성전자", "삼성전자가 새 공장을 연다"),
        ("삼성전자", "‘삼성전자’의 다음 한 수"),
        ("현대자동차", "현대차, 아산공장 증설 검토"),
        ("현대차", "현대자동차·협력사 상생 협약"),
        ("현대차", "현대·기아차 공동 연구소"),
        ("기아", "현대·기아차 공동 연구소"),
        ("네이버", "NAVER 검색 개편"),
        ("POSCO홀딩스", "포스코서 안전 점검"),
        ("신한금융지주", "신한금융 이사회 열려"),
        ("HD현대중공업", "현대重 임단협 난항"),
        ("농협은행", "농협銀 새 행장 취임"),
        ("하나은행", "하나·대구銀 공동 점포"),
        ("KT", "KT새노조 기자회견"),
        ("LG디스플레이", "LG 디스플레이 파주 신축"),
        ("LG전자", "엘지전자 가전 구독 확대"),
        ("한빛전자", "㈜한빛전자, 신제품 공개"),
        ("대우조선해양", "한화오션 하청 교섭 시작"),
        ("기아", "기아 화성공장 생산 재개"),
        ("전방", "전방, 광주 공장 부지 매각"),
        ("카카오", "카카오톡 한때 먹통"),
    ],
)
def test_a_company_named_in_the_title_is_its_subject(company, title):
    assert verdict(company, title) == "subject"


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("KT", "KTX 운행 재개"),
        ("KT", "SKT 요금제 개편"),
        ("KT", "KT&G 주주총회 열려"),
        ("전방", "전방위 압박에 나선 야당"),
        ("한창", "벼 수확이 한창인 들녘"),
        ("대상", "청소년 대상 금융 교육"),
        ("진도", "일본서 진도 4 흔들림"),
        ("대교", "한강 새 대교 이름 공모"),
        ("신세계", "영화 신세계 속편 만든다"),
        ("토스", "세터의 빠른 토스가 살렸다"),
        ("한화", "우리 돈 한화 약 300억원"),
        ("기아", "아프리카 기아 문제 논의"),
        ("카카오", "국제 카카오 가격 급등에 초콜릿값 인상"),
        ("삼천리", "방방곡곡 삼천리 걷기 여행"),
        ("테스", "나훈아 ‘테스형’ 다시 듣기"),
        ("현대건설", "현대건설기계 굴착기 수출"),
        ("한국공항", "한국공항공사 사장 공모"),
        ("동양", "동양인 최초 우승"),
        ("DSR", "7월부터 DSR 규제 강화"),
    ],
)
def test_another_word_or_company_with_the_same_letters_is_a_namesake(company, title):
    assert verdict(company, title) == "namesake"


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("삼성전자", "삼성전자서비스 수리 기사 채용"),
        ("삼성전자", "삼성전기 부산공장 증설"),
        ("SK", "SK하이닉스 청주 투자"),
        ("두산", "두산연강재단 장학금 전달"),
        ("카카오", "카카오뱅크 앱 장애"),
        ("삼성생명", "삼성서울병원 새 병동"),
    ],
)
def test_a_sister_company_or_body_is_an_affiliate(company, title):
    assert verdict(company, title) == "affiliate"


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("삼성전자", "삼성 라이온즈 개막전 매진"),
        ("LG", "LG 트윈스 홈런 세 방으로 역전승"),
        ("기아", "KIA 타이거즈 새 외국인 투수 영입"),
        ("한화", "한화, 두산 꺾고 5연승…프로야구 선두"),
        ("현대건설", "현대건설, 흥국생명 완파…V리그 1위"),
        ("KT", "KT 소닉붐 감독 교체"),
        ("한국전력", "한국전력 배구단 봄 경기 진출"),
        ("롯데지주", "롯데 자이언츠 스프링캠프 출국"),
    ],
)
def test_a_team_of_the_companys_name_is_sports(company, title):
    assert verdict(company, title) == "sports"


def test_a_sponsor_on_the_business_page_stays_a_company():
    assert verdict("삼성전자", "삼성전자, 프로야구 구단과 TV 공급계약…매출 확대") == "subject"


@pytest.mark.parametrize(
    ("company", "title"),
    [
        ("삼성전자", "삼성 갤럭시 새 모델 공개"),
        ("우리은행", "우리은행 우리WON뱅킹 개편"),
        ("한국도로공사", "도로공사 하이패스 개편"),
    ],
)
def test_a_product_is_no_team(company, title):
    assert verdict(company, title) != "sports"


def test_a_sponsor_of_a_league_stays_a_company():
    assert verdict("우리은행", "우리은행, LCK 결승전 타이틀 스폰서로 우승팀 시상") == "subject"


def test_a_company_only_in_the_summary_is_mentioned():
    summary = "지역 상공회의소가 모임을 열었다. 이 자리에는 삼성전자 등이 참석했다."

    assert verdict("삼성전자", "상의 신년 모임", summary) == "mentioned"


def test_a_brokers_opinion_is_not_about_the_broker():
    title = "대신증권 “이마트 목표주가 상향”"

    assert verdict("대신증권", title) == "mentioned"
    assert verdict("이마트", title) == "subject"


def test_an_article_that_names_nothing_is_unrelated():
    found = relevance.judge(article("봄비가 그친 뒤", "주말 나들이객이 늘었다."), company="삼성전자")

    assert (found.verdict, found.score, found.evidence) == ("unrelated", 0.0, "")


def test_the_evidence_is_the_word_as_it_stands():
    found = relevance.judge(article("삼성전자서비스 수리 기사 채용"), company="삼성전자")

    assert found.evidence == "삼성전자서비스"


def test_a_better_place_never_scores_lower():
    weakest_first = [
        article("봄비가 그친 뒤"),
        article("코트가 뜨겁다", "전방위 수비."),
        article("상의 모임", "모임이 열렸다. 한빛전자 등이 왔다."),
        article("상의 모임", "모임에 한빛전자 등이 왔다."),
        article("상의 모임", "한빛전자가 모임을 열었다."),
        article("한빛전자, 모임을 열다"),
        article("한빛전자, 모임을 열다", "모임에 한빛전자 등이 왔다."),
        article("한빛전자, 모임을 열다", "한빛전자가 모임을 열었다. 한빛전자는 말했다."),
    ]
    scores = [relevance.rate(one, about("한빛전자")).score for one in weakest_first]

    assert all(lower <= higher for lower, higher in pairwise(scores))
    assert scores[0] == 0.0
    assert scores[-1] > 0.95
    assert len(set(scores)) >= 7


def test_what_only_looks_like_the_company_scores_below_any_mention():
    mention = relevance.rate(article("모임", "모임이 열렸다. 삼성전자 등이 왔다."), about("삼성전자")).score
    lookalike = relevance.rate(article("삼성전자서비스 채용"), about("삼성전자")).score

    assert 0 < lookalike < mention


def test_words_score_by_share_and_place():
    one = article("폐배터리 재활용 확대", "정부가 순환경제 지원책을 냈다. 업계는 반겼다.")

    def score(text):
        return relevance.rate(one, SearchQuery(text=text, is_company=False)).score

    assert score("폐배터리") == 1.0
    assert score("폐배터리 없는말") == 0.5
    assert 1.0 > score("순환경제") > score("업계") > score("없는말") == 0.0
    assert score("배터리") < score("폐배터리")


def test_a_quoted_phrase_is_one_term():
    one = article("재활용 시장의 폐배터리")

    assert relevance.rate(one, SearchQuery(text="폐배터리 재활용", is_company=False)).score == 1.0
    assert relevance.rate(one, SearchQuery(text='"폐배터리 재활용"', is_company=False)).score == 0.0


@pytest.mark.parametrize("text", ["", '"', "-", "*+?("])
def test_a_query_without_words_or_of_marks_is_answered(text):
    assert relevance.rate(article("제목"), SearchQuery(text=text, is_company=False)).score == 0.0


@pytest.mark.parametrize("company", ["", " ", "a", "(주)", "C++", "[", "하나 둘 셋", "😀"])
def test_any_company_name_is_answered(company):
    assert 0.0 <= relevance.judge(article("아무 제목", "아무 요약"), company=company).score <= 1.0


def test_a_legal_form_and_spaces_do_not_change_the_company():
    assert companies.find("㈜ 현대 자동차").own == companies.find("현대자동차").own
