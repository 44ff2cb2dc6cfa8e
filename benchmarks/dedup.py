"""Same-story grouping: speed against the old rule, growth, and the precision/recall frontier on real pairs.

python benchmarks/dedup.py [--quick] [--json]

The old rule: difflib's ratio, 0.7 title + 0.3 summary, each article against the groups' first ones, the first
at 0.75 wins. The articles timed are written here: 12 companies, one of which most are about; half are copies.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from search.dedup import group_stories  # noqa: E402
from search.types import Article  # noqa: E402

PAIRS = ROOT.parent / "shared/data/neardup/pairs.jsonl"
SIZES = (100, 1_000, 10_000)
OLD_RULE_LIMIT = 1_000  # articles; beyond, its time is extrapolated: it grows with the square
THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)

_COMPANIES = """
한빛전자 가람은행 누리제약 다온항공 미르화학 해담조선 솔바람마트 새벽소프트 라온테크 물결에너지 온새미식품
아람건설
"""
COMPANIES = _COMPANIES.split()
_PLACES = """
세종 평택 여수 울산 창원 청주 군산 포항 광주 원주 제주 천안 구미 김해 아산 전주 목포 춘천 진주 순천
"""
PLACES = _PLACES.split()
_THINGS = """
전력반도체 배터리소재 치매신약 저가항공기 재생플라스틱 쇄빙선 무인매장 번역엔진 의료로봇 해상풍력 대체육
모듈주택 수소트럭 위성안테나 인공각막 양자암호 초고압케이블 폐열발전 스마트팜 배양피부 자율운항선 접는화면
해수담수화 태양전지
"""
THINGS = _THINGS.split()
DEEDS = (
    "공장 착공",
    "연구소 개소",
    "수출 계약",
    "특허소송 승소",
    "노조 파업",
    "리콜 결정",
    "합작사 설립",
    "경력직 채용",
    "값 인상",
    "시제품 첫선",
    "라인 증설",
    "안전진단 통과",
    "납품단가 갈등",
    "사옥 이전",
    "대리점 반발",
    "희망퇴직 접수",
    "보조금 신청",
    "국산화 성공",
    "품질인증 획득",
    "시험운항 연기",
)
OPENINGS = (
    "{company}가 {day}일 {place}에서 {name} 설명회를 열고 이같이 밝혔다.",
    "{day}일 업계에 따르면 {company}는 {name} 조직을 새로 꾸렸다.",
    "{place} 현장에는 {day}일 아침부터 {people}명이 모였다.",
    "{company} 이사회는 {day}일 {name} 안건을 의결했다.",
    "{name} 시장을 두고 {company}와 경쟁사의 다툼이 {place}까지 번졌다.",
    "{day}일 {place}지방법원 앞. {company} 직원들이 자리를 지켰다.",
)
DETAILS = (
    "투자액은 {amount:,}억원으로 회사 자산의 {day}%다.",
    "한 연구원은 “{name}은 {year}년까지 공급이 달린다”고 내다봤다.",
    "직원 {people}명의 거취는 정해지지 않았다.",
    "{place} 주민들은 교통과 소음을 걱정한다.",
    "주가는 장중 {day}% 넘게 움직였다.",
    "지난해 {name} 매출은 {amount:,}억원이었다.",
    "정부는 {year}년까지 관련 규정을 고치기로 했다.",
    "협력사 {day}곳이 함께 들어선다.",
    "소비자 {people}명이 보상을 청구했다.",
    "회사는 “확정된 바 없다”며 말을 아꼈다.",
    "경쟁사도 {year}년 {name} 양산을 예고했다.",
    "{company}의 시장 점유율은 {day}%로 알려졌다.",
)
ENDINGS = ("…업계 “예상 밖”", "…주가 강세", "", "", "…협력사도 반색")
SYLLABLES = "가나다라마바사아자차카타파하노도로모보소오조초코토포호누두루무부수우주추쿠투푸후"
MARKS = ("[단독] {}", "[속보] {}", "{}(종합)", "{}(종합2보)", "“{}”", "{} - 가람경제", "{}…")


def write_articles(count: int, *, seed: int = 42) -> list[Article]:
    """Invented news: half original stories, half copies with other marks, endings and cuts."""
    draw = random.Random(seed)  # the same articles every time
    stories = [_write_story(draw) for _ in range(count - count // 2)]
    copies = [_copy_story(*draw.choice(stories), draw) for _ in range(count // 2)]
    texts = [*stories, *copies]
    draw.shuffle(texts)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    return [
        Article(
            url=f"https://press{number % 60}.example/news/{number}",
            link=f"https://portal.example/article/{number}",
            title=title,
            summary=summary,
            publisher=f"신문{number % 60}",
            published_at=start + timedelta(minutes=number % 2_000),
        )
        for number, (title, summary) in enumerate(texts)
    ]


def _write_story(draw: random.Random) -> tuple[str, str]:
    facts = {
        "company": draw.choice(COMPANIES) if draw.random() < 0.4 else COMPANIES[0],
        "place": draw.choice(PLACES),
        "name": "".join(draw.choices(SYLLABLES, k=4)),
        "amount": draw.randint(10, 9_999),
        "people": draw.randint(10, 3_000),
        "day": draw.randint(2, 28),
        "year": draw.randint(2027, 2035),
    }
    event, other = (f"{draw.choice(THINGS)} {draw.choice(DEEDS)}" for _ in range(2))
    title = f"{facts['company']}, {facts['place']} ‘{facts['name']}’ {event}…{other}"
    sentences = [draw.choice(OPENINGS), *draw.sample(DETAILS, 4)]
    return title, " ".join(sentences).format(**facts)


def _copy_story(title: str, summary: str, draw: random.Random) -> tuple[str, str]:
    head = title if draw.random() < 0.5 else title.partition("…")[0] + draw.choice(ENDINGS)
    start = draw.randint(0, 25)
    return draw.choice(MARKS).format(head), summary[start : start + draw.randint(70, 130)] + "..."


def group_by_old_rule(articles: Sequence[Article]) -> list[list[Article]]:
    groups: list[list[Article]] = []
    for article in articles:
        group = next((group for group in groups if _score_by_old_rule(group[0], article) >= 0.75), None)
        if group is None:
            groups.append([article])
        else:
            group.append(article)
    return groups


def _score_by_old_rule(first: Article, second: Article) -> float:
    title = SequenceMatcher(None, first.title, second.title).ratio()
    has_both = first.summary and second.summary
    summary = SequenceMatcher(None, first.summary, second.summary).ratio() if has_both else 0.0
    return 0.7 * title + 0.3 * summary


def measure_speed(*, quick: bool) -> list[dict[str, float | bool]]:
    """One row a size: seconds of both, their ratio, and whether the old rule's are extrapolated."""
    rows: list[dict[str, float | bool]] = []
    limit = OLD_RULE_LIMIT // 5 if quick else OLD_RULE_LIMIT
    basis, basis_seconds = 0, 0.0
    for size in SIZES:
        articles = write_articles(size)
        seconds = min(_time(group_stories, articles) for _ in range(5 if size <= 1_000 else 2))
        if not basis or size <= limit or basis < limit:
            basis = min(size, limit)
            basis_seconds = _time(group_by_old_rule, articles[:basis])
        old_seconds = basis_seconds * (size / basis) ** 2
        rows.append(
            {"articles": size, "seconds": seconds, "old_seconds": old_seconds, "ratio": old_seconds / seconds}
            | {"old_extrapolated": size != basis}
            | {"stories": len(group_stories(articles))}
        )
    return rows


