"""The engine without a model: labels from lexicons, with words as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlcore.keyword import KeywordClassifier, explain
from mlcore.labels import LABELS
from mlcore.lexicon import Vocabulary, load, words
from mlcore.types import AXES, Prediction


def judge(text: str, axis: str = "category") -> Prediction:
    return KeywordClassifier(axis).predict([text])[0]


@pytest.mark.parametrize(
    ("text", "label", "code"),
    [
        ("가람제련, 폐수 무단 방류 적발", "E", "SASB-140"),
        ("한빛전자, 2040년 탄소중립 선언… 재생에너지 전환", "E", "SASB-110"),
        ("다온화장품, 플라스틱 줄인 종이 포장재 도입", "E", "SASB-150"),
        ("한빛제철 공장서 끼임 사고로 하청 노동자 숨져", "S", "SASB-320"),
        ("가람조선 노조, 임단협 결렬에 총파업 돌입", "S", "SASB-310"),
        ("다온식품 즉석밥서 곰팡이… 식약처 회수 조치", "S", "SASB-250"),
        ("가람유통, 협력사 납품대금 조기 지급하며 상생", "S", "SASB-430"),
        ("콘크리트 업체 입찰 담합에 공정위 과징금", "S", "SASB-520"),
        ("한빛전자, 취약계층에 성금 기탁", "S", "SASB-210"),
        ("가람카드 고객 개인정보 유출", "S", "SASB-220"),
        ("다온바이오 분식회계 혐의로 감사의견 거절", "G", "K-ESG-G-5"),
        ("한빛지주 주주총회서 행동주의 펀드 주주제안 부결", "G", "K-ESG-G-3"),
        ("가람건설 회장 횡령·배임 혐의로 기소", "G", "SASB-510"),
        ("다온홀딩스, 사외이사 절반을 여성으로 선임", "G", "K-ESG-G-1"),
    ],
)
def test_an_issue_gives_its_label_and_tag(text, label, code):
    said = judge(text)

    assert (said.label, said.issue and said.issue.code) == (label, code)


@pytest.mark.parametrize(
    "text",
    [
        "한빛전자 3분기 영업이익 12% 증가",
        "가람화학 주가 3% 하락 마감, 코스피는 강세",
        "다온뷰티, 가을 한정판 크림 출시 기념 할인 행사",
        "한빛 이글스, 연장 끝에 홈런으로 승리",
        "[부고] 홍길동 가람일보 부장 부친상",
    ],
)
def test_business_as_usual_is_none_and_says_why(text):
    said = judge(text)

    assert said.label == "none"
    assert said.evidence
    assert said.issue is None


@pytest.mark.parametrize(
    "text",
    [
        "한빛전자, 영업이익 급증에 주가 상승",
        "가람항공, 적자 대폭 축소",
        "다온제약, 임상 불확실성 해소",
        "법원, 한빛전자 과징금 취소",
        "가람건설 대표, 횡령 혐의 무죄",
        "다온화학, 특허 소송서 승소",
        "한빛중공업, 흑자 전환",
        "가람은행 대출금리 인하",
        "늘어나던 재고 크게 감소",
        "리콜 사태 마무리한 가람차",
        "다온은행, 부실채권 비율 역대 최저",
        "한빛그룹 회장 불기소 처분",
    ],
)
def test_good_news_is_positive(text):
    assert judge(text, "sentiment").label == "positive"


@pytest.mark.parametrize(
    "text",
    [
        "한빛전자 주가 하락 마감",
        "가람자동차, 배터리 결함으로 12만 대 리콜",
        "다온식품 영업이익 급감",
        "한빛제철 부채 증가",
        "가람게임, 신작 출시 연기",
        "치솟는 원자재 값에 다온제지 이익 감소",
        "한빛전자 호실적에도 주가 급락",
        "가람유통 혜택 축소",
        "한빛조선, 수주 취소 통보 받아",
        "가람제약 신약 허가 불발",
        "다온식품 실적, 기대 못 미쳐",
    ],
)
def test_bad_news_is_negative(text):
    assert judge(text, "sentiment").label == "negative"


@pytest.mark.parametrize("text", ["[인사] 한빛전자", "가람은행, 다음 달 3일 간담회 예정", "오늘의 환율"])
def test_a_note_without_sides_is_neutral(text):
    assert judge(text, "sentiment").label == "neutral"


def test_what_brings_a_fall_about_does_not_fall():
    fallen, cause = (judge(f"{burden} 감소", "sentiment") for burden in ("원가 부담", "원가 부담에 이익"))

    assert (fallen.label, cause.label) == ("positive", "negative")


def test_a_demand_ends_nothing():
    ended, demanded = (judge(f"정리해고 {end}", "sentiment") for end in ("철회", "철회하라"))

    assert (ended.label, demanded.label) == ("positive", "negative")


def test_a_turned_word_is_shown_with_what_turned_it():
    text = "가람항공, 적자 대폭 축소"

    evidence = explain(text, axis="sentiment", label="positive")[0]

    assert [e.word for e in evidence] == ["적자 대폭 축소"]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("text", ["", "   ", "😀", "ㅋㅋ", "12,345 / 6%", "가" * 5000, "분식회계 " * 300])
def test_any_text_gets_scores_that_sum_to_one(axis, text):
    said = judge(text, axis)

    assert set(said.scores) == set(LABELS[axis])
    assert sum(said.scores.values()) == pytest.approx(1.0)
    assert all(0.0 <= score <= 1.0 for score in said.scores.values())
    assert said.confidence == max(said.scores.values())
    assert said.method == "keyword"


def test_an_empty_text_is_none_and_neutral_without_evidence():
    assert [judge("", axis).label for axis in AXES] == ["none", "neutral"]
    assert [judge("", axis).evidence for axis in AXES] == [(), ()]


@pytest.mark.parametrize("axis", AXES)
def test_evidence_stands_where_it_says(axis):
    text = "가람건설, ‘하도급 갑질’ 과징금 취소 소송서 패소… 노조는 규탄, 주가는 하락"

    for label in LABELS[axis]:
        for found in explain(text, axis=axis, label=label)[0]:
            assert text[found.start : found.end] == found.word


def test_the_evidence_of_a_prediction_speaks_for_its_label():
    text = "가람제련, 폐수 무단 방류로 과징금"
    said = judge(text)

    assert said.evidence == explain(text, axis="category", label=said.label)[0]
    assert explain(text, axis="category", label="S")[0] != said.evidence


def test_a_label_the_lexicons_do_not_know_has_no_evidence():
    assert explain("분식회계 적발", axis="category", label="FIN")[0] == ()


def test_texts_keep_their_order():
    said = KeywordClassifier("category").predict(["분식회계 적발", "", "탄소중립 선언"])

    assert [p.label for p in said] == ["G", "none", "E"]


def test_a_word_is_found_at_morphemes_and_not_inside_others():
    vocabulary = Vocabulary(["사고", "후원"])

    assert [h.word for h in vocabulary.find("공장 사고 수습")] == ["사고"]
    assert vocabulary.find("회사고위직") == []
    assert vocabulary.find("공시 후 원하는 투자자") == []


def test_a_phrase_bridges_a_few_words_and_no_full_stop():
    vocabulary = Vocabulary(["적자 축소", "적자"])

    assert [h.word for h in vocabulary.find("적자 폭을 크게 축소")] == ["적자 축소"]
    assert [h.word for h in vocabulary.find("적자였다. 조직도 축소")] == ["적자"]


def test_a_listing_may_run_over_lines():
    assert words("가,\n나  다,") == ["가", "나 다"]


def test_the_revision_names_the_lexicons():
    assert KeywordClassifier("category").revision.startswith("keyword@")
    assert KeywordClassifier("category").revision == KeywordClassifier("category").revision


@pytest.mark.parametrize("name", ["environment", "social", "governance", "none", "sentiment"])
def test_every_word_of_a_lexicon_can_be_found_as_it_is_written(name):
    entries = [word for listing in listings(load(name)) for word in words(listing)]
    nominal = [entry for entry in entries if "다 " not in f"{entry} "]
    vocabulary = Vocabulary(nominal)
    found = {entry: [h.word.replace(" ", "") for h in vocabulary.find(entry)] for entry in nominal}

    assert [e for e, seen in found.items() if e.upper().replace(" ", "") not in seen] == []


def listings(lexicon: dict[str, Any]) -> Iterator[str]:
    """Yield every listing of words, however deep it lies."""
    for key, value in lexicon.items():
        if isinstance(value, dict):
            yield from listings(value)
        elif key == "issue":
            for issue in value:
                yield from (issue[k] for k in ("strong", "plain", "weak") if k in issue)
        elif key not in ("label", "source"):
            yield value
