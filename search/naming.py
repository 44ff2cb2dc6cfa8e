"""Where a text names a company, and where it only seems to: KT in KTX, a sister company, a sports team. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from search import companies
from search.companies import Company

Kind = Literal["own", "affiliate", "sports", "namesake"]

# From this many characters a name stands for itself, whatever is glued before it, and behind it.
_STANDS_BEHIND, _STANDS_BEFORE = 4, 3
_NEAR = 12  # characters either side that tell an ordinary word from a company

_PARTICLE = (
    r"(?:(?:에게|에서|서|에|한테|으로|로|까지|부터|과|와|보다|만|뿐)?(?:은|는|이|가|을|를|의|도|만|과|와|로|으로)?"
    r"|에선|에는|에도|엔|로서|으로서|로부터|으로부터|처럼|같은|조차|마저|이?라는|이?란|이?라며|이?라고|이?나|이?랑|하고|이?며"
    r"|이?고|인|이?다|입니다|이?었다|였던|이던|께서|이?야|여서|인데|인가|일까|이?면|이?자|들[은이의도을]?|측[은이의과도]?)"
    r"(?![가-힣])"
)
_ENDS_IN_PARTICLE = re.compile(_PARTICLE)
_TOPIC = re.compile(r"\s?(?:\([^()]{1,20}\)|㈜)?(?:은|는|이|가|,)(?![가-힣])")
_IN_PASSING = re.compile(r"\s?(?:출신|관련주|등(?:[이은과의에도]|\s|,|$)|외(?:\s|$))")
_SPONSOR = re.compile(r"스폰서|후원|협찬")
_OPINION = re.compile(r"목표주가|목표가|투자의견|전망|유망|추천|톱픽|매수|중립")
_CORPORATE = re.compile(
    r"그룹|지주|노조|새노조|지부|지회|노동자|직원|임직원|임원|회장|부회장|사장|부사장|대표|이사|본사|사옥|공장|사업장"
    r"|주가|주식|주주|지분|계열|자회사|협력사|하청|대리점|지점|매각|인수|합병|상장|출신|노사"
    r"|사측|총수|오너|관계자|맨|표|발 |제 "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """One place where a text names the company, or what looks like it."""

    kind: Kind
    word: str  # as it stands in the text
    is_topic: bool  # "삼성전자는", not in a list, as an origin or as the voice of an opinion
    is_passing: bool


def find_namings(text: str, company: Company, *, context: str) -> Iterator[Naming]:
    """Yield each naming in order. `context` is the whole article: it tells sports and ordinary words apart."""
    if not company.names:
        return
    pattern = _compile_names(company.longer.union(company.names), company.listed_as)
    for found in pattern.finditer(text):
        kind = _kind(found, company, context=context)
        tail = re.match(r"[가-힣A-Za-z&]*", text[found.end() :]) if kind != "own" else None
        is_passing = kind == "own" and _is_passing(found)
        yield Naming(
            kind=kind,
            word=found[0] + (tail[0] if tail else ""),
            is_topic=kind == "own" and not is_passing and bool(_TOPIC.match(text[found.end() :])),
            is_passing=is_passing,
        )


def find_team(text: str, company: Company) -> str:
    """Return the words that name a sports team called like the company or its group, "" for none."""
    for brand, nicknames in company.teams.items():
        if found := re.search(rf"{re.escape(brand)}\s?(?:{nicknames.pattern})", text):
            return found[0]
        if _compile_plain(frozenset({brand})).search(text) and _is_sports(text):
            return brand
    return ""


def find_sister(text: str, company: Company) -> str:
    """Return the name of the company's group, or of another company of it, in a text; "" for none."""
    if not company.group:
        return ""
    signs = company.siblings | {f"{company.group}그룹"}
    if company.group in company.teams:  # a brand, not an ordinary word
        signs |= {company.group}
    found = _compile_plain(signs).search(text)
    return found[0] if found else ""


@lru_cache(maxsize=1024)
def match_word(word: str) -> re.Pattern[str]:
    """Return a pattern that finds a word by itself, a particle behind it or not."""
    return re.compile(rf"(?<![0-9a-z가-힣]){re.escape(word)}(?:{_PARTICLE}|(?![0-9a-z가-힣]))")


