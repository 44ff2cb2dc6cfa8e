"""What a model said of a text, kept per (text, revisions): the same article is never judged twice alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from django.conf import settings

from mlcore.types import Axis, Judgement
from newsservice.metrics import CACHE_LOOKS
from search import store
from search.types import Analysis


def recall(texts: Sequence[str], revisions: Mapping[Axis, str]) -> dict[str, Judgement]:
    """Return the judgements known, by text."""
    if not settings.CACHE_ENABLED:
        return {}
    keys = {_key(text, revisions): text for text in texts}
    found = {keys[key]: judgement for key, judgement in store.get_many(list(keys), Judgement).items()}
    CACHE_LOOKS.labels("predictions", "hit").inc(len(found))
    CACHE_LOOKS.labels("predictions", "miss").inc(len(keys) - len(found))
    return found


def keep(judgements: Mapping[str, Judgement], revisions: Mapping[Axis, str]) -> None:
    """Keep what these revisions said; not what keywords said in a model's stead, which is asked again."""
    said = {text: judgement for text, judgement in judgements.items() if judgement.is_by(revisions)}
    if settings.CACHE_ENABLED and said:
        values = {_key(text, revisions): judgement for text, judgement in said.items()}
        store.put_many(values, seconds=settings.PREDICTION_CACHE_SECONDS)


def _key(text: str, revisions: Mapping[Axis, str]) -> str:
    said_by = blake2b(repr(sorted(revisions.items())).encode(), digest_size=6).hexdigest()
    return f"prediction:{said_by}:{blake2b(text.encode(), digest_size=12).hexdigest()}"


def keys_of(analyses: Sequence[Analysis]) -> list[str]:
    """Return the keys of what was said of the texts of these analyses."""
    return [_key(judged.story.article.text, analysis.models) for analysis in analyses for judged in analysis.judged]
