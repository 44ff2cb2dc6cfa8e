"""What a found word is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mlcore.lexicon import load
from mlcore.types import IssueTag

HEADLINE_CHARS = 45  # about where a headline ends; what follows is background and counts for less
BACKGROUND_CHARS = 160  # distance after which a word is worth half


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """A word or phrase of the text that speaks for a label, and how loudly."""

    label: str
    weight: float  # above 0
    start: int  # text[start:end]
    end: int
    issue: IssueTag | None = None


def fade(start: int) -> float:
    """Return what a word at this position is worth, 0..1: news comes first."""
    return 1.0 / (1.0 + max(0, start - HEADLINE_CHARS) / BACKGROUND_CHARS)


@cache
def strengths() -> dict[str, float]:
    """Return what "strong", "plain" and "weak" weigh."""
    return dict(load("calibration")["weights"])
