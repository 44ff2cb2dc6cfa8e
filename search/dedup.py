"""Articles that tell the same story, grouped without comparing all with all. Pure.

1. Articles with one address, or with one text, are one.
2. Texts that share rare runs of characters are candidates; none gets more than a few.
3. search.likeness weighs the evidence for each candidate pair, whatever else is in the batch.
4. Pairs join from the surest down, and two groups only if their spokesmen match on average: one ambiguous
   article does not chain two stories.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.likeness import MAX_SUMMARY, MAX_TITLE, Fingerprint, take_fingerprint, weigh_evidence
from search.text import canonical_url
from search.types import Article

STEEPNESS = 3  # score = evidence ** (1 / STEEPNESS): 0 and 1 stay, an evidence of 0.42 is the default 0.75
SPOKESMEN = 5  # members that speak for a group when two groups meet

GRAM = 3  # characters of a title that make two articles meet
LONG_GRAM = 8  # characters of a summary ...
SAMPLED = 16  # ... of which one in so many counts, the same ones in every copy
CROWD = 24  # a run that more articles share brings together neighbours in the alphabet only ...
NEIGHBOURS = 6  # ... so many
CANDIDATES = 10  # an article's best, by the rarity of what it shares
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits well spread: 2**64 / golden ratio

Ints = NDArray[np.int64]
Spokesmen = tuple[int, ...]


def group_stories(articles: Sequence[Article], *, threshold: float = 0.75) -> list[tuple[int, ...]]:
    """Group articles by the story they tell.

    Returns a partition of the positions of `articles`: ascending in a group, groups by their first member.

    `threshold`, 0..1, is the least score at which articles join: at 1 only practically identical texts, at 0
    all that shares anything may; at 0.75 precision and recall trade best (docs/decisions/0003-same-story.md).
    Articles with the same canonical URL are one at any threshold.
    """
    fingerprints = [take_fingerprint(article) for article in articles]
    groups = _Groups(fingerprints, enough=threshold**STEEPNESS)
    leaders = _join_identical(articles, groups)
    matches = []
    for i, j in _find_candidates([fingerprints[leader] for leader in leaders]):
        evidence = weigh_evidence(fingerprints[leaders[i]], fingerprints[leaders[j]], enough=groups.enough)
        if evidence > 0 and evidence >= groups.enough:
            matches.append((-evidence, leaders[i], leaders[j]))
    for _, first, second in sorted(matches):
        groups.join_if_alike(first, second)
    return groups.partition()


def representative(articles: Sequence[Article], group: tuple[int, ...]) -> int:
    """The position of the group's most informative article.

    The longest text wins, counted no further than it is compared; being cut off by the provider costs a
    tenth, a publisher known by name (not by its host) adds one. Ties: the earliest published, then the first.
    """
    return min(group, key=lambda position: (*_rank(articles[position]), position))


def _rank(article: Article) -> tuple[float, float]:
    useful = float(min(len(article.title), MAX_TITLE) + min(len(article.summary), MAX_SUMMARY))
    if article.title.endswith(("...", "…")) or article.summary.endswith(("...", "…")):
        useful *= 0.9
    if article.publisher and article.publisher not in article.url:
        useful *= 1.1
    return -useful, article.published_at.timestamp() if article.published_at else float("inf")


class _Groups:
    """A partition that grows by joining."""

    def __init__(self, fingerprints: Sequence[Fingerprint], *, enough: float) -> None:
        self.fingerprints = fingerprints
        self.enough = enough  # evidence, 0..1
        self.owner = list(range(len(fingerprints)))
        self.members = [[position] for position in self.owner]
        self.spokesmen: list[Spokesmen] = [(position,) for position in self.owner]
        self.refused: set[tuple[Spokesmen, Spokesmen]] = set()

    def join_if_alike(self, first: int, second: int) -> None:
        """Join the groups of two articles if their spokesmen match on average."""
        ours, theirs = (self.spokesmen[self.owner[position]] for position in (first, second))
        if ours is theirs or (ours, theirs) in self.refused:
            return
        evidence = [weigh_evidence(self.fingerprints[i], self.fingerprints[j]) for i in ours for j in theirs]
        if sum(evidence) >= self.enough * len(evidence) and min(evidence) >= self.enough / 2:
            self.join(first, second)
            self.spokesmen[self.owner[first]] = (ours + theirs)[:SPOKESMEN]
        else:
            self.refused.add((ours, theirs))

    def join(self, first: int, second: int) -> None:
        keeper, other = self.owner[first], self.owner[second]
        if keeper == other:
            return
        if len(self.members[keeper]) < len(self.members[other]):
            keeper, other = other, keeper
        for member in self.members[other]:
            self.owner[member] = keeper
        self.members[keeper] += self.members[other]
        self.members[other] = []

    def partition(self) -> list[tuple[int, ...]]:
        return sorted(tuple(sorted(members)) for members in self.members if members)


def _join_identical(articles: Sequence[Article], groups: _Groups) -> list[int]:
    """Join articles with one address or one text; return one position of each text, in the titles' order.

    An article without a word is like no other.
    """
    first_at: dict[str, int] = {}
    first_with: dict[tuple[str, str], int] = {}
    for position, (article, fingerprint) in enumerate(zip(articles, groups.fingerprints, strict=True)):
        if address := canonical_url(article.url):
            groups.join(first_at.setdefault(address, position), position)
        if fingerprint.title or fingerprint.copy:
            groups.join(first_with.setdefault((fingerprint.title, fingerprint.copy), position), position)
    return [first_with[text] for text in sorted(first_with)]


def _find_candidates(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs worth weighing, first < second: an article's CANDIDATES best, and those that chose it."""
    count = len(fingerprints)
    grams, owners = _hash_runs([each.title for each in fingerprints], length=GRAM)
    copied, copiers = _hash_runs([each.copy for each in fingerprints], length=LONG_GRAM)
    sample = (copied >> np.uint64(40)) % np.uint64(SAMPLED) == 0
    pairs, rarity = _meet(np.append(grams, copied[sample]), np.append(owners, copiers[sample]), count=count)
    pairs, where = np.unique(pairs, return_inverse=True)
    first, second = np.divmod(pairs, max(count, 1))
    shared = np.bincount(where, weights=rarity, minlength=len(pairs)).astype(np.float64)
    chosen = _choose_best(first, second, shared)
    return list(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))


