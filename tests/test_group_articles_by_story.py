"""Same-story grouping: what joins, what only looks alike, and what a hostile batch costs."""

from __future__ import annotations

import itertools
import json
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from search.dedup import group_stories, representative
from search.titles import find_subject, normalise_title
from search.types import Article

PAIRS = Path(__file__).resolve().parents[2] / "shared/data/neardup/pairs.jsonl"
NOON = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
_numbers = itertools.count()


def article(
    title: str,
    summary: str = "",
    *,
    url: str | None = None,
    publisher: str = "한빛일보",
    published_at: datetime | None = NOON,
) -> Article:
    url = url or f"https://press{next(_numbers)}.example/news/{next(_numbers)}"
    return Article(url=url, link=url, title=title, summary=summary, publisher=publisher, published_at=published_at)


def joined(first: Article, second: Article, *, threshold: float = 0.75) -> bool:
    return len(group_stories([first, second], threshold=threshold)) == 1


BODY = (
    "한빛전자가 세종시에 2,340억원을 들여 차세대 전력반도체 공장을 짓는다고 2일 밝혔다. "
    "공장은 내년 3월 착공해 2028년 완공되며 직원 620명을 새로 뽑을 계획이다. "
    "회사 관계자는 “유럽 고객사의 주문이 늘어 증설을 앞당겼다”고 말했다."
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "[단독] 한빛전자, 세종에 전력반도체 공장 짓는다",
            "한빛전자, 세종에 전력반도체 공장 짓는다(종합2보) - 가람경제",
        ),
        ("美 법원 “한빛전자 특허 침해 아니다”", "미국 법원, '한빛전자 특허 침해 아니다'"),
        (
            "가람은행, 1분기 순이익 3천412억원…작년 동기 대비 7.3%↑",
            "가람은행 1분기 순익 3,412억원, 전년比 7.3% 증가",
        ),
        ("누리제약, 치매 신약 '메모린' 임상 2상 돌입", "누리제약 치매 치료 신약 메모린, 임상 2상 들어간다"),
        ("다온항공, 인천~다낭 노선 5월 재취항", "다온항공 5월부터 인천-다낭 노선 다시 띄운다"),
        (
            "공정위, 솔바람마트에 과징금 47억원…납품업체 갑질",
            "'납품업체 갑질' 솔바람마트, 공정위 과징금 47억 부과",
        ),
        ("해담조선 울산 공장서 불…2명 부상", "[속보] 해담조선 울산 공장 화재, 작업자 2명 부상"),
        (
            "미르화학 여수공장 노조, 임금협상 결렬에 파업 돌입",
            "임금협상 결렬…미르화학 여수공장 노조 파업 들어가",
        ),
        ("한빛전자 3분기 영업이익 584.8%↑", "한빛전자, 3분기 영업익 585% 껑충"),
        ("새벽소프트 대표에 김한별 전 부사장", "새벽소프트, 신임 대표이사에 김한별 前 부사장 선임"),
    ],
)
def test_headlines_of_one_story_join(first: str, second: str) -> None:
    assert joined(article(first), article(second))
    assert joined(article(second), article(first))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("한빛전자, 2분기 영업이익 812억원…전년비 12.4%↑", "가람화학, 2분기 영업이익 377억원…전년비 12.4%↑"),
        ("한빛전자, 1분기 영업이익 812억원…전년비 12%↑", "한빛전자, 2분기 영업이익 955억원…전년비 31%↑"),
        ("누리홀딩스 2분기 순이익 640억…전년비 24.1%↓", "누리에너지 2분기 순이익 213억…전년비 22.3%↓"),
        ("누리 2분기 영업익 53%↑…해외 성장", "누리홀딩스, 2분기 영업익 1228억…전년비 53.3%↑"),
        ("다온테크, 30억 규모 자사주 취득 신탁계약 체결", "라온테크, 40억 규모 자사주 취득 신탁계약 체결"),
        ("미르건설, 1200억원 규모 공급계약 체결", "미르건설, 350억원 규모 공급계약 체결"),
        ("[특징주] 한빛전자, 실적 기대에 5%대 강세", "[특징주] 가람전자, 실적 기대에 7%대 강세"),
        (
            "한빛전자 주가, 5월 8일 8,910원 3.26% 하락 마감",
            "누리제약 주가, 5월 8일 148,600원 1.16% 상승 마감",
        ),
        ("[인사] 한빛전자", "[인사] 가람은행"),
        ("[부고] 김한별(한빛전자 상무)씨 부친상", "[부고] 박가람(누리제약 이사)씨 모친상"),
        ("[오늘의 증시 일정] 3월 2일", "[오늘의 증시 일정] 3월 3일"),
        ("국세청, 한빛증권 비정기 세무조사 착수", "국세청, 가람은행 비정기 세무조사 착수"),
        ("가람증권 “한빛전자 목표주가 12만원으로 상향”", "가람증권 “누리제약 목표주가 31만원으로 상향”"),
        ("새봄시-다온쇼핑, 농특산물 판로 확대 업무협약", "물결군-다온쇼핑, 농특산물 판로 확대 업무협약"),
        ("한빛전자, 소외이웃에 김장 김치 나눔 봉사", "가람은행, 소외이웃에 김장 김치 나눔 봉사"),
        ("해담바이오, 위암 치료제 국내 임상 1상 승인", "누리제약, 위암 치료제 국내 임상 1상 승인"),
        ("한빛전자, 세종에 전력반도체 공장 짓는다", "한빛전자, 청소년 코딩 교실 열어"),
        ("가람은행, 부산에 무인점포 연다", "가람은행, 대전에 무인점포 연다"),
        ("한빛전자, 무선청소기 '가온' 출시", "한빛전자, 공기청정기 '솔빛' 출시"),
        ("한빛호텔앤리조트, 봄맞이 딸기 뷔페 진행", "한빛호텔앤리조트, 청년 인턴 30명 채용"),
        ("골든리버, 코스피 목표치 9000으로 상향", "실버레이크, 코스피 목표치 9000으로 상향"),
    ],
)
def test_headlines_of_one_template_stay_apart(first: str, second: str) -> None:
    assert not joined(article(first), article(second))
    assert not joined(article(second), article(first))


