"""The engine without a model: lexicons of Korean words, weighed into probabilities, with the words as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version

from mlcore import issues, polarity
from mlcore.calibration import scores_from
from mlcore.labels import LABELS
from mlcore.lexicon import FOLDER
from mlcore.types import Axis, Evidence, IssueTag, Method, Prediction
from mlcore.weighing import Clue

RULES_VERSION = "1"  # raise it when the code weighs differently
MAX_EVIDENCE = 8  # words named for a label


class KeywordClassifier:
    """Classifies one axis by its lexicons."""

    method: Method = "keyword"

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.revision = f"keyword@{_hash_lexicons()}"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify each text, in order; one without any known word is none, or neutral."""
        return [self._predict(text) for text in texts]

    def _predict(self, text: str) -> Prediction:
        clues = _find_clues(text, self.axis)
        scores = scores_from(clues, axis=self.axis, chars=len(text))
        label = max(LABELS[self.axis], key=scores.__getitem__)
        return Prediction(
            label=label,
            scores=scores,
            method=self.method,
            evidence=_evidence(text, clues, label),
            issue=_heaviest_issue(clues, label),
        )


@cache
def keyword_classifier(axis: Axis) -> KeywordClassifier:
    """Return the classifier of an axis."""
    return KeywordClassifier(axis)


def explain(text: str, *, axis: Axis, label: str) -> tuple[tuple[Evidence, ...], IssueTag | None]:
    """Return what speaks for a label that somebody else gave: words, heaviest first, and their issue."""
    clues = _find_clues(text, axis)
    return _evidence(text, clues, label), _heaviest_issue(clues, label)


def _find_clues(text: str, axis: Axis) -> list[Clue]:
    return issues.find_clues(text) if axis == "category" else polarity.find_clues(text)


def _evidence(text: str, clues: list[Clue], label: str) -> tuple[Evidence, ...]:
    speaking = sorted((c for c in clues if c.label == label), key=lambda c: (-c.weight, c.start))
    return tuple(
        Evidence(word=text[clue.start : clue.end], start=clue.start, end=clue.end) for clue in speaking[:MAX_EVIDENCE]
    )


def _heaviest_issue(clues: list[Clue], label: str) -> IssueTag | None:
    weights: dict[IssueTag, float] = {}
    for clue in clues:
        if clue.label == label and clue.issue:
            weights[clue.issue] = weights.get(clue.issue, 0.0) + clue.weight
    return max(weights, key=weights.__getitem__) if weights else None


@cache
def _hash_lexicons() -> str:
    digest = sha256(f"{RULES_VERSION} {_analyser_version()}".encode())
    for path in sorted(FOLDER.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _analyser_version() -> str:
    try:
        return version("kiwipiepy")
    except PackageNotFoundError:
        return "plain"
