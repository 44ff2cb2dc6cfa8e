"""What every news provider offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from search.types import Page, Sort


class Provider(Protocol):
    """A source of news. One instance serves all threads of a process."""

    name: str  # said in every answer and part of every cache key

    def pages(self, query: str, *, sort: Sort, start: int) -> Iterator[Page]:
        """Yield pages of articles from the 1-based position `start`, one call to the source each, lazily.

        A double-quoted part of the query is one phrase. Ends at the source's last page or at its window's
        end. Raises ProviderError or one of its kinds.
        """
        ...
