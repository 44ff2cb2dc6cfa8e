"""The models of one pair in memory, and the one thread that runs them for all callers."""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings

from mlcore import registry
from mlcore.batching import Batcher
from mlcore.cores import model_threads
from mlcore.errors import InferenceTimeout, ModelInvalid, ModelsUnavailable, TextRefused
from mlcore.keyword import KeywordClassifier, explain, keyword_classifier
from mlcore.parallel import run_at_once
from mlcore.types import AXES, Axis, Judgement, Prediction

if TYPE_CHECKING:
    from mlcore.transformer import Ids, Row, TransformerClassifier

logger = logging.getLogger(__name__)

MAX_WAITING = 4096  # texts of all callers; more wait outside, as texts
MOST_LOADS = 3  # of a model whose files change while it is loaded
PORTION = 256  # texts of one caller that are tokenised at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One text as the models read it; where their tokenizers are the same it is the same list."""

    ids: dict[Axis, Ids]

    @property
    def size(self) -> int:
        return max(map(len, self.ids.values()))


class Pair:
    """What judges texts: a model an axis, or why keywords stand in for it. Safe to share between threads."""

    def __init__(self, name: str) -> None:
        """Load the named pair; what cannot be used is refused, with its reason in the log."""
        self.name = name
        self.files = registry.files_of(name)  # as they were when it was loaded
        self.models: dict[Axis, TransformerClassifier] = {}
        self.refused: dict[Axis, ModelInvalid] = {}
        for axis in AXES:
            self._load(axis)
        self._is_on_cpu = all(model.device_name == "cpu" for model in self.models.values())
        self._threads = model_threads(settings.TORCH_NUM_THREADS)
        self._shares_tokens = len(self.models) == len(AXES) and self.models["category"].shares_tokens_with(
            self.models["sentiment"]
        )
        self._batcher: Batcher[Tokens, dict[Axis, Row | None]] = Batcher(
            self._infer,
            size=lambda tokens: tokens.size,
            max_items=min((model.max_texts for model in self.models.values()), default=1),
            max_size=min((model.max_tokens for model in self.models.values()), default=1),
            max_waiting=MAX_WAITING,
        )

    @property
    def may_recover(self) -> bool:
        """Whether an axis was refused for what may have passed since, such as short memory."""
        return any(refusal.is_transient for refusal in self.refused.values())

    @property
    def revisions(self) -> dict[Axis, str]:
        """What answers, by axis. Raises ModelsUnavailable where nothing does."""
        return {
            axis: model.revision if (model := self.models.get(axis)) else self._stand_in(axis).revision
            for axis in AXES
        }

    def classify(self, texts: Sequence[str], *, deadline: float | None = None) -> list[Judgement | TextRefused]:
        """Judge each text on both axes, in order; one that cannot be judged leaves its error in its place.

        `deadline`: by time.monotonic(); left out, INFERENCE_TIMEOUT from now. Raises ModelsUnavailable,
        InferenceTimeout.
        """
        deadline = deadline or inference_deadline()
        judgements: list[Judgement | TextRefused] = []
        for start in range(0, len(texts), PORTION):
            judgements += self._classify(texts[start : start + PORTION], deadline=deadline)
        return judgements

    def close(self) -> None:
        """Let the thread end once all callers have their answers."""
        self._batcher.close()

    def _classify(self, texts: Sequence[str], *, deadline: float) -> list[Judgement | TextRefused]:
        outcomes: Sequence[dict[Axis, Row | None] | Exception] = [{}] * len(texts)
        if self.models:
            outcomes = self._ask_models(self._tokenise(texts), deadline=deadline)
        by_axis = {axis: self._name(axis, texts, outcomes) for axis in AXES}
        return [_judgement(*both) for both in zip(by_axis["category"], by_axis["sentiment"], strict=True)]

    def _ask_models(self, tokens: Sequence[Tokens], *, deadline: float) -> list[dict[Axis, Row | None] | Exception]:
        try:
            return self._batcher.submit(tokens, timeout=deadline - time.monotonic())
        except TimeoutError as exc:
            raise InferenceTimeout(seconds=settings.INFERENCE_TIMEOUT) from exc

    def _tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        first = next(iter(self.models.values())).tokenise(texts)
        by_axis = {
            axis: first if self._shares_tokens else model.tokenise(texts) for axis, model in self.models.items()
        }
        return [Tokens(ids={axis: ids[place] for axis, ids in by_axis.items()}) for place in range(len(texts))]

    def _infer(self, batch: Sequence[Tokens]) -> list[dict[Axis, Row | None]]:
        calls = [partial(model.infer, [tokens.ids[axis] for tokens in batch]) for axis, model in self.models.items()]
        found = run_at_once(calls, threads=self._threads) if self._is_on_cpu else [call() for call in calls]
        rows = dict(zip(self.models, found, strict=True))
        return [{axis: rows[axis][place] for axis in rows} for place in range(len(batch))]

    def _name(
        self, axis: Axis, texts: Sequence[str], outcomes: Sequence[dict[Axis, Row | None] | Exception]
    ) -> Sequence[Prediction | TextRefused]:
        if not (model := self.models.get(axis)):
            return self._stand_in(axis).predict(texts)
        return [
            self._fall_back(axis, text, outcome)
            if isinstance(outcome, Exception) or (row := outcome[axis]) is None
            else _explained(model.name(row), text, axis=axis)
            for text, outcome in zip(texts, outcomes, strict=True)
        ]

    def _fall_back(self, axis: Axis, text: str, outcome: object) -> Prediction | TextRefused:
        """Judge by keywords the one text that a sound model gave no numbers for, where they may stand in."""
        revision = self.models[axis].revision
        error = outcome if isinstance(outcome, Exception) else None
        logger.error("%s gives no numbers for a text of %d characters", revision, len(text), exc_info=error)
        if not settings.MLCORE_FALLBACK:
            return TextRefused(model=revision)
        return keyword_classifier(axis).predict([text])[0]

    def _stand_in(self, axis: Axis) -> KeywordClassifier:
        if not settings.MLCORE_FALLBACK:
            raise ModelsUnavailable(axis=axis, reason=self.refused[axis].message)
        return keyword_classifier(axis)

    def _load(self, axis: Axis) -> None:
        try:
            self.models[axis] = _load_unchanged(self.name, axis=axis)
        except ModelInvalid as exc:
            # A fresh one: the traceback of the other would keep the weights in memory.
            reason, may_pass = str(exc.details["reason"]), exc.is_transient
            self.refused[axis] = ModelInvalid(exc.directory, reason=reason, is_transient=may_pass)
            outcome = "키워드 기반 분석으로 대체됩니다" if settings.MLCORE_FALLBACK else "분석할 수 없습니다"
            logger.warning("%s: %s - %s (MODELS_DIR=%s)", axis, outcome, exc.message, settings.MODELS_DIR)


