"""The telling nouns of one article, and of many."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from mlcore import morphology
from search import companies, press

MOST = 12  # keywords kept of one article

# What a newspaper puts around its text: "[단독]", "홍길동 기자", an address.
_FRAME = re.compile(
    r"[\[【][^\]】]{1,20}[\]】]|[가-힣]{2,4}\s?(?:선임|수습|인턴)?기자(?![가-힣])|\S+@\S+|https?://\S+"
)
_ACCEPTED = re.compile(
    r"[가-힣]{2,12}|(?=.*[A-Z])[A-Za-z][A-Za-z0-9&+-]{1,14}|[A-Za-z0-9&+-]*[가-힣][가-힣A-Za-z0-9&+-]{1,14}"
)
_PLURAL = re.compile(r"(?<=[가-힣]{2})들$")


def extract(text: str, *, leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """Return at most MOST nouns and compound nouns of one article, most telling first.

    Left out: stop words, newspapers' names and bylines, and every name in `leave_out`, its aliases, and what is
    glued to them ("현대차" leaves out "현대자동차노조"). Weight = how often x 1/(1 + order/10) x the length's
    share (a compound says more than its parts), halved for the words of every business article.
    """
    unwanted = {companies.squeeze(alias) for name in leave_out for alias in companies.names_of(name)}
    nouns = (_PLURAL.sub("", noun) for noun in morphology.nouns(_FRAME.sub(" ", text)))
    words = [word for word in nouns if _is_telling(word, unwanted)]
    order = {word: place for place, word in reversed(list(enumerate(words)))}
    weights = {word: many * _weigh(word) / (1 + order[word] / 10) for word, many in Counter(words).items()}
    ranked = sorted(weights, key=lambda word: (-weights[word], order[word]))
    return tuple(_without_parts(ranked)[:MOST])


def rank(articles_keywords: Sequence[Sequence[str]], *, limit: int = 10) -> tuple[str, ...]:
    """Return the keywords that tell most about all articles together, most telling first.

    Measure: (1 + ln articles that have it) x its mean place weight 1/(1 + place/10) x length share, as in
    `extract`; one article's word counts only where fewer than `limit` are shared. Ties: the first seen.
    A keyword inside a better one ("반도체" in "반도체공장") stays only where it has half as many articles more.
    """
    places: dict[str, list[int]] = {}
    for keywords in articles_keywords:
        for place, word in enumerate(dict.fromkeys(keywords)):
            places.setdefault(word, []).append(place)
    scores = {word: _score(word, its) for word, its in places.items()}
    ranked = sorted(scores, key=lambda word: (len(places[word]) < 2, -scores[word]))
    kept: list[str] = []
    for word in ranked:
        bigger = [other for other in kept if word in other or other in word]
        if all(len(places[word]) > 1.5 * len(places[other]) for other in bigger):
            kept.append(word)
    return tuple(kept[: max(limit, 0)])


def _score(word: str, places: list[int]) -> float:
    near = sum(1 / (1 + place / 10) for place in places) / len(places)
    return (1 + math.log(len(places))) * near * _weigh(word)


def _weigh(word: str) -> float:
    return (0.5 if word in companies.words("plain_words.txt") else 1.0) * min(1.0, 0.6 + 0.1 * len(word))


def _is_telling(word: str, unwanted: set[str]) -> bool:
    key = companies.squeeze(word)
    if not _ACCEPTED.fullmatch(word) or word in companies.words("stop_words.txt") or word in press.names():
        return False
    return not any(key.startswith(name) or (len(name) > 2 and name in key) for name in unwanted)


def _without_parts(ranked: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for word in ranked:
        if not any(word in other for other in kept):
            kept.append(word)
    return kept
