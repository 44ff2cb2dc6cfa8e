"""What the cache holds, for those who look after it; and how to be rid of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from search import predictions, store
from search.cache import Head, Kept, subject_prefix
from search.types import Analysis

KINDS = ("search", "analysis", "news")  # of a company; of words
COMPANY_KINDS = ("search", "analysis")
PORTION = 500  # answers read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept answer."""

    key: str
    kind: str
    subject: str
    stored_at: float  # seconds since the epoch
    fresh_until: float
    size_bytes: int  # as stored, compressed
    hits: int


def entries(kinds: Iterable[str] = KINDS) -> list[Entry]:
    """Return all kept answers, newest first. Reads each: grows with what is kept."""
    keys = store.keys(*(f"{kind}:" for kind in kinds))
    found: list[Entry] = []
    for start in range(0, len(keys), PORTION):
        portion = keys[start : start + PORTION]
        hits = store.counters([hits_key(key) for key in portion])
        for key, data in store.raw(portion).items():
            if head := _head(data):
                found.append(_entry(key, head, size=len(data), hits=hits.get(hits_key(key), 0)))
    return sorted(found, key=lambda entry: -entry.stored_at)


def content(key: str) -> bytes | None:
    """Return a kept answer as the JSON it is; None where it is gone, unreadable, or none of ours."""
    if key.partition(":")[0] not in KINDS or not (data := store.raw([key]).get(key)):
        return None
    try:
        return zstandard.decompress(data)
    except zstandard.ZstdError:
        return None


def forget_entries(keys: Sequence[str]) -> int:
    """Delete kept answers, with their counts and errors; return how many answers there were."""
    ours = [key for key in keys if key.partition(":")[0] in KINDS]
    store.forget_many([name for key in ours for name in (hits_key(key), f"error:{key}")])
    return store.forget_many(ours)


def forget_subject(subject: str) -> int:
    """Delete every layer of a company's cache: its answers, what was said of their texts, errors. Nothing else."""
    prefixes = [subject_prefix(kind, subject) for kind in COMPANY_KINDS]
    found = store.keys(*prefixes, *(f"error:{prefix}" for prefix in prefixes))
    answers = [key for key in found if not key.startswith("error:")]
    errors = [key for key in found if key.startswith("error:")]
    said = predictions.keys_of(_kept_analyses(answers))
    return store.forget_many(errors + said) + forget_entries(answers)


def forget_all() -> int:
    """Delete all answers, judgements and errors of ours; never what others keep in the same Redis."""
    kept = store.keys(*(f"{kind}:" for kind in KINDS), "prediction:", "error:")
    store.forget_many([hits_key(key) for key in kept if key.partition(":")[0] in KINDS])
    return store.forget_many(kept)


def hits_key(key: str) -> str:
    return f"hits:{key}"


def _kept_analyses(keys: Sequence[str]) -> list[Analysis]:
    analyses = [key for key in keys if key.startswith("analysis:")]
    return [kept.value for kept in store.get_many(analyses, Kept[Analysis]).values()]


def _head(data: bytes) -> Head | None:
    try:
        return msgspec.json.decode(zstandard.decompress(data), type=Head)
    except (msgspec.MsgspecError, zstandard.ZstdError):
        return None


def _entry(key: str, head: Head, *, size: int, hits: int) -> Entry:
    return Entry(
        key=key,
        kind=key.partition(":")[0],
        subject=head.subject,
        stored_at=head.stored_at,
        fresh_until=head.fresh_until,
        size_bytes=size,
        hits=hits,
    )
