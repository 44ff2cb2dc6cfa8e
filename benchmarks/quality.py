"""How well articles are judged without a model, beside the rules of the old service.

    python benchmarks/quality.py [--esg FILE] [--sentiment FILE] [--pairs FILE] [--json]

Files are JSONL: {"title", "description" or null, "esg": E|S|G|none} and {"title", "description", "sentiment"}.
Without a file the sets in ../shared/data are used, where they are. No program fitted anything to them. After a first
look at a few hundred texts of each, words and the few numbers of calibration.toml were tried out on one half of each
(by company; by date where there is one company; by turns where neither is known) and the other half only measured:
both are shown. Other sets will be scored: tune on the language, not on these. The text is what the service reads, the
title and the first 200 characters of the description. Speed is processor time of one core; it starts with an empty
memory of words and grows with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mlcore.evaluate import Report, evaluate  # noqa: E402  (the project is not installed)
from mlcore.keyword import KeywordClassifier  # noqa: E402
from mlcore.labels import LABELS  # noqa: E402
from mlcore.types import Axis, Classifier, Method, Prediction  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
SUMMARY_CHARS = 200
WOORI_UNSEEN_FROM = "2022-09-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled text."""

    text: str
    label: str
    unseen: bool = True  # in the half that was not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Labelled texts under the name they are reported by."""

    name: str
    axis: Axis
    examples: tuple[Example, ...]


OLD_WORDS: dict[Axis, dict[str, str]] = {
    "category": {
        "E": "환경 탄소 친환경 기후 에너지 재생 온실가스 오염 폐기물 녹색",
        "S": "사회 안전 인권 노동 고용 복지 기부 봉사 상생 협력",
        "G": "지배구조 이사회 주주 감사 투명 윤리 준법 배당 공시 경영",
    },
    "sentiment": {
        "positive": "상승 증가 성장 호조 개선 성공 수상 확대 최고 긍정",
        "negative": "하락 감소 부진 적자 우려 위기 논란 소송 손실 악화",
    },
}


class SubstringCounts:
    """The old service's kind of rule: count a few words as substrings; the most wins, a tie is the rest.

    A reimplementation with words of our own choosing: its lists are not ours to copy.
    """

    revision = "substrings"
    method: Method = "keyword"

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.rest = "none" if axis == "category" else "neutral"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [self._predict(text) for text in texts]

    def _predict(self, text: str) -> Prediction:
        counts = {label: sum(w in text for w in words.split()) for label, words in OLD_WORDS[self.axis].items()}
        total = sum(counts.values())
        if not total:
            counts[self.rest], total = 1, 1
        scores = {label: counts.get(label, 0) / total for label in LABELS[self.axis]}
        best = max(counts, key=counts.__getitem__)
        tied = sum(count == counts[best] for count in counts.values()) > 1
        return Prediction(label=self.rest if tied else best, scores=scores, method=self.method)


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def text_of(title: str, description: str | None) -> str:
    return f"{title} {(description or '')[:SUMMARY_CHARS]}".strip()


def read_examples(path: Path, *, label: str) -> tuple[Example, ...]:
    """Read a file of the documented form."""
    return tuple(Example(text=text_of(r["title"], r.get("description")), label=r[label]) for r in read_rows(path))


def esg_sets() -> list[Set]:
    """The shared ESG sets: controversies labelled by analysts, and none from the two retailers.

    "reliable" leaves out the retailers' own E, S and G, which hold up in 6 of 10 cases at best; "with noisy E"
    adds their E, without which there are only a couple of dozen; "all" adds everything with one label.
    """
    analysts, retailers = _analyst_examples(), _retailer_examples()
    none = tuple(e for e in retailers if e.label == "none")
    noisy = tuple(e for e in retailers if e.label == "E")
    return [
        Set(name="ESG, reliable labels", axis="category", examples=analysts + none),
        Set(name="ESG, with noisy E", axis="category", examples=analysts + none + noisy),
        Set(name="ESG, all", axis="category", examples=analysts + retailers),
    ]


def _analyst_examples() -> tuple[Example, ...]:
    rows = read_rows(DATA / "esg/esg_daishin_dev.jsonl") + read_rows(DATA / "esg/esg_daishin_hr_dev.jsonl")
    kept = {r["title"]: r for r in rows if r["esg"] and r.get("kept", True) and not r.get("irrelevant")}
    return tuple(Example(text=r["title"], label=r["esg"], unseen=_is_second_half(r["company"])) for r in kept.values())