def _hash_runs(texts: Sequence[str], *, length: int) -> tuple[NDArray[np.uint64], Ints]:
    """Hash every run of `length` characters of every text: hashes (n,), positions of their texts (n,)."""
    codes = np.frombuffer("".join([text + "\0" for text in texts]).encode("utf-32-le"), dtype=np.uint32)
    owners = np.repeat(np.arange(len(texts)), [len(text) + 1 for text in texts])
    size = max(len(codes) - length, 0)  # the last run would end in the last text's end mark
    hashes = np.zeros(size, dtype=np.uint64)
    for offset in range(length):
        hashes = (hashes + codes[offset : offset + size]) * HASH_FACTOR
    whole = owners[:size] == owners[length : length + size]
    return hashes[whole], owners[:size][whole]


def _meet(grams: NDArray[np.uint64], owners: Ints, *, count: int) -> tuple[Ints, NDArray[np.float64]]:
    """Pair the articles that share a run: pairs (n,) as first * count + second, the run's rarity (n,)."""
    order = np.lexsort((owners, grams))
    grams, owners = grams[order], owners[order]
    _, sizes = np.unique(grams, return_counts=True)
    rarity = np.repeat(np.log1p(count / sizes), sizes)
    reach = np.repeat(np.where(sizes <= CROWD, CROWD, NEIGHBOURS), sizes)
    pairs, weights = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for step in range(1, min(CROWD, len(grams))):
        met = (grams[:-step] == grams[step:]) & (owners[:-step] != owners[step:]) & (reach[:-step] >= step)
        pairs.append(owners[:-step][met] * count + owners[step:][met])
        weights.append(rarity[:-step][met])
    return np.concatenate(pairs), np.concatenate(weights)


def _choose_best(first: Ints, second: Ints, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pairs are among the CANDIDATES heaviest of either article (n,)."""
    both, twice = np.append(first, second), np.append(weights, weights)
    order = np.lexsort((-twice, both))
    _, starts, sizes = np.unique(both[order], return_index=True, return_counts=True)
    places = np.empty(len(both), dtype=np.int64)
    places[order] = np.arange(len(both)) - np.repeat(starts, sizes)
    among_first, among_second = (places < CANDIDATES).reshape(2, -1)
    return among_first | among_second
