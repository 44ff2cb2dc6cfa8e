"""A query as providers without a search engine of their own read it."""

from __future__ import annotations

import re

from search.types import Article

_TERM = re.compile(r'"([^"]+)"|(\S+)')


def terms(query: str) -> list[str]:
    """Return what must all be named: quoted phrases whole, other words one by one.

    >>> terms('"LG 전자" 실적')
    ['LG 전자', '실적']
    """
    return [(phrase or word).strip() for phrase, word in _TERM.findall(query)]


def matches(article: Article, query: str) -> bool:
    text = article.text.casefold()
    return all(term.casefold() in text for term in terms(query))