def test_a_wire_copy_joins_its_story_however_it_was_cut() -> None:
    long, short = BODY[:150] + "...", BODY[30:120] + "..."
    assert joined(
        article("한빛전자, 세종에 2340억 투자", long),
        article("세종에 반도체 공장…한빛전자 620명 채용", short),
    )


def test_a_missing_summary_does_not_part_a_story() -> None:
    title = "한빛전자, 세종에 전력반도체 공장 짓는다"
    assert joined(article(title, BODY), article(title + "…620명 채용"))


def test_boilerplate_at_the_end_of_unlike_stories_does_not_join_them() -> None:
    closing = (
        " 한편 한빛전자는 1978년 설립된 전력반도체 전문 기업으로 전 세계 31개국에 진출해 있으며 임직원은 8천여명이다."
    )
    first = article("한빛전자, 협력사 대금 조기 지급", "설을 앞두고 대금을 앞당겨 준다." + closing)
    second = article("연구소장에 외국인 영입한 까닭은", "첫 외국인 연구소장이 부임했다." + closing)
    assert not joined(first, second)


def test_the_same_headline_a_month_later_is_news_again() -> None:
    title, later = "한빛전자 노사, 임금협상 잠정 합의", NOON + timedelta(days=40)
    assert joined(article(title, "찬반투표는 4일 열린다."), article(title, "기본급 3.1% 인상에 뜻을 모았다."))
    assert not joined(
        article(title, "찬반투표는 4일 열린다."),
        article("한빛전자 노사 임금협상 다시 합의", "조합원 투표를 앞뒀다.", published_at=later),
    )


def test_articles_with_one_canonical_address_are_one_at_any_threshold() -> None:
    first = article("한빛전자 신제품 공개", url="https://www.press.example/view?id=7&utm_source=portal")
    second = article("다시 쓴 제목", url="http://press.example/view?id=7#top")
    assert joined(first, second, threshold=1.0)


def test_at_threshold_one_only_practically_identical_texts_join() -> None:
    same = article("[속보] 한빛전자, “공장 짓는다”", BODY), article("한빛전자 '공장 짓는다'", BODY)
    near = article("한빛전자, 세종에 공장 짓는다", BODY), article("한빛전자, 세종에 새 공장 짓는다", BODY)
    assert joined(*same, threshold=1.0)
    assert not joined(*near, threshold=1.0)
    assert joined(*near)


def test_a_lower_threshold_never_parts_a_pair() -> None:
    first = article("공정위, 솔바람마트에 과징금 47억원")
    second = article("솔바람마트 과징금에 협력사 반응은")
    outcomes = [joined(first, second, threshold=step / 10) for step in range(11)]
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes[0]
    assert not outcomes[10]


def test_an_ambiguous_article_does_not_chain_two_stories() -> None:
    fire = [
        article(f"해담조선 울산 공장 화재 {tail}", BODY[:0]) for tail in ("2명 부상", "작업자 2명 다쳐", "진화 완료")
    ]
    deal = [
        article(f"해담조선 컨테이너선 6척 수주 {tail}") for tail in ("유럽 선사와 계약", "유럽 선사에서", "9천억 규모")
    ]
    both = article("해담조선 울산 공장 화재 속 컨테이너선 6척 수주")
    groups = group_stories([*fire, both, *deal])
    assert not any({0, 4} <= set(group) for group in groups)


