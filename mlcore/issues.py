"""The category axis: words of E, S, G and of business as usual, each under an issue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mlcore.lexicon import Vocabulary, load, words
from mlcore.types import IssueTag
from mlcore.weighing import Clue, fade, strengths

FILES = ("environment", "social", "governance", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one word of the lexicons says."""

    label: str
    weight: float
    issue: IssueTag | None  # business as usual has none


def find_clues(text: str) -> list[Clue]:
    """Return what speaks for E, S, G or none, in order; a repeated word counts once."""
    vocabulary, meanings = _lexicon()
    clues: list[Clue] = []
    seen: set[str] = set()
    for hit in vocabulary.find(text):
        if hit.word in seen:
            continue
        seen.add(hit.word)
        clues.extend(
            Clue(
                label=meaning.label,
                weight=meaning.weight * fade(hit.start),
                start=hit.start,
                end=hit.end,
                issue=meaning.issue,
            )
            for meaning in meanings[hit.word].values()
        )
    return clues


@cache
def _lexicon() -> tuple[Vocabulary, dict[str, dict[str, Meaning]]]:
    """Return the words to look for and what each says: one meaning a label, under its heaviest issue."""
    meanings: dict[str, dict[str, Meaning]] = {}
    for name in FILES:
        lexicon = load(name)
        label = lexicon["label"]
        for issue in lexicon["issue"]:
            tag = None if label == "none" else IssueTag(code=issue["code"], name=issue["name"])
            for strength, weight in strengths().items():
                for word in words(issue.get(strength, "")):
                    said = meanings.setdefault(word.upper(), {})
                    if label not in said or said[label].weight < weight:
                        said[label] = Meaning(label=label, weight=weight, issue=tag)
    return Vocabulary(meanings), meanings
