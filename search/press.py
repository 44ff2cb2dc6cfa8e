"""Name the newspaper behind an article's links.

The tables are data/press_hosts.tsv (host, name) and data/naver_offices.tsv (Naver's office id, name);
data/README.md says where the facts are from.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

DATA = Path(__file__).with_name("data")

# Where Naver writes the office id: n.news.naver.com/article/001/0012345678 or ?oid=001&aid=…
_OFFICE_ID = re.compile(r"/article/(?:comment/)?(\d{3})/\d|[?&](?:oid|office_id)=(\d{3})(?!\d)")


def publisher(url: str, *, link: str = "") -> str:
    """Return the newspaper's name for the publisher's own `url`, or for Naver's page of the article at `link`.

    First the host of `url` (the most specific entry wins: sports.chosun.com before chosun.com), then the
    office id of a Naver page in either, then the host itself without "www."; "" where there is no host.
    """
    host = _host(url) or _host(link)
    return _name_of_host(host) or _name_of_office(url) or _name_of_office(link) or host.removeprefix("www.")


def names() -> frozenset[str]:
    """Return the names of all newspapers known, for leaving them out of keywords."""
    return frozenset(_hosts().values()) | frozenset(_offices().values())


def _host(url: str) -> str:
    """Return the host in lower case, "" for what is not a link."""
    try:
        parts = urlsplit(url.strip() if "//" in url else f"//{url.strip()}")
        return (parts.hostname or "").rstrip(".")
    except ValueError:  # such as "http://[broken"
        return ""


@lru_cache(maxsize=4096)
def _name_of_host(host: str) -> str:
    labels = host.split(".")
    parents = (".".join(labels[i:]) for i in range(len(labels) - 1))
    return next((_hosts()[parent] for parent in parents if parent in _hosts()), "")


def _name_of_office(url: str) -> str:
    if not f".{_host(url)}".endswith(".naver.com"):
        return ""
    found = _OFFICE_ID.search(url)
    return _offices().get(found[1] or found[2], "") if found else ""


@lru_cache(maxsize=1)
def _hosts() -> dict[str, str]:
    return _read_table("press_hosts.tsv")


@lru_cache(maxsize=1)
def _offices() -> dict[str, str]:
    return _read_table("naver_offices.tsv")


def _read_table(name: str) -> dict[str, str]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)