def _kind(found: re.Match[str], company: Company, *, context: str) -> Kind:
    """Say what a name found in a text stands for: the company, or another that shares letters with it."""
    name, text = found[0], found.string
    if found.lastgroup != "cut_short" and companies.squeeze(name) not in company.own:
        return "affiliate" if companies.squeeze(name) in company.siblings else "namesake"
    if _is_glued_before(text, found.start(), name):
        return "namesake"
    after = text[found.end() : found.end() + 16]
    glued = _kind_of_tail(name, after, is_ordinary=name in company.ordinary)
    if glued != "own":
        return glued
    if name in company.teams and (company.teams[name].match(after.lstrip()) or _is_sports(context)):
        return "sports"
    if name in company.ordinary and not _is_company(found, company, context=context):
        return "namesake"
    return "own"


def _is_glued_before(text: str, start: int, name: str) -> bool:
    """Whether a name is the end of a longer word: KT in SKT. Long names survive a lost space."""
    before = text[start - 1] if start else " "
    if name[0].isascii():
        return before.isascii() and (before.isalnum() or before == "&")
    return "가" <= before <= "힣" and len(name) < _STANDS_BEHIND and before not in "범옛"


def _kind_of_tail(name: str, after: str, *, is_ordinary: bool) -> Kind:
    """Say what a name with this written right after it stands for."""
    if name[-1].isascii() and re.match(r"[A-Za-z0-9]|&[A-Za-z]", after):
        return "namesake"
    if not re.match(r"[가-힣]", after) or _ENDS_IN_PARTICLE.match(after):
        return "own"
    if _compile_table("other_endings.txt").match(after):
        return "namesake"
    if _compile_table("affiliate_endings.txt").match(after):
        return "affiliate"
    if name[-1].isascii() or _CORPORATE.match(after) or (len(name) >= _STANDS_BEFORE and not is_ordinary):
        return "own"
    return "namesake"


def _is_company(found: re.Match[str], company: Company, *, context: str) -> bool:
    """Whether an ordinary word stands for the company here."""
    ordinary = company.ordinary[found[0]]
    text, after = found.string, found.string[found.end() :]
    around = text[max(0, found.start() - _NEAR) : found.end() + _NEAR]
    if "㈜" in around or "(주)" in around:
        return True
    if ordinary.otherwise and ordinary.otherwise.search(around):
        return False
    if ordinary.hints and ordinary.hints.search(context):
        return True
    leads = not text[: found.start()].strip() and after.startswith((",", "…", "("))
    return leads and bool(_business_words(context))


def _is_passing(found: re.Match[str]) -> bool:
    text, after = found.string, found.string[found.end() :]
    is_voice = found[0].endswith(("증권", "證")) and bool(_OPINION.search(text))
    return is_voice or bool(_IN_PASSING.match(after)) or text.count("·") > 1


def _is_sports(text: str) -> bool:
    """Whether a text is a sports page: at least one word of sports alone, and more of such than of business."""
    found = {word.upper() for word in _sports_pattern().findall(text)}
    points = [_sports_points()[word] for word in found]
    return 2 in points and sum(points) - len(_business_words(text)) > 2 and not _SPONSOR.search(text)


def _business_words(text: str) -> set[str]:
    return set(_compile_plain(companies.words("business_words.txt")).findall(text))


@lru_cache(maxsize=512)
def _compile_names(names: frozenset[str], listed_as: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that finds the longest name; a space may stand between Latin letters and Hangul."""
    spaced = [re.sub(r"(?<=[A-Za-z0-9&])(?=[가-힣])|\\ ", r"\\s?", re.escape(name)) for name in names]
    cut_short = [f"(?P<cut_short>{'|'.join(listed_as)})"] if listed_as else []
    return re.compile("|".join([*sorted(spaced, key=len, reverse=True), *cut_short]))


@lru_cache(maxsize=512)
def _compile_plain(names: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern that finds the longest of names at the beginning of a word."""
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"(?<![0-9A-Za-z가-힣])(?:{'|'.join(longest_first)})(?![0-9A-Za-z])", re.IGNORECASE)


@cache
def _compile_table(table: str) -> re.Pattern[str]:
    return re.compile("|".join(sorted(companies.words(table), key=len, reverse=True)))


@cache
def _sports_points() -> dict[str, int]:
    rows = companies.read_rows("sports_words.tsv")
    return {word.upper(): int(points) for points, words in rows for word in words.split("|")}


@cache
def _sports_pattern() -> re.Pattern[str]:
    return _compile_plain(frozenset(_sports_points()))
