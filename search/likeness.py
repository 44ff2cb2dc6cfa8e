"""How surely two articles tell the same story, judged by the two alone: no corpus, no model. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from search import titles
from search.titles import Figure
from search.types import Article

MAX_TITLE = 160  # characters read of a title, and of a summary: a provider's are shorter
MAX_SUMMARY = 320
RUN = 6  # characters: where two texts share a run this long, one was copied
MIN_RUNS = 20  # a summary with fewer runs is too short to tell copying from chance

LIGHT = 0.3  # what a bigram of a stock phrase or of a company's name weighs; any other: 1
COPIED_WEIGHT = 0.9  # a summary copied whole is nearly proof ...
COPIED_TITLES = 0.3  # ... between titles at least this alike: boilerplate closes unlike stories too
FIGURE_WEIGHT = 0.2  # the same 1,462억 in both

# What remains of the evidence where look-alikes differ in what matters.
OTHER_COMPANY = 0.4
OTHER_FIGURES = 0.6
OTHER_PLACES = 0.6
COLUMN = 0.7
A_DAY_LATER = 0.92  # for each day apart after the first
MUCH_LATER = 0.5

_TIMES = frozenset({"", "년", "월", "일", "분기", "시", "주차"})  # too common to be telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What an article is compared by."""

    title: str  # normalised, without blanks
    copy: str  # the summary likewise
    bigrams: frozenset[str]  # of the title's characters
    telling: frozenset[str]  # those of neither stock phrases nor names
    weight: float  # of all of them
    runs: frozenset[str]  # character RUN-grams of the summary
    subject: str
    companies: frozenset[str]  # in the title
    places: frozenset[str]
    title_figures: frozenset[Figure]
    figures: frozenset[Figure]  # of title and summary
    is_column: bool
    day: float | None  # published, in days since 1970


def take_fingerprint(article: Article) -> Fingerprint:
    """Reduce an article to what tells its story apart."""
    raw = article.title[:MAX_TITLE]
    words, body = titles.normalise_title(raw), titles.normalise(article.summary[:MAX_SUMMARY])
    title, copy = words.replace(" ", ""), body.replace(" ", "")
    bigrams = _split(title)
    subject, companies = titles.find_subject(raw), titles.find_companies(words)
    telling = bigrams - titles.STOCK - _split(subject, *companies)
    title_figures = titles.find_figures(words)
    return Fingerprint(
        title=title,
        copy=copy,
        bigrams=bigrams,
        telling=telling,
        weight=LIGHT * len(bigrams) + (1 - LIGHT) * len(telling),
        runs=frozenset([copy[i : i + RUN] for i in range(len(copy) - RUN + 1)]),
        subject=subject,
        companies=companies,
        places=titles.find_places(words),
        title_figures=title_figures,
        figures=title_figures | titles.find_figures(body),
        is_column=titles.is_column(raw),
        day=article.published_at.timestamp() / 86400 if article.published_at else None,
    )


def _split(*words: str) -> frozenset[str]:
    return frozenset([word[i : i + 2] for word in words for i in range(len(word) - 1)])


def weigh_evidence(a: Fingerprint, b: Fingerprint, *, enough: float = 0.0) -> float:
    """How much speaks for one story, 0 (nothing shared) .. 1 (the same text); symmetric.

    Agreement of the titles and copied summaries add up like independent evidence, a shared figure
    adds a little, and every sign of a look-alike takes a share away. Where the titles alone rule out
    that it is `enough`, the answer is 0 at once.
    """
    if a.title == b.title and a.copy == b.copy:
        return 1.0
    alike = compare_titles(a, b)
    if _add_up(alike, 1.0) < enough:
        return 0.0
    copied = compare_summaries(a, b)
    evidence = _add_up(alike, copied)
    if evidence + FIGURE_WEIGHT * (1 - evidence) < enough:
        return 0.0
    trust = _trust_likeness(a, b, copied)
    if trust == 1 and _share_figure(a, b):
        evidence += FIGURE_WEIGHT * (1 - evidence)
    return evidence * trust


def _add_up(alike: float, copied: float) -> float:
    return 1 - (1 - alike) * (1 - COPIED_WEIGHT * copied * min(1.0, alike / COPIED_TITLES))


