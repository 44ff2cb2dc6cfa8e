"""How good a classifier is on labelled texts: per class and in all, how sure of it we may be, and how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlcore.types import Classifier

_RESAMPLES = 1000
_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class; precision is 0 where it was never said, recall 0 where there was none."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int  # texts that truly are of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one classifier made of one set; interval is the middle 95 % of resampled macro-F1."""

    classes: tuple[ClassScore, ...]
    macro_f1: float
    interval: tuple[float, float]
    calibration_error: float  # expected |confidence - accuracy| over ten bins; 0 is perfect
    confusion: tuple[tuple[int, ...], ...]  # [true][said], in the order of classes
    texts_per_second: float


def evaluate(classifier: Classifier, texts: Sequence[str], truth: Sequence[str], *, labels: Sequence[str]) -> Report:
    """Measure a classifier; texts and truth run in parallel, and a truth outside labels is a ValueError."""
    started = time.process_time()
    predictions = classifier.predict(texts)
    seconds = max(time.process_time() - started, 1e-9)
    said = [p.label for p in predictions]
    counts = _count(truth, said, labels)
    right = np.array([t == s for t, s in zip(truth, said, strict=True)], dtype=float)
    return Report(
        classes=_score_classes(counts, labels),
        macro_f1=float(_macro_f1(counts)),
        interval=_resample(counts),
        calibration_error=_calibration_error(np.array([p.confidence for p in predictions]), right),
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        texts_per_second=len(texts) / seconds,
    )


def _count(truth: Sequence[str], said: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    place = {label: i for i, label in enumerate(labels)}
    if unknown := set(truth) - set(labels):
        raise ValueError(f"unknown labels: {sorted(unknown)}")
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for t, s in zip(truth, said, strict=True):
        counts[place[t], place[s]] += 1
    return counts


def _f1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return F1 per class of a confusion matrix, or of a stack of them."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.asarray(2 * right / np.maximum(both, 1), dtype=np.float64)


def _macro_f1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(_f1(counts).mean(axis=-1))


def _score_classes(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassScore, ...]:
    right, there, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return tuple(
        ClassScore(
            label=label,
            precision=float(right[i] / max(said[i], 1)),
            recall=float(right[i] / max(there[i], 1)),
            f1=float(_f1(counts)[i]),
            support=int(there[i]),
        )
        for i, label in enumerate(labels)
    )


def _resample(counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval of macro-F1: drawing texts anew is drawing cells of the matrix anew."""
    total = int(counts.sum())
    draws = np.random.default_rng(7).multinomial(total, counts.ravel() / total, size=_RESAMPLES)
    low, high = np.percentile(_macro_f1(draws.reshape(-1, *counts.shape)), [2.5, 97.5])
    return float(low), float(high)


def _calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))
