"""Labelled texts made ready to train on: every text once, in three parts with the classes as in the whole."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sklearn.model_selection import train_test_split

from mlcore.labelled import Labelled

MIN_TEXTS = 10  # of a class: one in ten is held out for each of the two smaller parts
PART = 0.1

_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was taken out, so that no text is both learnt from and measured on."""

    duplicates: int  # further copies of a text
    contradictions: int  # all copies of texts that bear more than one label
    empty: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three parts that share no text."""

    train: Labelled
    validation: Labelled  # says when to stop
    test: Labelled  # was neither learnt from nor asked until the end


def remove_duplicates(labelled: Labelled) -> tuple[Labelled, Removed]:
    """Keep each text once, in order; the same words are the same text, whatever stands between them."""
    keys = [_key(text) for text in labelled.texts]
    labels: dict[str, set[str]] = {}
    for key, label in zip(keys, labelled.truth, strict=True):
        labels.setdefault(key, set()).add(label)
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    kept = sorted(place for key, place in first.items() if key and len(labels[key]) == 1)
    contradictions = sum(len(labels[key]) > 1 for key in keys if key)
    empty = keys.count("")
    duplicates = len(keys) - len(kept) - contradictions - empty
    return _pick(labelled, kept), Removed(duplicates=duplicates, contradictions=contradictions, empty=empty)


def split(labelled: Labelled, *, needed: Iterable[str], seed: int) -> Split:
    """Split eight to one to one. Raises ValueError where a needed class is missing, or one has too few texts."""
    counts = Counter(labelled.truth)
    if len(counts) < 2:
        raise ValueError(f"all its texts are of one class, {', '.join(counts) or 'and there is none'}")
    if missing := [label for label in needed if label not in counts]:
        raise ValueError(f"no text is labelled {', '.join(missing)}")
    if few := [f"{label} {count}" for label, count in counts.items() if count < MIN_TEXTS]:
        raise ValueError(f"too few different texts of a class: {', '.join(few)}; it takes {MIN_TEXTS}")
    everything = range(len(labelled.texts))
    rest, test = _divide(everything, labelled.truth, part=PART, seed=seed)
    train, validation = _divide(rest, labelled.truth, part=PART / (1 - PART), seed=seed)
    return Split(train=_pick(labelled, train), validation=_pick(labelled, validation), test=_pick(labelled, test))


def _divide(places: Sequence[int], truth: Sequence[str], *, part: float, seed: int) -> tuple[list[int], list[int]]:
    labels = [truth[place] for place in places]
    rest, taken = train_test_split(list(places), test_size=part, random_state=seed, stratify=labels)
    return sorted(rest), sorted(taken)


def _pick(labelled: Labelled, places: Iterable[int]) -> Labelled:
    chosen = list(places)
    return Labelled(
        texts=tuple(labelled.texts[place] for place in chosen), truth=tuple(labelled.truth[place] for place in chosen)
    )


def _key(text: str) -> str:
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