def _retailer_examples() -> tuple[Example, ...]:
    return tuple(
        Example(
            text=text_of(r["title"], r["description"]),
            label=r["esg_pass1"][0],
            unseen=r["company"] == "현대홈쇼핑",
        )
        for r in read_rows(DATA / "esg/kpmg_esg_dev.jsonl")
        if len(r["esg_pass1"]) == 1
    )


def sentiment_sets() -> list[Set]:
    """The shared sentiment sets: a bank's news, and the Finnish phrase bank in Korean as a cross-check."""
    bank = tuple(
        Example(text=text_of(r["title"], r["lead"]), label=r["sentiment"], unseen=r["date"] >= WOORI_UNSEEN_FROM)
        for r in read_rows(DATA / "sentiment/woori_bank.jsonl")
    )
    phrases = tuple(
        Example(text=r["sentence_ko"], label=r["sentiment"], unseen=at % 2 == 1)
        for at, r in enumerate(read_rows(DATA / "sentiment/finance_phrasebank_ko.jsonl"))
    )
    return [
        Set(name="sentiment, bank", axis="sentiment", examples=bank),
        Set(name="sentiment, phrase bank", axis="sentiment", examples=phrases),
    ]


def _is_second_half(company: str) -> bool:
    return int(md5(company.encode(), usedforsecurity=False).hexdigest(), 16) % 2 == 1


def measure(classifier: Classifier, examples: Iterable[Example], *, axis: Axis) -> Report:
    chosen = list(examples)
    return evaluate(classifier, [e.text for e in chosen], [e.label for e in chosen], labels=LABELS[axis])


def show(name: str, report: Report, *, say: Callable[[str], None]) -> None:
    low, high = report.interval
    say(
        f"{name}: macro-F1 {report.macro_f1:.3f} [{low:.3f}, {high:.3f}]"
        f"  calibration error {report.calibration_error:.3f}  {report.texts_per_second:,.0f} articles/s"
    )
    labels = [c.label for c in report.classes]
    say("    true \\ said  " + "".join(f"{label:>10}" for label in labels) + "   precision  recall     F1")
    for score, row in zip(report.classes, report.confusion, strict=True):
        cells = "".join(f"{count:>10}" for count in row)
        say(f"    {score.label:<13}{cells}   {score.precision:9.2f}  {score.recall:6.2f}  {score.f1:5.2f}")


def report_set(chosen: Set, *, say: Callable[[str], None]) -> Report:
    """Show a set by both engines, and its unseen half by ours; return ours on the whole."""
    engine = KeywordClassifier(chosen.axis)
    engine.predict(["준비"])  # load the analyser outside the clock
    whole = measure(engine, chosen.examples, axis=chosen.axis)
    say(f"\n== {chosen.name}: {len(chosen.examples)} texts")
    show("lexicons", whole, say=say)
    unseen = [e for e in chosen.examples if e.unseen]
    if 0 < len(unseen) < len(chosen.examples):
        show(f"lexicons, unseen half ({len(unseen)})", measure(engine, unseen, axis=chosen.axis), say=say)
    show("old rules", measure(SubstringCounts(chosen.axis), chosen.examples, axis=chosen.axis), say=say)
    return whole


def sets_to_measure(options: argparse.Namespace) -> dict[str, list[Set]]:
    """Return the sets a task is measured on; its figure is that of the first."""
    if options.esg or options.sentiment:
        given: dict[str, list[Set]] = {}
        if options.esg:
            examples = read_examples(options.esg, label="esg")
            given["esg"] = [Set(name=f"ESG, {options.esg.name}", axis="category", examples=examples)]
        if options.sentiment:
            examples = read_examples(options.sentiment, label="sentiment")
            given["sentiment"] = [
                Set(name=f"sentiment, {options.sentiment.name}", axis="sentiment", examples=examples)
            ]
        return given
    return {"esg": esg_sets(), "sentiment": sentiment_sets()} if DATA.is_dir() else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("esg", "sentiment", "pairs"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    if options.pairs:
        parser.error("--pairs is not measured yet: figures['pairs'] belongs to search.dedup")
    out = sys.stderr if options.json else sys.stdout

    def say(line: str) -> None:
        out.write(line + "\n")

    figures: dict[str, dict[str, float]] = {}
    for task, sets in sets_to_measure(options).items():
        reports = [report_set(chosen, say=say) for chosen in sets]
        figures[task] = {"macro_f1": round(reports[0].macro_f1, 4)}
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    elif not figures:
        say("Nothing to measure: give a file, or put the shared data beside the project.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
