"""Is an article about the company asked for, and how much? Tables and regular expressions; no analyser.

A company's score is 1 - product of (1 - weight) over the places that name it: the title (0.9; 0.7 in
passing), the first sentence of the summary (0.6 as its topic, else 0.5) and the rest (0.35). Another place,
or a better one, never lowers it. What only looks like the company has a fixed score: a sister company or
body 0.25, a sports team 0.1, a namesake 0.05.

A query of words scores the mean over its terms (a quoted phrase is one) of the best place of each: title 1,
first sentence 0.6, rest 0.4; inside another word 0.8 of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from search import companies, naming
from search.companies import Company
from search.naming import Naming
from search.types import Article, Relevance, SearchQuery, Verdict

Place = Literal["title", "first", "rest"]

_LOOKALIKES: dict[Verdict, float] = {"affiliate": 0.25, "sports": 0.1, "namesake": 0.05}
_WORD_PLACES: dict[Place, float] = {"title": 1.0, "first": 0.6, "rest": 0.4}
_INSIDE = 0.8  # a term found inside another word

_SENTENCE_END = re.compile(r"(?<=[다요음함됨])\.|[.!?](?=\s)")
_TERM = re.compile(r'"([^"]+)"|([^\s"]+)')


def rate(article: Article, query: SearchQuery) -> Relevance:
    """Say how much an article is about what was asked; of a company also how."""
    if query.is_company:
        return judge(article, company=query.text, aliases=query.aliases)
    terms = [phrase or word for phrase, word in _TERM.findall(query.text)]
    wanted = [term.casefold() for term in terms if not term.startswith("-")]
    places = {place: text.casefold() for place, text in _places(article)}
    return Relevance(score=round(sum(_score_term(term, places) for term in wanted) / max(1, len(wanted)), 2))


def judge(article: Article, *, company: str, aliases: tuple[str, ...] = ()) -> Relevance:
    """Say whether an article is about a company, mentions it, or only looks so.

    `aliases`: what else it goes by, beside what the tables know.
    """
    known = companies.find(company, aliases)
    namings = [
        (place, found)
        for place, text in _places(article)
        for found in naming.find_namings(text, known, context=article.text)
    ]
    own = [(place, found) for place, found in namings if found.kind == "own"]
    return _judge_named(own) if own else _judge_unnamed([found for _, found in namings], known, article)


def _judge_named(own: list[tuple[Place, Naming]]) -> Relevance:
    weights: dict[Place, float] = {}
    for place, found in own:
        weights[place] = max(weights.get(place, 0.0), _weigh(place, found))
    missed = 1.0
    for weight in weights.values():
        missed *= 1 - weight
    is_subject = any(not found.is_passing if place == "title" else found.is_topic for place, found in own)
    return Relevance(
        score=round(1 - missed, 2), verdict="subject" if is_subject else "mentioned", evidence=own[0][1].word
    )


def _weigh(place: Place, found: Naming) -> float:
    if place == "title":
        return 0.7 if found.is_passing else 0.9
    if place == "first":
        return 0.6 if found.is_topic else 0.5
    return 0.35


def _judge_unnamed(namings: list[Naming], company: Company, article: Article) -> Relevance:
    """Tell what was found instead: a team, then a sister, then a namesake."""
    words: dict[str, str] = {}
    for found in namings:
        words.setdefault(found.kind, found.word)
    evidence: dict[Verdict, str] = {
        "sports": words.get("sports") or naming.find_team(article.text, company),
        "affiliate": words.get("affiliate", ""),
        "namesake": words.get("namesake", ""),
    }
    if not any(evidence.values()):
        evidence["affiliate"] = naming.find_sister(article.text, company)
    for verdict, word in evidence.items():
        if word:
            return Relevance(score=_LOOKALIKES[verdict], verdict=verdict, evidence=word)
    return Relevance(score=0.0, verdict="unrelated", evidence="")


def _places(article: Article) -> Iterator[tuple[Place, str]]:
    """Yield the title, the first sentence of the summary and the rest."""
    end = _SENTENCE_END.search(article.summary)
    cut = end.end() if end else len(article.summary)
    yield "title", article.title
    yield "first", article.summary[:cut]
    yield "rest", article.summary[cut:]


def _score_term(term: str, places: dict[Place, str]) -> float:
    whole = naming.match_word(term)
    return max(
        weight * (1.0 if whole.search(places[place]) else _INSIDE if term in places[place] else 0.0)
        for place, weight in _WORD_PLACES.items()
    )
