"""Values that cross mlcore's boundary: texts in, judgements out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Axis = Literal["category", "sentiment"]
Method = Literal["model", "keyword"]

AXES: tuple[Axis, Axis] = ("category", "sentiment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A word of the text that speaks for the label."""

    word: str  # as it stands in the text
    start: int  # text[start:end] == word
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueTag:
    """What a text is about, one level below E, S and G."""

    code: str  # "SASB-110" (general issue category 110) or "K-ESG-G-1" (area of the K-ESG guideline)
    name: str  # Korean


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one classifier says of one text."""

    label: str  # a code of mlcore.labels, the one with the highest score
    scores: dict[str, float]  # code -> probability 0..1; they sum to 1
    method: Method
    evidence: tuple[Evidence, ...] = ()  # in order of weight, heaviest first
    issue: IssueTag | None = None  # category axis, E, S and G only, where the lexicons know it

    @property
    def confidence(self) -> float:
        return self.scores[self.label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Both axes of one text."""

    category: Prediction
    sentiment: Prediction

    def is_by(self, revisions: Mapping[Axis, str]) -> bool:
        """Whether what has these revisions judged it: not where keywords stood in for a model over this text alone."""
        by = {axis: method_of(revision) for axis, revision in revisions.items()}
        return (self.category.method, self.sentiment.method) == (by["category"], by["sentiment"])


def method_of(revision: str) -> Method:
    """Return how a revision judges; the lexicons' is "keyword@…", a model's begins with its directory's name."""
    return "keyword" if revision.partition("@")[0] == "keyword" else "model"


class Classifier(Protocol):
    """One axis: a fine-tuned model or the lexicons."""

    revision: str  # changes whenever an answer could; part of every cache key
    method: Method

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify each text, in order."""
        ...
