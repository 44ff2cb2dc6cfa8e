"""The sentiment axis: good and bad words, composed: a loss that shrinks is good, a hope that fails is bad."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from mlcore.lexicon import Hit, Vocabulary, load, words
from mlcore.weighing import Clue, fade, strengths

Sign = Literal["positive", "neutral", "negative"]

_REACH = {"motion": 8, "denial": 3, "modifier": 2}  # meaning-bearing morphemes from a word to what it joins
_LOOK_AHEAD = 2  # known words after it that are asked
_MOVED = 2.4  # weight of a quantity with its motion: "매출 증가"
_PROMISED = 1.4  # weight of harm that somebody means to end: "피해 예방"
_YIELDED = 0.4  # what is left of a clause that gives way to the next: "호실적에도 주가 하락"
_BREAK = re.compile(r"[…?!;\"“”]|[.,](?!\d)")  # no pair reaches across
_DEMAND = re.compile(r"^(?:해야|하라|해 ?달라|하자| ?촉구| ?요구)")  # "철회하라": nothing has ended yet
_CAUSE = re.compile(r"^(?:에|으로|로)(?![가-힣])")  # "우려에 하락": what brings it about is not what falls
_YIELDING = re.compile(r"^\S{0,4}(?:에도|지만|으나|는데|불구|에 비해|대비)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a word can do in a sentence; it may do several things."""

    sign: Sign | None = None
    weight: float = 0.0
    quantity: Literal["gain", "burden"] | None = None
    motion: Literal["up", "down"] | None = None
    denial: Literal["end", "promise", "not", "fail"] | None = None

    @property
    def is_harm(self) -> bool:
        return self.sign == "negative" or self.quantity == "burden"


def find_clues(text: str) -> list[Clue]:
    """Return what speaks for positive, neutral or negative, in order."""
    vocabulary, roles = _lexicon()
    hits = vocabulary.find(text)
    clues: list[Clue] = []
    at = 0
    while at < len(hits):
        clue, used = _read(text, hits[at : at + 1 + _LOOK_AHEAD], roles)
        if clue is not None:
            clues.append(replace(clue, weight=clue.weight * fade(clue.start) * _stress(text, clue.end)))
        at += used
    return clues


def _read(text: str, hits: list[Hit], roles: dict[str, Role]) -> tuple[Clue | None, int]:
    """Read the first word, with a later one where they say something together; return how many were read."""
    first, role = hits[0], roles[hits[0].word]
    is_cause = role.is_harm and bool(_CAUSE.match(text[first.end : first.end + 3]))
    for used, follower in enumerate(hits[1:], start=2):
        if _BREAK.search(text, first.end, follower.start) or _DEMAND.match(text[follower.end : follower.end + 8]):
            break
        if is_cause and roles[follower.word].denial != "promise":
            continue
        sign, weight = _compose(role, roles[follower.word], distance=follower.first - first.last)
        if sign and not (role.motion and _read(text, hits[used - 1 :], roles)[1] > 1):  # the nearer verb decides
            return Clue(label=sign, weight=weight, start=first.start, end=follower.end), used
    if role.sign is None:
        return None, 1
    return Clue(label=role.sign, weight=role.weight, start=first.start, end=first.end), 1


def _compose(role: Role, follower: Role, *, distance: int) -> tuple[Sign | None, float]:
    """Return the sign and weight of two words together; no sign where they say nothing as a pair."""
    if role.quantity and follower.motion and distance <= _REACH["motion"]:
        return _move(role.quantity, follower.motion), max(role.weight, _MOVED)
    if role.motion and follower.quantity and distance <= _REACH["modifier"]:  # "치솟는 물가"
        return _move(follower.quantity, role.motion), _MOVED
    if role.motion or role.sign in (None, "neutral") or distance > _REACH["denial"]:
        return None, 0.0
    if role.sign == "positive":
        spoiled = follower.denial in ("not", "fail") or follower.motion == "down"
        return ("negative", role.weight) if spoiled else (None, 0.0)
    if follower.denial == "promise":
        return "positive", _PROMISED
    relieved = follower.denial in ("not", "end") or follower.motion == "down"
    return ("positive", role.weight) if relieved else (None, 0.0)


def _move(quantity: str, motion: str) -> Sign:
    return "positive" if (quantity == "gain") == (motion == "up") else "negative"


def _stress(text: str, end: int) -> float:
    return _YIELDED if _YIELDING.match(text[end : end + 8]) else 1.0


@cache
def _lexicon() -> tuple[Vocabulary, dict[str, Role]]:
    lexicon = load("sentiment")
    roles: dict[str, Role] = {}

    def add(listing: str, **changes: object) -> None:
        for word in words(listing):
            key = word.upper()
            roles[key] = replace(roles.get(key, Role()), **changes)  # type: ignore[arg-type]

    for sign in ("neutral", "positive", "negative"):
        for strength, weight in strengths().items():
            add(lexicon[sign][strength], sign=sign, weight=weight)
    for field in ("quantity", "motion", "denial"):
        for value, listing in lexicon[field].items():
            add(listing, **{field: value})
    return Vocabulary(roles), roles
