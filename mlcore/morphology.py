"""Korean text cut into morphemes with their positions: kiwipiepy, word by word, remembered.

A press text repeats its words far more than its sentences. A word (a run of Hangul) is analysed once, by
itself, and remembered, which is three times as fast as analysing whole texts and costs a little of what the
neighbours would tell about an ambiguous word.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

logger = logging.getLogger(__name__)

_RUN = re.compile(
    r"(?P<hangul>[가-힣]+)|(?P<SL>[A-Za-z]+(?:&[A-Za-z]+)*)|(?P<SN>\d+(?:[.,]\d+)*)|(?P<SH>[一-龥]+)|(?P<SW>[^\w\s])"
)
_PARTICLE = re.compile(r"(?<=..)(?:으로|에서|에게|까지|부터|보다|은|는|이|가|을|를|의|에|도|로|와|과)$")
_NOUN_TAGS = frozenset({"NNG", "NNP", "XR", "XPN", "XSN", "SL", "SH"})
_HEAD_TAGS = _NOUN_TAGS - {"XPN", "XSN"}  # an affix alone is no word
_NOUNS = Path(__file__).with_name("lexicons") / "nouns.txt"  # of the press, unknown to the analyser
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Morpheme:
    """The smallest piece with a meaning, as a dictionary has it."""

    form: str  # dictionary form: "커졌다" begins with "커지"
    tag: str  # Sejong tag: NNG, NNP, VV, JKS, SL (Latin), SN (number), SH (hanja), SW (any mark) ...
    start: int  # text[start:end] is where it stands; contracted neighbours overlap
    end: int


@lru_cache(maxsize=1024)
def morphemes(text: str) -> tuple[Morpheme, ...]:
    """Return the morphemes of a text in order; marks are kept, white space is not."""
    found: list[Morpheme] = []
    for run in _RUN.finditer(text):
        start, word = run.start(), run.group()
        if run.lastgroup == "hangul":
            found.extend(
                Morpheme(form=form, tag=tag, start=start + begin, end=start + end)
                for form, tag, begin, end in _analyse_word(word, _kind_before(text, start))
            )
        else:
            found.append(Morpheme(form=word, tag=run.lastgroup or "SW", start=start, end=run.end()))
    return tuple(found)


def nouns(text: str) -> list[str]:
    """Return the nouns and compound nouns as they stand in the text, in order, repeats included.

    Nouns written together are one compound ("영업이익"); what clings to a number is its unit and left out.
    """
    found: list[str] = []
    for group in _noun_groups(morphemes(text)):
        start, end = group[0].start, group[-1].end
        counts = start > 0 and text[start - 1].isdigit() and group[0].tag != "SL"
        if not counts and any(part.tag in _HEAD_TAGS for part in group):
            found.append(text[start:end])
    return found


def _noun_groups(pieces: Sequence[Morpheme]) -> Iterator[list[Morpheme]]:
    """Yield runs of noun morphemes that are written together."""
    group: list[Morpheme] = []
    for piece in pieces:
        if group and (piece.tag not in _NOUN_TAGS or piece.start != group[-1].end):
            yield group
            group = []
        if piece.tag in _NOUN_TAGS:
            group.append(piece)
    if group:
        yield group


def _kind_before(text: str, start: int) -> str:
    """Return what a Hangul run clings to: "1" for a number (조, 원, 분기 are units then), "A" for Latin letters."""
    before = text[start - 1] if start else " "
    if before.isdigit():
        return "1"
    return "A" if before.isascii() and before.isalpha() else ""


@lru_cache(maxsize=20_000)
def _analyse_word(word: str, before: str) -> tuple[tuple[str, str, int, int], ...]:
    """Return (form, tag, start, end) of each morpheme of one Hangul run, positions within the run."""
    kiwi = _load_kiwi()
    if kiwi is None:
        return _split_plainly(word)
    with _lock:
        tokens = kiwi.tokenize(before + word)
    shift = len(before)
    return tuple((t.form, t.tag, t.start - shift, t.end - shift) for t in tokens if t.start >= shift)


def _split_plainly(word: str) -> tuple[tuple[str, str, int, int], ...]:
    """Take a run for a noun, but for the particle it ends in."""
    stem = _PARTICLE.sub("", word)
    noun = (stem, "NNG", 0, len(stem))
    return (noun, (word[len(stem) :], "JX", len(stem), len(word))) if stem != word else (noun,)


def _load_kiwi() -> Kiwi | None:
    with _lock:
        return _kiwi()


@cache
def _kiwi() -> Kiwi | None:
    """Load the analyser: 1-5 s and 320 MB, once a process. None, said once, where it is not installed."""
    try:
        from kiwipiepy import Kiwi
    except ImportError:
        logger.warning("kiwipiepy is not installed: words are split plainly, keywords and labels suffer")
        return None
    kiwi = Kiwi(num_workers=1, load_typo_dict=False, load_multi_dict=False)
    for noun in _NOUNS.read_text(encoding="utf-8").split():
        kiwi.add_user_word(noun, "NNG")
    return kiwi