def compare_titles(a: Fingerprint, b: Fingerprint) -> float:
    """Weighted Dice coefficient of the titles' bigrams, 0..1."""
    total = a.weight + b.weight
    shared = LIGHT * len(a.bigrams & b.bigrams) + (1 - LIGHT) * len(a.telling & b.telling)
    return 2 * shared / total if total else 0.0


def compare_summaries(a: Fingerprint, b: Fingerprint) -> float:
    """Share of the shorter summary that is in the other, 0..1: both are cuts of one text or are not."""
    shorter = min(len(a.runs), len(b.runs))
    return len(a.runs & b.runs) / shorter if shorter >= MIN_RUNS else 0.0


def _trust_likeness(a: Fingerprint, b: Fingerprint, copied: float) -> float:
    """The share of the evidence that stands, 0..1. Where all is copied, a different name is only an alias."""
    trust = 1.0
    if _name_other_companies(a, b):
        trust *= OTHER_COMPANY
    if _name_others(a, b, a.places, b.places):
        trust *= OTHER_PLACES
    if _differ_in_figures(a, b):
        trust *= OTHER_FIGURES
    if (a.is_column or b.is_column) and not _share_figure(a, b):
        trust *= COLUMN
    trust += (1 - trust) * copied
    if _are_sisters(a.subject, b.subject):
        trust *= OTHER_COMPANY
    if a.day is not None and b.day is not None and abs(a.day - b.day) > 1:
        trust *= max(MUCH_LATER, A_DAY_LATER ** (abs(a.day - b.day) - 1))
    return trust


def _name_other_companies(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether the headlines open with others, or name others that end in 은행, 전자, 제약 …"""
    opened = [frozenset(filter(None, [each.subject])) for each in (a, b)]
    return _name_others(a, b, *opened) or _name_others(a, b, a.companies, b.companies)


def _name_others(a: Fingerprint, b: Fingerprint, names: frozenset[str], others: frozenset[str]) -> bool:
    """Whether both have names, and no name of one is anywhere in the other."""
    if not names or not others:
        return False
    return not (any(_mentions(b, name) for name in names) or any(_mentions(a, name) for name in others))


def _mentions(article: Fingerprint, name: str) -> bool:
    return name in article.title or name in article.copy


def _are_sisters(name: str, other: str) -> bool:
    """Whether the names are alike but for what a group calls its members: 한빛 and 한빛홀딩스."""
    short, long = sorted((name, other), key=len)
    return (
        len(short) > 1 and short != long and long.startswith(short) and long[len(short) :].startswith(titles.SISTERS)
    )


def _differ_in_figures(a: Fingerprint, b: Fingerprint) -> bool:
    """Whether both titles count the same thing, and no such number of one is anywhere in the other."""
    units = {figure[0] for figure in a.title_figures} & {figure[0] for figure in b.title_figures}
    return any(
        not _agree_on(unit, a.title_figures, b.figures) and not _agree_on(unit, b.title_figures, a.figures)
        for unit in units
        if unit
    )


def _agree_on(unit: str, figures: frozenset[Figure], others: frozenset[Figure]) -> bool:
    return any(_agree(figure, other) for figure in figures if figure[0] == unit for other in others)


def _share_figure(a: Fingerprint, b: Fingerprint) -> bool:
    return any(_agree(x, y) for x in a.title_figures if _is_telling(x) for y in b.figures) or any(
        _agree(x, y) for x in b.title_figures if _is_telling(x) for y in a.figures
    )


def _is_telling(figure: Figure) -> bool:
    """Three significant digits or more (four without a unit): not met twice by chance."""
    unit, number, _ = figure
    digits = len(f"{number:g}".replace(".", "").strip("0"))
    return digits >= 4 if not unit else digits >= 3 and unit not in _TIMES


def _agree(figure: Figure, other: Figure) -> bool:
    """Equal but for rounding: 585% is 584.8%, 17% is 17.1%."""
    gap = abs(figure[1] - other[1])
    if figure[0] != other[0]:
        return False
    if gap <= 0.002 * max(figure[1], other[1]):
        return True
    return figure[2] != other[2] and gap < 10.0 ** -min(figure[2], other[2])