def _load_unchanged(name: str, *, axis: Axis) -> TransformerClassifier:
    """Load a pair's model; again where its files changed meanwhile, for it is kept under the revision of its files.

    Raises ModelInvalid where it cannot be used.
    """
    for _ in range(MOST_LOADS):
        model = registry.find_model(name, axis=axis)
        classifier = load_model(model, stand_in=registry.find_stand_in(model, name=name))
        if registry.find_model(name, axis=axis).files == model.files:
            return classifier
        del classifier  # or two of them would be in memory
    raise ModelInvalid(model.directory, reason="its files change while it is loaded", is_transient=True)


def load_model(
    model: registry.Model, *, stand_in: registry.Model | None = None, precision: str = ""
) -> TransformerClassifier:
    """Load a model as the settings say. Raises ModelInvalid where it cannot be used.

    `stand_in`: its copy, read in its place where it suits the processor. `precision`: in place of ML_PRECISION.
    """
    try:
        from mlcore.transformer import load_classifier
    except ImportError as exc:
        raise ModelInvalid(model.directory, reason=f"{exc.name} is not installed") from exc
    return load_classifier(
        model,
        stand_in=stand_in,
        precision=precision or settings.ML_PRECISION,
        max_texts=settings.ML_BATCH_SIZE,
        threads=model_threads(settings.TORCH_NUM_THREADS),
    )


def inference_deadline() -> float:
    """Return when a caller who asks now has waited for INFERENCE_TIMEOUT, by time.monotonic()."""
    return time.monotonic() + settings.INFERENCE_TIMEOUT


def free_memory() -> None:
    """Have the memory of closed pairs back, which refer to themselves; a GPU's goes to whoever else is on it."""
    gc.collect()
    if transformer := sys.modules.get("mlcore.transformer"):
        transformer.free_cached_memory()


def _judgement(category: Prediction | TextRefused, sentiment: Prediction | TextRefused) -> Judgement | TextRefused:
    if isinstance(category, TextRefused):
        return category
    return sentiment if isinstance(sentiment, TextRefused) else Judgement(category=category, sentiment=sentiment)


def _explained(prediction: Prediction, text: str, *, axis: Axis) -> Prediction:
    evidence, issue = explain(text, axis=axis, label=prediction.label)
    return replace(prediction, evidence=evidence, issue=issue)
