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

Interval = tuple[float, float]  # the middle 95 % of what resampled texts give


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class; precision is 0 where it was never said, recall 0 where there was none."""

    label: str
    precision: float
    recall: float
    f1: float
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval
    support: int  # texts that truly are of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one classifier made of one set; macro_f1 is the mean over classes that are there or were said."""

    classes: tuple[ClassScore, ...]
    macro_f1: float
    interval: Interval  # of macro_f1
    calibration_error: float  # expected |confidence - accuracy| over ten bins; 0 is perfect
    confusion: tuple[tuple[int, ...], ...]  # [true][said], in the order of classes
    texts_per_second: float
    texts_per_core_second: float  # by processor time, all threads together


def evaluate(classifier: Classifier, texts: Sequence[str], truth: Sequence[str], *, labels: Sequence[str]) -> Report:
    """Measure a classifier; texts and truth run in parallel, and a truth outside labels is a ValueError."""
    started, started_core = time.perf_counter(), time.process_time()
    predictions = classifier.predict(texts)
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - started_core
    said = [p.label for p in predictions]
    counts = _count(truth, said, labels)
    draws = _resample(counts)
    right = np.array([t == s for t, s in zip(truth, said, strict=True)], dtype=float)
    return Report(
        classes=_score_classes(counts, draws, labels),
        macro_f1=float(_macro_f1(counts)),
        interval=_interval(_macro_f1(draws)),
        calibration_error=_calibration_error(np.array([p.confidence for p in predictions]), right),
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        texts_per_second=len(texts) / max(seconds, 1e-9),
        texts_per_core_second=len(texts) / max(core_seconds, 1e-9),
    )


def render(report: Report) -> str:
    """Return a report as lines of text."""
    low, high = report.interval
    names = "".join(f"{score.label:>10}" for score in report.classes)
    rates = "".join(f"   {name:<18}" for name in ("precision", "recall", "F1")).rstrip()
    return "\n".join(
        [
            f"macro-F1 {report.macro_f1:.3f} [{low:.3f}, {high:.3f}]  calibration error {report.calibration_error:.3f}"
            f"  {report.texts_per_second:,.0f} articles/s, {report.texts_per_core_second:,.0f} on one core",
            f"  true \\ said {names}{rates}",
            *map(_render_class, report.classes, report.confusion),
        ]
    )


def _render_class(score: ClassScore, row: Sequence[int]) -> str:
    rates = "".join(
        f"   {rate:.2f} [{low:.2f}, {high:.2f}]"
        for rate, (low, high) in (
            (score.precision, score.precision_interval),
            (score.recall, score.recall_interval),
            (score.f1, score.f1_interval),
        )
    )
    return f"  {score.label:<12}" + "".join(f"{count:>10}" for count in row) + rates


def _count(truth: Sequence[str], said: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int64]:
    place = {label: i for i, label in enumerate(labels)}
    if unknown := set(truth) - set(labels):
        raise ValueError(f"unknown labels: {sorted(unknown)}")
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for t, s in zip(truth, said, strict=True):
        counts[place[t], place[s]] += 1
    return counts


def _resample(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return confusion matrices (n, k, k): drawing texts anew is drawing cells of the matrix anew."""
    total = int(counts.sum())
    draws = np.random.default_rng(7).multinomial(total, counts.ravel() / total, size=_RESAMPLES)
    return draws.reshape(-1, *counts.shape)


def _rates(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return precision, recall and F1 by class (3, ..., k) of a confusion matrix, or of a stack of them."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    said, there = counts.sum(axis=-2), counts.sum(axis=-1)
    wholes = said, there, (said + there) / 2
    return np.stack([right / np.maximum(whole, 0.5) for whole in wholes])


def _macro_f1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    occurs = counts.sum(axis=-2) + counts.sum(axis=-1) > 0
    return np.asarray(_rates(counts)[2].sum(axis=-1) / occurs.sum(axis=-1), dtype=np.float64)


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _score_classes(
    counts: npt.NDArray[np.int64], draws: npt.NDArray[np.int64], labels: Sequence[str]
) -> tuple[ClassScore, ...]:
    rates, drawn = _rates(counts), _rates(draws)
    return tuple(
        ClassScore(
            label=label,
            precision=float(rates[0, i]),
            recall=float(rates[1, i]),
            f1=float(rates[2, i]),
            precision_interval=_interval(drawn[0, :, i]),
            recall_interval=_interval(drawn[1, :, i]),
            f1_interval=_interval(drawn[2, :, i]),
            support=int(counts[i].sum()),
        )
        for i, label in enumerate(labels)
    )


def _calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))
