"""Words and phrases of a lexicon, found in a text along the borders of its morphemes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcore.morphology import Morpheme, morphemes

FOLDER = Path(__file__).with_name("lexicons")

_MAX_MORPHEMES = 7  # in one word: 산업안전보건법 has four
_MAX_GAP = 4  # meaning-bearing morphemes between the words of a phrase
_BOUND_TAGS = ("J", "E", "X", "SW", "SN", "NNB")  # no word begins with these, and they open no gap
_NO_START = ("J", "E", "XS")
_NO_PART = ("J", "E")  # a word is written without particles and endings
_STOPS = frozenset(".?!…;")  # no phrase reaches across


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A word or phrase of a lexicon, standing in a text."""

    word: str  # as the lexicon has it
    start: int  # text[start:end], of a phrase from its first word to its last
    end: int
    first: int  # place of its first morpheme among those that bear meaning
    last: int


def load(name: str) -> dict[str, Any]:
    """Return one lexicon file; a broken file raises tomllib.TOMLDecodeError."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def words(listing: str) -> list[str]:
    """Return the words of a comma-separated listing, which may run over lines."""
    return [word for part in listing.split(",") if (word := " ".join(part.split()))]


class Vocabulary:
    """Finds words by their morphemes and phrases ("적자 축소") by their words within reach of each other."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._singles: set[str] = set()
        self._words: set[str] = set()
        self._phrases: dict[str, list[tuple[str, ...]]] = {}
        for entry in entries:
            first, *rest = parts = entry.upper().split()
            self._words.update(parts)
            if rest:
                self._phrases.setdefault(first, []).append(tuple(rest))
            else:
                self._singles.add(entry.upper())
        for tails in self._phrases.values():
            tails.sort(key=len, reverse=True)
        self._prefixes = {word[:length] for word in self._words for length in range(1, len(word) + 1)}

    def find(self, text: str) -> list[Hit]:
        """Return what stands in the text, in order: the longest word at a place, phrases before their parts."""
        parts, barriers = self._find_words(morphemes(text))
        found: list[Hit] = []
        taken: set[int] = set()
        for at, hit in enumerate(parts):
            if at in taken:
                continue
            phrase = self._follow(parts, at, barriers)
            taken.update(phrase)
            if phrase:
                found.append(_join([parts[i] for i in (at, *phrase)]))
            elif hit.word in self._singles:
                found.append(hit)
        return found

    def _find_words(self, pieces: tuple[Morpheme, ...]) -> tuple[list[Hit], list[int]]:
        """Return the words, leftmost longest, and after which places a sentence stops."""
        found: list[Hit] = []
        barriers: list[int] = []
        place = until = 0
        for at, piece in enumerate(pieces):
            if piece.form in _STOPS:
                barriers.append(place)
            place += not piece.tag.startswith(_BOUND_TAGS)
            if at < until or piece.tag.startswith(_NO_START):
                continue
            length, word = self._longest(pieces, at)
            if length:
                until = at + length
                end = pieces[until - 1].end
                found.append(Hit(word=word, start=piece.start, end=end, first=place, last=place + length - 1))
        return found, barriers

    def _longest(self, pieces: tuple[Morpheme, ...], at: int) -> tuple[int, str]:
        """Return how many morphemes from here make the longest known word, and the word; 0 where none does."""
        joined, length, longest = "", 0, ""
        for count, piece in enumerate(pieces[at : at + _MAX_MORPHEMES], start=1):
            if piece.tag.startswith(_NO_PART) or (joined and _is_apart(pieces[at + count - 2], piece)):
                break
            joined += piece.form.upper()
            if joined not in self._prefixes:
                break
            word = joined + "다" if piece.tag[0] == "V" else joined
            if word in self._words and (count > 1 or piece.tag != "XPN"):
                length, longest = count, word
        return length, longest

    def _follow(self, parts: list[Hit], at: int, barriers: list[int]) -> tuple[int, ...]:
        """Return which later words complete a phrase begun by this one; empty where none does."""
        for tail in self._phrases.get(parts[at].word, ()):
            path: list[int] = []
            for word in tail:
                here = path[-1] if path else at
                there = _next(parts, here, word, barriers)
                if there is None:
                    break
                path.append(there)
            else:
                return tuple(path)
        return ()


def _is_apart(before: Morpheme, piece: Morpheme) -> bool:
    """Whether white space parts two pieces of which one is a single syllable: "공시 후 원하는" holds no 후원."""
    return piece.start > before.end and min(len(before.form), len(piece.form)) < 2


def _next(parts: list[Hit], here: int, word: str, barriers: list[int]) -> int | None:
    """Return the index of the word within reach after `here`, in the same sentence."""
    reach = parts[here].last + _MAX_GAP
    for there in range(here + 1, len(parts)):
        if parts[there].first > reach:
            return None
        if parts[there].word == word:
            crossed = any(parts[here].last <= stop < parts[there].first for stop in barriers)
            return None if crossed else there
    return None


def _join(parts: list[Hit]) -> Hit:
    first, last = parts[0], parts[-1]
    return Hit(
        word=" ".join(part.word for part in parts),
        start=first.start,
        end=last.end,
        first=first.first,
        last=last.last,
    )
