"""How well news is judged without a model, beside the rules of the old service.

    python benchmarks/quality.py [--quick] [--json]                                    all, on ../shared/data
    python benchmarks/quality.py [--esg FILE] [--sentiment FILE] [--pairs FILE] [--json]    files of one's own

Files are JSONL: {"title", "description" or null, "esg": E|S|G|none}, {"title", "description", "sentiment"}, and
pairs as in neardup/pairs.jsonl; a pair joins where both articles end in one group at the default threshold. The text
judged is what the service reads, the title and the first 200 characters of the description.

No program fitted anything to the shared sets. After a first look at a few hundred texts of each, words and the few
numbers of calibration.toml were tried out on one half of each (by company; by date where there is one company; by
turns where neither is known) and the other half only measured: both are shown. The pairs were tuned on whole. Other
sets will be scored: tune on the language, not on these. Speed is processor time of one core; it starts with an empty
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

from benchmarks import dedup, relevance  # noqa: E402  (the project is not installed)
from mlcore.evaluate import Report, evaluate, render  # noqa: E402
from mlcore.keyword import KeywordClassifier  # noqa: E402
from mlcore.labelled import COLUMNS, read_labelled, text_of  # noqa: E402
from mlcore.labels import LABELS  # noqa: E402
from mlcore.types import AXES, Axis, Classifier, Method, Prediction  # noqa: E402
from search.types import Article, Relevance  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
WOORI_UNSEEN_FROM = "2022-09-01"
QUICK = 4  # of how many texts one is judged

Figures = dict[str, Any]
Say = Callable[[str], None]


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


# --- the old rules -------------------------------------------------------------------------------------------

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


def take_everything(article: Article, *, company: str) -> Relevance:
    """The old service: what a search brings is about the company."""
    return Relevance(score=1.0, verdict="subject", evidence=company)


def take_substring(article: Article, *, company: str) -> Relevance:
    """What a first attempt would do: the name stands somewhere in the text."""
    return Relevance(score=1.0, verdict="subject" if company in article.text else "unrelated", evidence=company)


# --- what is measured on ---------------------------------------------------------------------------------------


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_set(path: Path, *, axis: Axis) -> Set:
    """Read a file of the documented form."""
    labelled = read_labelled(path, axis=axis, labels=LABELS[axis])
    pairs = zip(labelled.texts, labelled.truth, strict=True)
    return Set(name=path.name, axis=axis, examples=tuple(Example(text=text, label=label) for text, label in pairs))


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


# --- measuring -------------------------------------------------------------------------------------------------


def measure(classifier: Classifier, examples: Iterable[Example], *, axis: Axis) -> Report:
    chosen = list(examples)
    return evaluate(classifier, [e.text for e in chosen], [e.label for e in chosen], labels=LABELS[axis])


def measure_sets(sets: Sequence[Set], *, say: Say) -> Figures:
    """Show each set by both engines, and its unseen half by ours; return ours on the whole of the first."""
    reports = []
    for chosen in sets:
        engine = KeywordClassifier(chosen.axis)
        engine.predict(["준비"])  # load the analyser outside the clock
        reports.append(measure(engine, chosen.examples, axis=chosen.axis))
        say(f"\n== {chosen.name}: {len(chosen.examples)} texts\nlexicons: {render(reports[-1])}")
        unseen = [e for e in chosen.examples if e.unseen]
        if 0 < len(unseen) < len(chosen.examples):
            half = measure(engine, unseen, axis=chosen.axis)
            say(f"lexicons, unseen half ({len(unseen)}): {render(half)}")
        say(f"old rules: {render(measure(SubstringCounts(chosen.axis), chosen.examples, axis=chosen.axis))}")
    return {"macro_f1": round(reports[0].macro_f1, 4)}


def measure_pairs(path: Path, *, say: Say) -> Figures:
    say(f"\n== same story, {path.name}\n{dedup.render_frontier(dedup.draw_frontier(path))}")
    return {name: round(value, 4) for name, value in dedup.measure_pairs(path).items()}


def measure_gate(*, strangers: int, confusions: int, say: Say) -> Figures:
    """Show how well "about this company" is told, by set, and what was judged otherwise than labelled.

    The labels of headlines/ count a name inside another word (인천대교 names 대교) and sister companies as naming.
    """
    judges = {"gate": relevance.relevance.judge, "name in text": take_substring, "old rules": take_everything}
    gates = {name: relevance.measure_gates(DATA, judge=judge, strangers=strangers) for name, judge in judges.items()}
    say("\n== about the company: precision, recall, share of the others refused")
    say(f"{'':<19}{'pairs':>7}" + "".join(f"{name:>24}" for name in gates))
    for chosen, gate in gates["gate"].items():
        figures = [its[chosen].figures() for its in gates.values()]
        cells = "".join(f"{f['precision']:>10.3f}{f['recall']:>7.3f}{f['refusal']:>7.3f}" for f in figures)
        say(f"{chosen:<19}{figures[0]['pairs']:>7}{cells}")
        for confusion in gate.confusions[:confusions]:
            say(f"    {confusion}")
    return {chosen: gate.figures() for chosen, gate in gates["gate"].items()}


def measure_publishers(*, say: Say) -> Figures:
    found = relevance.measure_publishers(DATA)
    say(f"\n== publishers: {found['hosts_named']:.1%} of {found['hosts']} hosts are named; by the old rules none")
    say(f"links whose publisher is named: {found['links_named']:.1%}; hosts not named: {', '.join(found['unnamed'])}")
    return {name: found[name] for name in ("hosts", "hosts_named", "links_named")}


def measure_given(options: argparse.Namespace, *, say: Say) -> Figures:
    files = {COLUMNS[axis]: getattr(options, COLUMNS[axis]) for axis in AXES}
    figures = {
        COLUMNS[axis]: measure_sets([read_set(files[COLUMNS[axis]], axis=axis)], say=say)
        for axis in AXES
        if files[COLUMNS[axis]]
    }
    return figures | ({"pairs": measure_pairs(options.pairs, say=say)} if options.pairs else {})


def measure_shared(*, quick: bool, say: Say) -> Figures:
    def thin(sets: list[Set]) -> list[Set]:
        return [Set(name=s.name, axis=s.axis, examples=s.examples[:: QUICK if quick else 1]) for s in sets]

    return {
        "esg": measure_sets(thin(esg_sets()), say=say),
        "sentiment": measure_sets(thin(sentiment_sets()), say=say),
        "pairs": measure_pairs(dedup.PAIRS, say=say),
        "gate": measure_gate(strangers=2 if quick else relevance.STRANGERS, confusions=0 if quick else 5, say=say),
        "publishers": measure_publishers(say=say),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("esg", "sentiment", "pairs"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help=f"of the shared texts judge one in {QUICK}")
    parser.add_argument("--json", action="store_true", help="print one JSON object; the tables go to stderr")
    options = parser.parse_args()
    out = sys.stderr if options.json else sys.stdout

    def say(line: str) -> None:
        out.write(line + "\n")

    if options.esg or options.sentiment or options.pairs:
        figures = measure_given(options, say=say)
    elif DATA.is_dir():
        figures = measure_shared(quick=options.quick, say=say)
    else:
        figures = {}
        say("Nothing to measure: give a file, or put the shared data beside the project.")
    if options.json:
        sys.stdout.write(json.dumps(figures, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