def _time(group: Callable[[Sequence[Article]], object], articles: Sequence[Article]) -> float:
    started = time.process_time()
    group(articles)
    return time.process_time() - started


def measure_growth(rows: Sequence[dict[str, float | bool]]) -> float:
    """The exponent of the last decade: 1 is linear, 2 quadratic."""
    last, before = rows[-1], rows[-2]
    return math.log(last["seconds"] / before["seconds"]) / math.log(last["articles"] / before["articles"])


def read_pairs(path: Path = PAIRS) -> Iterator[tuple[bool, Article, Article]]:
    """Yield each pair of a file of the form of PAIRS, and whether the two tell the same story."""
    for line in path.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        yield pair["label_name"] == "same_story", _read_article(pair["a"]), _read_article(pair["b"])


def _read_article(side: dict[str, Any]) -> Article:
    date = side.get("date")
    return Article(
        url=side["url"] or "",
        link=side["url"] or "",
        title=side["title"],
        summary=side["description"] or "",
        publisher=side["press"] or "",
        published_at=datetime.fromisoformat(date[:10]).replace(tzinfo=UTC) if date else None,
    )


def measure_pairs(path: Path = PAIRS, *, threshold: float = 0.75) -> dict[str, float]:
    """Precision and recall of "the two join" at a threshold."""
    return _score([(same, len(group_stories([a, b], threshold=threshold)) == 1) for same, a, b in read_pairs(path)])


