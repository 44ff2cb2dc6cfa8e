"""Two engines on the same texts: how often they agree, and where one would change what the other says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlcore import registry
from mlcore.keyword import keyword_classifier
from mlcore.optimize import compare_predictions
from mlcore.pair import load_model
from mlcore.types import AXES, Axis, Classifier

KEYWORD = "keyword"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A text that both judge differently."""

    text: str
    first: str  # labels
    second: str
    first_confidence: float
    second_confidence: float

    @property
    def weight(self) -> float:
        """How sure the less sure one is: where both are, one of them is wrong with conviction."""
        return min(self.first_confidence, self.second_confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two engines make of the texts on one axis."""

    axis: Axis
    revisions: tuple[str, str]
    texts: int
    agreement: float  # share of texts that both give the same label, 0..1
    drift_mean: float  # of a label's probability, absolute
    drift_max: float
    counts: dict[tuple[str, str], int]  # (label of the first, of the second) -> texts
    flips: tuple[Flip, ...]  # the most confident first


def compare_engines(first: str, second: str, *, texts: Sequence[str]) -> tuple[Comparison, ...]:
    """Have two pairs under MODELS_DIR, or "keyword" for the lexicons, judge texts, one or more, on both axes.

    Raises ModelInvalid.
    """
    for name in (first, second):
        _check(name)  # before minutes are spent on the other
    return tuple(_compare(axis, first, second, texts) for axis in AXES)


def _check(name: str) -> None:
    if name != KEYWORD:
        for axis in AXES:
            registry.find_model(name, axis=axis)


def _compare(axis: Axis, first: str, second: str, texts: Sequence[str]) -> Comparison:
    revisions, said = [], []
    for name in (first, second):  # one after the other: only one of them is in memory
        engine = _load(name, axis=axis)
        revisions.append(engine.revision)
        said.append(engine.predict(texts))
    one, other = said
    agreement, drift_mean, drift_max = compare_predictions(one, other)
    flips = [
        Flip(
            text=text,
            first=a.label,
            second=b.label,
            first_confidence=a.confidence,
            second_confidence=b.confidence,
        )
        for text, a, b in zip(texts, one, other, strict=True)
        if a.label != b.label
    ]
    return Comparison(
        axis=axis,
        revisions=(revisions[0], revisions[1]),
        texts=len(texts),
        agreement=agreement,
        drift_mean=drift_mean,
        drift_max=drift_max,
        counts=dict(Counter((a.label, b.label) for a, b in zip(one, other, strict=True))),
        flips=tuple(sorted(flips, key=lambda flip: -flip.weight)),
    )


def _load(name: str, *, axis: Axis) -> Classifier:
    return keyword_classifier(axis) if name == KEYWORD else load_model(registry.find_model(name, axis=axis))