def test_the_answer_is_a_partition_in_order_of_first_appearance() -> None:
    titles = [
        "한빛전자, 세종에 공장 짓는다",
        "누리제약 신약 허가",
        "[단독] 한빛전자 세종에 공장 짓는다",
        "누리제약, 신약 허가 받아",
    ]
    assert group_stories([article(title) for title in titles]) == [(0, 2), (1, 3)]
    assert group_stories([]) == []


def test_articles_without_a_word_are_like_no_other() -> None:
    assert group_stories([article("", ""), article("…", "!!"), article("", "")]) == [(0,), (1,), (2,)]


def synthetic(count: int, *, company: str = "한빛전자", seed: int = 7) -> list[Article]:
    """Titles of one company made of three random words each: every story differs, all share the name."""
    draw = random.Random(seed)
    syllables = "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호"

    def word() -> str:
        return "".join(draw.choices(syllables, k=4))

    return [
        article(f"{company}, {word()} {word()} {word()} 사업 본격 추진", " ".join(word() for _ in range(30)))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    "articles",
    [
        pytest.param(
            [article("한빛전자, 세종에 공장 짓는다", BODY) for _ in range(10_000)],
            id="10,000 identical texts",
        ),
        pytest.param([article(chr(0xAC00 + n % 9_000)) for n in range(10_000)], id="one-character titles"),
        pytest.param(
            [article("가나다" * 3_400 + str(n), "마바사" * 3_400 + str(n)) for n in range(1_000)], id="10 kB"
        ),
        pytest.param(
            [article("한빛전자 " + "·".join("가나다라마"), str(n) * 9) for n in range(2_000)], id="one title"
        ),
        pytest.param(synthetic(5_000), id="5,000 stories of one company"),
    ],
)
def test_a_hostile_batch_is_grouped_in_seconds(articles: list[Article]) -> None:
    started = time.thread_time()
    groups = group_stories(articles)
    assert time.thread_time() - started < 10  # a quadratic loop takes minutes
    assert sorted(itertools.chain(*groups)) == list(range(len(articles)))


def test_stories_of_one_company_stay_apart_and_their_copies_join() -> None:
    stories = synthetic(500)
    copies = [article(f"[종합] {story.title}", story.summary[:90] + "...") for story in stories]
    groups = group_stories([*stories, *copies])
    assert all({position, position + 500} <= set(group) for group in groups for position in group if position < 500)
    assert len(groups) >= 495  # made-up words collide now and then


def test_a_story_told_two_hundred_times_is_one_group() -> None:
    tails = [f"{a} {b}" for a in ("종합", "영상", "사진", "1보", "2보") for b in range(40)]
    many = [
        article(f"한빛전자, 세종에 전력반도체 공장 짓는다 ({tail})", BODY[n % 40 : 120 + n])
        for n, tail in enumerate(tails)
    ]
    groups = group_stories([*many, *synthetic(300)])
    assert max(map(len, groups)) == 200


def test_the_most_informative_article_represents_its_group() -> None:
    whole = article("한빛전자, 세종에 전력반도체 공장 짓는다", BODY)
    cut = article("한빛전자, 세종에 전력반도체 공장 짓는다", BODY[:-1] + "...")
    bare = article("한빛전자, 세종에 전력반도체 공장 짓는다")
    assert representative([bare, cut, whole], (0, 1, 2)) == 2


def test_a_named_publisher_represents_before_a_bare_host() -> None:
    unnamed = article("한빛전자 공장", BODY, url="https://a.example/1", publisher="a.example")
    assert representative([unnamed, article("한빛전자 공장", BODY)], (0, 1)) == 1


def test_of_equals_the_earliest_represents_then_the_first() -> None:
    early, late, undated = (
        article("한빛전자 공장", BODY, published_at=at) for at in (NOON, NOON + timedelta(hours=1), None)
    )
    assert representative([undated, late, early, early], (0, 1, 2, 3)) == 2


def test_a_title_is_reduced_to_what_it_says() -> None:
    assert (
        normalise_title("[단독] 美 한빛전자, “3천412억원” 투자…(종합2보) - 가람경제") == "미국 한빛전자 3412억원 투자"
    )
    assert normalise_title("[인사] ") == "인사"
    assert find_subject("[속보] “체질 바꿨다”…한빛전자, 2분기 흑자") == "한빛전자"


@pytest.mark.skipif(not PAIRS.exists(), reason="the shared pairs are not on this machine")
def test_real_pairs_are_told_apart() -> None:
    found = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        sides = [article(pair[side]["title"], pair[side]["description"] or "") for side in "ab"]
        found[pair["label_name"] == "same_story", joined(*sides)] += 1
    hits = found[True, True]
    assert hits / (hits + found[False, True]) >= 0.97
    assert hits / (hits + found[True, False]) >= 0.75