def draw_frontier(path: Path = PAIRS) -> list[dict[str, float]]:
    """Precision and recall of "the two join" at each threshold, the old rule last (threshold -1)."""
    pairs = list(read_pairs(path))
    rows = [{"threshold": threshold} | measure_pairs(path, threshold=threshold) for threshold in THRESHOLDS]
    old = _score([(same, _score_by_old_rule(a, b) >= 0.75) for same, a, b in pairs])
    return [*rows, {"threshold": -1.0} | old]


def _score(outcomes: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    hits = sum(same and joined for same, joined in outcomes)
    found, wanted = sum(joined for _, joined in outcomes), sum(same for same, _ in outcomes)
    return {"precision": hits / found if found else 1.0, "recall": hits / wanted if wanted else 1.0}


def render(report: dict[str, Any]) -> str:
    lines = [f"{'articles':>9} {'stories':>8} {'seconds':>9} {'old rule':>10} {'times':>8}"]
    for row in report["speed"]:
        old = f"{row['old_seconds']:.2f}{'*' if row['old_extrapolated'] else ' '}"
        lines.append(
            f"{row['articles']:>9,} {row['stories']:>8,} {row['seconds']:>9.4f} {old:>10} {row['ratio']:>8.0f}"
        )
    lines.append(
        "seconds of one core; * extrapolated: the old rule compares all with all, and was timed on fewer articles"
    )
    lines.append(f"growth from 1,000 to 10,000: n ** {report['growth']:.2f}\n")
    if report["frontier"] is None:
        return "\n".join([*lines, "../shared/data/neardup is not on this machine: no precision and recall."])
    return "\n".join([*lines, f"{PAIRS.name}; other pairs will check it", render_frontier(report["frontier"])])


def render_frontier(rows: Sequence[dict[str, float]]) -> str:
    """A line a threshold; the bar is recall."""
    lines = [f"{'threshold':>9} {'precision':>10} {'recall':>8}"]
    for row in rows:
        name = "old rule" if row["threshold"] < 0 else f"{row['threshold']:.2f}"
        bar = "█" * round(40 * row["recall"])
        lines.append(f"{name:>9} {row['precision']:>10.3f} {row['recall']:>8.3f}  {bar}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="time the old rule on fewer articles, and extrapolate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    speed = measure_speed(quick=options.quick)
    frontier = draw_frontier() if PAIRS.exists() else None
    report = {"speed": speed, "growth": measure_growth(speed), "frontier": frontier}
    sys.stdout.write((json.dumps(report, indent=2) if options.json else render(report)) + "\n")


if __name__ == "__main__":
    main()
