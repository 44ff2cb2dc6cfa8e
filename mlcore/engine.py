"""The engine: texts in, judgements on both axes out. All that other apps call.

Each axis is answered by the active pair's model where it can be used, else by the lexicons of keyword.py. The pair is
loaded by the first texts that need it, once a process; asking what would answer loads nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from mlcore import registry
from mlcore.errors import ModelInvalid, ModelsUnavailable
from mlcore.keyword import keyword_classifier
from mlcore.pair import Pair
from mlcore.types import AXES, Axis, Judgement, Method


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisStatus:
    """What answers for one axis."""

    axis: Axis
    method: Method | None  # None: nothing does, MLCORE_FALLBACK is off
    revision: str | None  # of what answers: "test123_category@9f3c1a2b4d5e", "keyword@..."
    reason: str | None  # why the model does not answer, for an operator


class Engine:
    """The pair of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._pair: Pair | None = None
        self._changing = threading.Lock()

    def classify(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge each text on both axes, in order; a judgement names words of the text as evidence.

        Raises ModelsUnavailable where a model cannot be used and MLCORE_FALLBACK is off; InferenceTimeout.
        """
        return self.current().classify(texts) if texts else []

    def current(self) -> Pair:
        """Return what judges now, loaded if need be. What holds on to it is answered by it, whatever comes after."""
        with self._changing:
            self._pair = self._pair or Pair(registry.active_name())
            return self._pair

    def status(self, axis: Axis) -> AxisStatus:
        """Say what answers for an axis; before the first texts, what will by the look of its files."""
        pair = self._pair
        try:
            if pair is None:
                revision = registry.active_model(axis).revision
            elif axis in pair.refused:
                raise pair.refused[axis]
            else:
                revision = pair.models[axis].revision
        except ModelInvalid as exc:
            return _describe_fallback(axis, reason=exc.message)
        return AxisStatus(axis=axis, method="model", revision=revision, reason=None)

    def device_name(self) -> str:
        """Return where models run: "cpu", "mps", "cuda:0 NVIDIA H200"; known once one is loaded."""
        if self._pair:
            return next((model.device_name for model in self._pair.models.values()), "cpu")
        return "not loaded yet" if any(self.status(axis).method == "model" for axis in AXES) else "cpu"

    def close(self) -> None:
        """Let go of the models."""
        if self._pair:
            self._pair.close()


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
        if _engine:
            _engine.close()
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


def _describe_fallback(axis: Axis, *, reason: str) -> AxisStatus:
    if not settings.MLCORE_FALLBACK:
        return AxisStatus(axis=axis, method=None, revision=None, reason=reason)
    return AxisStatus(axis=axis, method="keyword", revision=keyword_classifier(axis).revision, reason=reason)
