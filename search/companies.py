"""What a company goes by in the press, and what it is confused with. Tables in data/, no network.

Names come from data/aliases.tsv, from newspapers' way of shortening endings (data/alias_endings.tsv: 중공업
is 重), from reading Latin letters aloud (LG is 엘지) and from dropping a bank's Latin brand (KEB하나은행).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

DATA = Path(__file__).with_name("data")

_LEGAL_FORM = re.compile(r"㈜|\((?:주|유|재|사)\)|주식회사|유한회사")
_LATIN_BRAND = re.compile(r"^(?:KEB|KB|NH|IBK|DGB|BNK|SC|SH|HDC|HD|GC)(?=[가-힣]{4})")
_LATIN_HEAD = re.compile(r"^[A-Z]{2,4}(?=[가-힣]{2}|$)")
_PUBLIC_BODY = re.compile(r"^한국(?=[가-힣]{2,}(?:공사|공단)$)")
_SPOKEN = {
    "A": "에이", "B": "비", "C": "씨", "D": "디", "E": "이", "F": "에프", "G": "지", "H": "에이치", "I": "아이",
    "J": "제이", "K": "케이", "L": "엘", "M": "엠", "N": "엔", "O": "오", "P": "피", "Q": "큐", "R": "알", "S": "에스",
    "T": "티", "U": "유", "V": "브이", "W": "더블유", "X": "엑스", "Y": "와이", "Z": "제트",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinary:
    """How to tell a company from the ordinary word it is named like."""

    otherwise: re.Pattern[str] | None  # around the word: it is not the company
    hints: re.Pattern[str] | None  # anywhere in the text: it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A company as the tables know it; one they do not know has its own name only."""

    names: tuple[str, ...]  # the first is the one asked for
    own: frozenset[str]  # the same, squeezed
    listed_as: tuple[str, ...]  # patterns of a name cut short in a list: the 하나 of "하나·대구銀"
    group: str  # the name of its group, "" for none
    siblings: frozenset[str]  # other companies and bodies of the group, squeezed
    longer: frozenset[str]  # names of others that contain one of its names
    teams: dict[str, re.Pattern[str]]  # a name shared with sports teams -> their nicknames
    ordinary: dict[str, Ordinary]  # names that are ordinary words too


@lru_cache(maxsize=512)
def find(name: str, aliases: tuple[str, ...] = ()) -> Company:
    """Return what the tables know of a company by any of its names. Spaces and legal forms do not matter.

    `aliases`: further names, as if they stood in its line of aliases.tsv.
    """
    names = tuple(dict.fromkeys(known for one in (name, *aliases) for known in names_of(one)))
    own = frozenset(squeeze(known) for known in names)
    group = next((group for member in names if (group := _group_of().get(squeeze(member)))), "")
    others = {known for known in _known_names() if squeeze(known) not in own}
    brands = {*names, group} - {""}
    return Company(
        names=names,
        own=own,
        listed_as=_shorten_in_lists(names),
        group=group,
        siblings=_members(group) - own,
        longer=frozenset(known for known in others if any(alias in known for alias in names)),
        teams={brand: _teams()[brand] for brand in brands if brand in _teams()},
        ordinary={alias: _ordinary()[alias] for alias in names if alias in _ordinary()},
    )


def squeeze(name: str) -> str:
    """Return a name in the form by which names are compared."""
    return name.replace(" ", "").casefold()


def read_rows(table: str) -> list[list[str]]:
    """Return the columns of each line of a table in data/; "#" begins a comment."""
    lines = (DATA / table).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


@cache
def words(table: str) -> frozenset[str]:
    """Return the words of a table in data/ that has them side by side, "|" or a space between."""
    return frozenset(word for columns in read_rows(table) for word in re.split(r"[| ]", columns[0]) if word)


@lru_cache(maxsize=2048)
def names_of(name: str) -> tuple[str, ...]:
    """Return the name asked for, its aliases, and what newspapers make of them; no other company's name."""
    wanted = " ".join(_LEGAL_FORM.sub(" ", unicodedata.normalize("NFC", name)).split()) or name.strip()
    spelled = list(dict.fromkeys([wanted, *_aliases().get(squeeze(wanted), ())])) if wanted else []
    for variant in [variant for alias in spelled for variant in _variants(alias)]:
        if len(variant) > 1 and variant not in spelled and variant not in _listed():
            spelled.append(variant)
    return tuple(spelled)


def _variants(name: str) -> list[str]:
    found = [pattern.sub("", name) for pattern in (_LATIN_BRAND, _PUBLIC_BODY) if pattern.search(name)]
    found = [short for short in found if short not in words("affiliate_endings.txt")]  # KB자산운용
    if head := _LATIN_HEAD.match(name):
        found.append("".join(_SPOKEN[letter] for letter in head[0]) + name[head.end() :])
    for ending, shorter in _endings():
        if name.endswith(ending) and len(name) - len(ending) > 1:
            found += [name.removesuffix(ending) + short for short in shorter]
    return found


def _shorten_in_lists(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return patterns of names whose last part comes only at the end of a list of companies."""
    return tuple(
        rf"{re.escape(name.removesuffix(ending))}(?=(?:[·‧ㆍ∙]\s?[가-힣A-Z]{{1,6}}){{1,6}}?(?:{written})(?![가-힣]{{3}}))"
        for ending, written in read_rows("shared_endings.tsv")
        for name in names
        if name.endswith(ending) and len(name) - len(ending) > 1
    )


@cache
def _endings() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((ending, tuple(short.split("|"))) for ending, short in read_rows("alias_endings.tsv"))


@cache
def _aliases() -> dict[str, tuple[str, ...]]:
    rows = [tuple(columns[0].split("|")) for columns in read_rows("aliases.tsv")]
    return {squeeze(name): row for row in rows for name in row}


@cache
def _listed() -> frozenset[str]:
    return frozenset(columns[0] for columns in read_rows("listed.txt"))


@cache
def _group_of() -> dict[str, str]:
    """Return squeezed name -> group; a member brings its aliases along."""
    groups: dict[str, str] = {}
    for group, members in read_rows("groups.tsv"):
        for member in members.split("|"):
            for name in (member, *_aliases().get(squeeze(member), ())):
                groups.setdefault(squeeze(name), group)
    return groups


@cache
def _members(group: str) -> frozenset[str]:
    return frozenset(name for name, its in _group_of().items() if group and its == group)


@cache
def _known_names() -> frozenset[str]:
    members = {name for columns in read_rows("groups.tsv") for name in columns[1].split("|")}
    return _listed() | members | {name for row in _aliases().values() for name in row}


@cache
def _teams() -> dict[str, re.Pattern[str]]:
    nicknames: defaultdict[str, list[str]] = defaultdict(list)
    for brand, names, _sports in read_rows("teams.tsv"):
        nicknames[brand] += names.split("|")
    anyones = nicknames.pop("*")
    return {brand: re.compile("|".join(map(re.escape, names + anyones))) for brand, names in nicknames.items()}


@cache
def _ordinary() -> dict[str, Ordinary]:
    return {
        name: Ordinary(
            otherwise=re.compile(otherwise) if otherwise else None, hints=re.compile(hints) if hints else None
        )
        for name, otherwise, hints in read_rows("ordinary.tsv")
    }
