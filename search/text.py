"""Text as it comes from outside: markup, Unicode forms, names, links. Pure."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url, url_query_cleaner

from search.errors import InvalidName

COMPANY_LIMIT = 50  # characters
QUERY_LIMIT = 100
MARKUP_LIMIT = 20_000  # longer than any title or summary; bounds what a hostile feed can cost

# Only what HTML knows as an element is markup: "<삼성전자>" and "매출 5 < 10" are text.
_ELEMENTS = (
    "a abbr article aside b big blockquote br button caption center cite code dd div dl dt em figcaption figure "
    "font footer form h1 h2 h3 h4 h5 h6 header hr i iframe img input ins label li link mark meta nav ol p picture "
    "pre q s script section small source span strike strong style sub sup svg table tbody td th thead tr tt u ul "
    "video"
).replace(" ", "|")
_ATTRIBUTES = (
    r"(?:\s+(?:[a-z][\w:-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)|async|controls|defer|disabled|hidden|nowrap))*"
)
_TAG = re.compile(rf"<\\?/?(?:{_ELEMENTS}){_ATTRIBUTES}\s*/?>|<!--.{{0,500}}?-->", re.IGNORECASE | re.DOTALL)
_BLOCK = re.compile(rf"<\\?/?(?:br|div|h[1-6]|li|p|td|tr){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_UNSHOWN = re.compile(rf"<(script|style){_ATTRIBUTES}\s*>.{{0,10000}}?</\1\s*>", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd]")

_TRACKERS = (
    "fbclid",
    "gclid",
    "igshid",
    "utm_campaign",
    "utm_content",
    "utm_id",
    "utm_medium",
    "utm_source",
    "utm_term",
)


def strip_markup(markup: str) -> str:
    """Return the text a reader would see: no tag, no entity, blanks collapsed, NFC.

    Tags go first, then entities, so that an escaped "<" stays text. Twice: some publishers escape twice.

    >>> strip_markup("<b>삼성전자</b>, 매출 5 &lt; 10 &amp;quot;부진&amp;quot;<br>")
    '삼성전자, 매출 5 < 10 "부진"'
    >>> strip_markup("<삼성전자> <S Oil> <P&G 실적> R&D\\t강화 <\\\\/b>")
    '<삼성전자> <S Oil> <P&G 실적> R&D 강화'
    """
    text = markup[:MARKUP_LIMIT]
    for _ in range(2):
        text = _TAG.sub("", _BLOCK.sub(" ", _UNSHOWN.sub(" ", text)))
        text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    text = _TAG.sub("", text)
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def normalize_name(name: str, *, field: str, limit: int) -> str:
    """Return a name as it is compared and kept: trimmed, blanks collapsed, NFKC, nothing invisible.

    NFKC is NFC (decomposed Korean is composed) and makes full-width letters plain: "ＬＧ전자" is "LG전자".

    Raises InvalidName: empty, longer than `limit` characters, or holding a control character.

    >>> normalize_name("  ＬＧ전자 ", field="company", limit=50)
    'LG전자'
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name.strip()))
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise InvalidName(field=field, limit=limit)
    text = " ".join(text.split())
    if not 1 <= len(text) <= limit:
        raise InvalidName(field=field, limit=limit)
    return text


def normalize_company(name: str) -> str:
    """Return a company's name as it is compared and kept; a name of nothing but quotes is refused."""
    company = normalize_name(name, field="company", limit=COMPANY_LIMIT)
    if not company.replace('"', "").strip():
        raise InvalidName(field="company", limit=COMPANY_LIMIT)
    return company


def normalize_query(text: str) -> str:
    return normalize_name(text, field="query", limit=QUERY_LIMIT)


def web_url(url: str) -> str:
    """Return a link as given if it is one a browser may follow (http, https), else an empty string."""
    url = url.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""


def canonical_url(url: str) -> str:
    """Return the form of a link that identifies an article: no scheme, "www.", fragment or trackers.

    >>> canonical_url("http://www.press.example/view?b=2&a=1&utm_source=x#top")
    'press.example/view?a=1&b=2'
    """
    cleaned = url_query_cleaner(url, _TRACKERS, remove=True, unique=False)
    canonical = canonicalize_url(cleaned)
    return canonical.partition("://")[2].removeprefix("www.").removesuffix("/")
