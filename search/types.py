"""Values that cross search's boundaries. Dicts stop at the providers and at the presenters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlcore.types import Axis, Judgement

Sort = Literal["sim", "date"]
Verdict = Literal["subject", "mentioned", "affiliate", "namesake", "sports", "unrelated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One news item as a provider reported it, cleaned of markup."""

    url: str  # identity: the publisher's own link
    link: str  # where the provider serves it (a portal's page), else the same as url
    title: str
    summary: str
    publisher: str  # name; the host where no name is known
    published_at: datetime | None  # timezone-aware, UTC; None where the provider's date cannot be read

    @property
    def text(self) -> str:
        """What a classifier reads."""
        return f"{self.title} {self.summary}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one call to a provider brought."""

    articles: tuple[Article, ...]
    total: int  # the provider's own estimate of all matches
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCompany:
    """A company as whoever keeps companies calls it."""

    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """Everything that decides which stories are found, but for how many are shown."""

    text: str  # normalised: a company's name, or words
    is_company: bool
    sort: Sort = "sim"
    start: int = 1  # 1-based position of the first article in the provider's list
    remove_duplicates: bool = True
    similarity_threshold: float = 0.75  # 0..1
    aliases: tuple[str, ...] = ()  # of the company, beside those the tables know

    @property
    def upstream(self) -> tuple[str, ...]:
        """The queries as a provider gets them: each name of a company is one quoted phrase."""
        if not self.is_company:
            return (self.text,)
        return tuple('"{}"'.format(name.replace('"', "")) for name in (self.text, *self.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """How an article stands to what was asked, and the words that show it."""

    score: float  # 0..1 in hundredths, search.relevance
    verdict: Verdict | None = None  # None where words were searched
    evidence: str = ""  # as it stands in the article; "" for unrelated, and where words were searched

    @property
    def is_about(self) -> bool:
        """Whether the article is about the company, or names it at least."""
        return self.verdict in ("subject", "mentioned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Articles that tell the same story, shown by the most informative of them."""

    article: Article
    mention_count: int  # articles in the group, at least 1
    relevance: Relevance  # of the article shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What was found for a query, best first; original_count = sum of all mention_counts."""

    query: SearchQuery
    provider: str
    searched_at: datetime  # when the provider was asked, UTC
    total_found: int
    original_count: int  # articles fetched, before grouping
    duplicates_removed: int
    stories: tuple[Story, ...]
    is_exhausted: bool  # the provider has nothing more to give


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStory:
    """A story, what the engine says of it, and its telling nouns."""

    story: Story
    judgement: Judgement
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """An analysis in a few numbers. Distributions hold every label of the vocabulary, zeros included."""

    total: int  # stories counted; the rest is of them alone
    left_out: int  # judged, but not about the company
    categories: dict[str, int]  # code -> stories
    sentiments: dict[str, int]
    top_keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The judged stories of one company, in the order of the search."""

    company: str
    analysis_id: int | None  # of the stored history; None where it could not be stored
    analyzed_at: datetime  # UTC
    models: dict[Axis, str]  # revision that answered, by axis
    found: SearchResult  # all stories found, judged or not
    judged: tuple[JudgedStory, ...]  # the first of them
    summary: Summary  # of the judged ones
    refused: int = 0  # stories among these that a model gave no numbers for, and keywords may not judge

    @property
    def is_whole(self) -> bool:
        """Whether the models judged every story: else another look may say more."""
        return not self.refused and all(one.judgement.is_by(self.models) for one in self.judged)
