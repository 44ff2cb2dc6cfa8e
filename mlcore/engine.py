"""The engine: texts in, judgements on both axes out. All that other apps call.

Each axis is answered by the active pair's model where it can be used, else by the lexicons of keyword.py. A
model is loaded by the first texts that need it, once a process; asking what would answer loads nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from mlcore import registry
from mlcore.errors import ModelInvalid, ModelsUnavailable
from mlcore.keyword import KeywordClassifier, explain
from mlcore.types import AXES, Axis, Judgement, Method, Prediction

if TYPE_CHECKING:
    from mlcore.transformer import TransformerClassifier

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisStatus:
    """What answers for one axis."""

    axis: Axis
    method: Method | None  # None: nothing does, MLCORE_FALLBACK is off
    revision: str | None  # of what answers: "test123_category@9f3c1a2b4d5e", "keyword@..."
    reason: str | None  # why the model does not answer, for an operator


class Engine:
    """The classifiers of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._models: dict[Axis, TransformerClassifier] = {}
        self._refused: dict[Axis, ModelInvalid] = {}  # not tried again: an axis answers one way from then on
        self._changing = threading.Lock()

    def classify(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge each text on both axes, in order; a judgement names words of the text as evidence.

        Raises ModelsUnavailable where a model cannot be used and MLCORE_FALLBACK is off.
        """
        if not texts:
            return []
        categories = self._predict(texts, axis="category")
        sentiments = self._predict(texts, axis="sentiment")
        return [
            Judgement(category=category, sentiment=sentiment)
            for category, sentiment in zip(categories, sentiments, strict=True)
        ]

    def status(self, axis: Axis) -> AxisStatus:
        """Say what answers for an axis; before the first texts, what will by the look of its files."""
        if loaded := self._models.get(axis):
            return AxisStatus(axis=axis, method="model", revision=loaded.revision, reason=None)
        if axis in self._refused:
            return _describe_fallback(axis, reason=self._refused[axis].message)
        try:
            revision = registry.active_model(axis).revision
        except ModelInvalid as exc:
            return _describe_fallback(axis, reason=exc.message)
        return AxisStatus(axis=axis, method="model", revision=revision, reason=None)

    def device_name(self) -> str:
        """Return where models run: "cpu", "mps", "cuda:0 NVIDIA H200"; known once one is loaded."""
        for loaded in self._models.values():
            return loaded.device_name
        return "not loaded yet" if any(self.status(axis).method == "model" for axis in AXES) else "cpu"

    def _predict(self, texts: Sequence[str], *, axis: Axis) -> list[Prediction]:
        try:
            model = self._load(axis)
            predictions = model.predict(texts) if model else []
        except ModelInvalid as exc:
            self._refuse(axis, exc)
        if axis in self._refused:
            return _fall_back(axis, reason=self._refused[axis].message).predict(texts)
        return [_explained(prediction, text, axis=axis) for text, prediction in zip(texts, predictions, strict=True)]

    def _load(self, axis: Axis) -> TransformerClassifier | None:
        """Return the model of an axis, loaded once; None where it was refused. Raises ModelInvalid."""
        with self._changing:
            if axis not in self._models and axis not in self._refused:
                self._models[axis] = load_model(registry.active_model(axis))
            return self._models.get(axis)

    def _refuse(self, axis: Axis, exc: ModelInvalid) -> None:
        with self._changing:
            self._models.pop(axis, None)
            if axis in self._refused:
                return
            # A fresh one: the traceback of the other would keep the weights in memory.
            self._refused[axis] = ModelInvalid(exc.directory, reason=str(exc.details["reason"]))
        outcome = "키워드 기반 분석으로 대체됩니다" if settings.MLCORE_FALLBACK else "분석할 수 없습니다"
        logger.warning("%s: %s - %s (MODELS_DIR=%s)", axis, outcome, exc.message, settings.MODELS_DIR)


_engine: Engine | None = None
_engine_lock = threading.Lock()


def get_engine() -> Engine:
    """Return the engine of this process; nothing is loaded yet."""
    global _engine
    with _engine_lock:
        _engine = _engine or Engine()
        return _engine


def reset_engine() -> None:
    """Forget the loaded models, and which were refused: the next texts start anew, with today's settings."""
    global _engine
    with _engine_lock:
        _engine = None


def engine_status() -> tuple[AxisStatus, ...]:
    """Say what answers for each axis. Loads no model and never raises."""
    return tuple(get_engine().status(axis) for axis in AXES)


def engine_revisions() -> dict[Axis, str]:
    """Return what answers, by axis, as part of cache keys. Loads no model.

    Once a model is in memory it is that one, whatever has become of its files. Raises ModelsUnavailable where
    nothing answers.
    """
    revisions: dict[Axis, str] = {}
    for status in engine_status():
        if status.revision is None:
            raise ModelsUnavailable(axis=status.axis, reason=str(status.reason))
        revisions[status.axis] = status.revision
    return revisions


def device_name() -> str:
    """Return where models run, see Engine.device_name."""
    return get_engine().device_name()


def _explained(prediction: Prediction, text: str, *, axis: Axis) -> Prediction:
    evidence, issue = explain(text, axis=axis, label=prediction.label)
    return replace(prediction, evidence=evidence, issue=issue)


def load_model(model: registry.Model) -> TransformerClassifier:
    """Load a model as the settings say. Raises ModelInvalid where it cannot be used."""
    try:
        from mlcore.transformer import load_classifier
    except ImportError as exc:
        raise ModelInvalid(model.directory, reason=f"{exc.name} is not installed") from exc
    return load_classifier(model, max_texts=settings.ML_BATCH_SIZE, threads=settings.TORCH_NUM_THREADS)


def _fall_back(axis: Axis, *, reason: str) -> KeywordClassifier:
    if not settings.MLCORE_FALLBACK:
        raise ModelsUnavailable(axis=axis, reason=reason)
    return _keyword_classifier(axis)


def _describe_fallback(axis: Axis, *, reason: str) -> AxisStatus:
    if not settings.MLCORE_FALLBACK:
        return AxisStatus(axis=axis, method=None, revision=None, reason=reason)
    return AxisStatus(axis=axis, method="keyword", revision=_keyword_classifier(axis).revision, reason=reason)


@cache
def _keyword_classifier(axis: Axis) -> KeywordClassifier:
    return KeywordClassifier(axis)
