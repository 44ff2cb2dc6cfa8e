"""Routes of the service before 2.0, and the one each gave way to."""

from __future__ import annotations

import re

SUCCESSORS = (
    (r"/(?:api/v1/)?(?:news/)?search/?", "POST /api/v1/search/news"),
    (
        r"/(?:api/v1/)?(?:news/)?(?:search/)?compan(?:y|ies)/(?P<company>[^/]+)/?",
        "POST /api/v1/search/companies/{company}",
    ),
    (
        r"/(?:api/v1/)?(?:news/)?(?:search/)?(?:analy[sz]e/)?compan(?:y|ies)/(?P<company>[^/]+)(?:/analy[sz]e)?/?",
        "POST /api/v1/search/companies/{company}/analyze",
    ),
    (
        r"/(?:api/v1/)?(?:news/)?analy[sz]e/(?P<company>[^/]+)/?",
        "POST /api/v1/search/companies/{company}/analyze",
    ),
    (r"/(?:api/v1/)?(?:news/)?(?:search/)?analy[sz]e/?", "POST /api/v1/search/companies/{company}/analyze"),
    (r"/(?:api/v1/)?(?:news/)?batch(?:/search)?/?", "POST /api/v1/search/batch"),
    (r"/(?:api/v1/)?(?:news/)?trending/?", "GET /api/v1/search/trending"),
    (r"/api/v1/health/?|/api/health/?|/health/", "GET /api/v1/system/health"),
    (r"/(?:api/)?openapi.json", "GET /api/v1/schema"),
    (r"/api/v1/docs/?", "GET /docs"),
)
_PATTERNS = [(re.compile(old), new) for old, new in SUCCESSORS]


def successor(path: str) -> str | None:
    """Return the route that took an old one's place, None where `path` never was one.

    >>> successor("/api/v1/news/company/삼성전자")
    'POST /api/v1/search/companies/삼성전자'
    """
    for old, new in _PATTERNS:
        if match := old.fullmatch(path):
            return new.format_map({"company": "{company}"} | match.groupdict())
    return None
