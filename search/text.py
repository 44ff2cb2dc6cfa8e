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
ALIAS_LEAST = 2
MARKUP_LIMIT = 20_000  # longer than any title or summary; bounds what a hostile feed can cost
ESCAPES = 4  # how many times over a publisher may have escaped a text

# Only what HTML knows as an element is markup, all small or all capital: "<삼성전자>", "5 < 10" and "<Meta>" are text.
_ELEMENTS = (
    "a abbr article aside audio b big blockquote body br button caption center cite code col colgroup dd del div dl "
    "dt em figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label "
    "li link main mark meta nav nobr noscript o:p object ol option p picture pre q s script section select small "
    "source span strike strong style sub sup svg table tbody td tfoot th thead title tr tt u ul var video wbr"
).replace(" ", "|")
_ATTRIBUTES = (
    r"(?i:(?:\s+|(?<=[\"']))(?:[a-z][\w:-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)|"
    r"allowfullscreen|async|autoplay|checked|controls|defer|disabled|hidden|loop|muted|nowrap|selected))*"
)
_TAG = re.compile(
    rf"<\\?/?(?:{_ELEMENTS}|{_ELEMENTS.upper()}){_ATTRIBUTES}\s*/?>|<!--(?:(?!<!--).){{0,500}}?-->", re.DOTALL
)
_BLOCK = re.compile(rf"<\\?/?(?:br|div|h[1-6]|li|p|td|tr){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_UNSHOWN = re.compile(rf"<(script|style){_ATTRIBUTES}\s*>(?:(?!<\1\b).)*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd]")
_BROKEN = re.compile(r"[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")  # controls but blanks; half characters

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

    Tags go first, then entities, so that an escaped "<" stays text; over again for what was escaped over again.

    >>> strip_markup("<b>삼성전자</b>, 매출 5 &lt; 10 &amp;quot;부진&amp;quot;<br>")
    '삼성전자, 매출 5 < 10 "부진"'
    >>> strip_markup("<삼성전자> <S Oil> <P&G 실적> R&D\\t강화 <\\\\/b>")
    '<삼성전자> <S Oil> <P&G 실적> R&D 강화'
    """
    text = markup[:MARKUP_LIMIT]
    for _ in range(1 + ESCAPES):
        if (peeled := _peel(text)) == text:
            break
        text = peeled
    return " ".join(text.split())


def _peel(text: str) -> str:
    """Return a text without its outermost layer of markup."""
    text = _TAG.sub("", _BLOCK.sub(" ", _UNSHOWN.sub(" ", text)))
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _BROKEN.sub("", text)))


def normalize_name(name: str, *, field: str, limit: int) -> str:
    """Return a name as it is compared and kept: trimmed, blanks collapsed, NFKC, nothing invisible.

    NFKC is NFC (decomposed Korean is composed) and makes full-width letters plain: "ＬＧ전자" is "LG전자".

    Raises InvalidName: empty, longer than `limit` characters, or holding a control character.

    >>> normalize_name("  ＬＧ전자 ", field="company", limit=50)
    'LG전자'
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", name.strip()))
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


def normalize_alias(name: str) -> str:
    """Return what else a company goes by; one letter or syllable is refused, since it stands in every text."""
    alias = normalize_name(name, field="aliases", limit=COMPANY_LIMIT)
    if len(alias.replace('"', "").strip()) < ALIAS_LEAST:
        raise InvalidName(field="aliases", least=ALIAS_LEAST, limit=COMPANY_LIMIT)
    return alias


def normalize_query(text: str) -> str:
    return normalize_name(text, field="query", limit=QUERY_LIMIT)


def web_url(url: str) -> str:
    """Return a link as given if it is one a browser may follow (http, https), else an empty string."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0 and bool(url.encode())
    except ValueError:  # a broken host or port, half a character
        return ""
    return url if is_whole and parts.scheme in {"http", "https"} else ""


def canonical_url(url: str) -> str:
    """Return the form of a link that identifies an article: no scheme, "www.", fragment or trackers.

    >>> canonical_url("http://www.press.example/view?b=2&a=1&utm_source=x#top")
    'press.example/view?a=1&b=2'
    """
    cleaned = url_query_cleaner(url, _TRACKERS, remove=True, unique=False)
    canonical = canonicalize_url(cleaned)
    return canonical.partition("://")[2].removeprefix("www.").removesuffix("/")
