"""The one label vocabulary: codes inside, Korean words at the edge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mlcore.types import Axis

# Always present in scores and distributions. A category model may add classes of its own, such as FIN.
LABELS: dict[Axis, tuple[str, ...]] = {
    "category": ("E", "S", "G", "none"),
    "sentiment": ("positive", "neutral", "negative"),
}

KOREAN = {"none": "기타", "positive": "긍정", "neutral": "중립", "negative": "부정"}

# What models call our codes, folded by _fold: case, blanks, hyphens and underscores do not matter.
_SPELLINGS: dict[Axis, dict[str, str]] = {
    "category": {
        "E": "e env environment environmental 환경",
        "S": "s soc social society 사회",
        "G": "g gov governance 지배구조 거버넌스",
        "none": "none other others etc misc irrelevant nonesg notesg n/a 기타 없음 해당없음 무관 비해당",
    },
    "sentiment": {
        "positive": "positive pos 긍정 긍정적 호재",
        "neutral": "neutral neu 중립 중립적",
        "negative": "negative neg 부정 부정적 악재",
    },
}
_CODES: dict[Axis, dict[str, str]] = {
    axis: {spelling: code for code, words in spellings.items() for spelling in words.split()}
    for axis, spellings in _SPELLINGS.items()
}
# What a model calls a class when nobody named it.
_NAMELESS = re.compile(r"(label)?\d*")


def korean(code: str) -> str:
    """Return the word shown for a code: "none" -> "기타"; a code without a word stands for itself."""
    return KOREAN.get(code, code)


def map_labels(names: Sequence[str], *, axis: Axis) -> tuple[str, ...]:
    """Return our code for each name of a model's classes, in the model's order.

    Sentiment is exactly the three codes. A category model has E, S and G; further classes keep their names.
    Raises ValueError saying which name does not do, and why.
    """
    codes = tuple(_map_label(name, axis=axis) for name in names)
    said = ", ".join(names) or "no label"
    if doubles := sorted({code for code in codes if codes.count(code) > 1}):
        raise ValueError(f"two of its labels ({said}) mean {doubles[0]}")
    required = LABELS[axis] if axis == "sentiment" else ("E", "S", "G")
    if missing := [code for code in required if code not in codes]:
        raise ValueError(f"none of its labels ({said}) means {missing[0]}")
    return codes


def _map_label(name: str, *, axis: Axis) -> str:
    folded = _fold(name)
    if code := _CODES[axis].get(folded):
        return code
    if _NAMELESS.fullmatch(folded):
        setting = f"MODEL_LABELS_{axis.upper()}"
        raise ValueError(f"label {name!r} does not say what it means; name them by index in {setting}")
    if axis == "sentiment":
        raise ValueError(f"label {name!r} is none of {', '.join(LABELS[axis])}")
    return unicodedata.normalize("NFC", name.strip())


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())
