"""The engine: texts in, judgements on both axes out. All that other apps call.

Each axis is answered by the active pair's model where it can be used, else by the lexicons of keyword.py. The pair is
loaded by the first texts that need it, once a process; asking what would answer loads nothing. Another one is taken up
by `Engine.follow`, which long-lived processes call every second (mlcore/following.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings

from mlcore import choice, registry
from mlcore.errors import ModelInvalid, ModelsUnavailable, TextRefused
from mlcore.keyword import keyword_classifier
from mlcore.pair import inference_deadline
from mlcore.succession import Succession
from mlcore.types import AXES, Axis, Judgement, Method


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisStatus:
    """What answers for one axis."""

    axis: Axis
    method: Method | None  # None: nothing does, MLCORE_FALLBACK is off
    revision: str | None  # of what answers: "test123_category@9f3c1a2b4d5e", "keyword@..."
    reason: str | None  # for an operator: why the model does not answer, or why it is not the one that was chosen


class Engine:
    """The models of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._pairs = Succession()

    def classify(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge each text on both axes, in order; a judgement names words of the text as evidence.

        Raises ModelsUnavailable where a model cannot be used and MLCORE_FALLBACK is off, TextRefused where it gives
        no numbers for one of the texts then; InferenceTimeout.
        """
        if not texts:
            return []
        judgements: list[Judgement] = []
        with self.pinned() as pin:
            for outcome in pin.classify(texts):
                if isinstance(outcome, TextRefused):
                    raise outcome
                judgements.append(outcome)
        return judgements

    @contextmanager
    def pinned(self) -> Iterator[Pin]:
        """Hold what judges now: whatever is chosen meanwhile, one pair judges all that is asked of the pin."""
        pin = Pin(self._pairs)
        try:
            yield pin
        finally:
            pin.release()

    def follow(self) -> None:
        """Take up what was chosen, or put in the place of the active pair's files, since it was loaded.

        Loads in the calling thread; until it is done, and where it fails, the pair in memory goes on answering.
        """
        self._pairs.follow()

    def status(self, axis: Axis, *, name: str = "") -> AxisStatus:
        """Say what answers for an axis; before the first texts, what will by the look of its files.

        `name`: of the active pair, where it need not be read.
        """
        try:
            if (pair := self._pairs.current) is None:
                revision = registry.find_model(name, axis=axis).revision if name else active_model(axis).revision
            elif axis in pair.refused:
                raise pair.refused[axis]
            else:
                revision = pair.models[axis].revision
        except ModelInvalid as exc:
            return _describe_fallback(axis, reason=exc.message)
        return AxisStatus(axis=axis, method="model", revision=revision, reason=self._pairs.fault)

    def device_name(self, *, name: str = "") -> str:
        """Return where models run: "cpu", "mps", "cuda:0 NVIDIA H200"; known once one is loaded. `name`: as above."""
        if pair := self._pairs.current:
            return next((model.device_name for model in list(pair.models.values())), "cpu")
        return "not loaded yet" if any(self.status(axis, name=name).method == "model" for axis in AXES) else "cpu"

    def close(self) -> None:
        """Let go of the models."""
        self._pairs.close()


class Pin:
    """One pair for the length of an analysis; loaded when the first text is to be judged."""

    def __init__(self, pairs: Succession) -> None:
        self._pairs = pairs
        self._pair = pairs.borrow_loaded()
        self._promised: dict[Axis, str] | None = None
        self._deadline: float | None = None  # of all that is asked of it; loading is no part of it

    @property
    def revisions(self) -> dict[Axis, str]:
        """What judges, by axis; by the look of the files as long as nothing is loaded. Raises ModelsUnavailable."""
        if self._pair:
            return self._pair.revisions
        if self._promised is None:
            self._promised = engine_revisions()
        return self._promised

    def load(self) -> None:
        """Load the pair if that is still to be done; only now is it sure what its revisions are."""
        self._pair = self._pair or self._pairs.borrow()

    def classify(self, texts: Sequence[str]) -> list[Judgement | TextRefused]:
        """Judge each text on both axes, in order; one that cannot be judged leaves its error in its place.

        Raises ModelsUnavailable; InferenceTimeout once all calls together have waited for too long.
        """
        pair = self._pair = self._pair or self._pairs.borrow()
        self._deadline = self._deadline or inference_deadline()
        return pair.classify(texts, deadline=self._deadline)

    def release(self) -> None:
        """Give the pair back; the pin is of no use any more."""
        pair, self._pair = self._pair, None
        if pair:
            self._pairs.give_back(pair)


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
    choice.forget()


def engine_status() -> tuple[AxisStatus, ...]:
    """Say what answers for each axis. Loads no model and never raises."""
    return tuple(get_engine().status(axis) for axis in AXES)


def known_engine() -> tuple[tuple[AxisStatus, ...], str]:
    """Say what answers for each axis, and where models run, by the choice this process read last: asks no database."""
    name = choice.known_name()
    return tuple(get_engine().status(axis, name=name) for axis in AXES), get_engine().device_name(name=name)


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


def active_model(axis: Axis) -> registry.Model:
    """Return the model of an axis of the active pair on disk. Raises ModelInvalid, saying why there is none."""
    return registry.find_model(choice.active_name(), axis=axis)


def _describe_fallback(axis: Axis, *, reason: str) -> AxisStatus:
    if not settings.MLCORE_FALLBACK:
        return AxisStatus(axis=axis, method=None, revision=None, reason=reason)
    return AxisStatus(axis=axis, method="keyword", revision=keyword_classifier(axis).revision, reason=reason)
