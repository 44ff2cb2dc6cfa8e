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
_WARMING = 64  # texts that are read before the clock runs; of no more than these, all are read again
_TIMED_ALONE = 50

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
class Bin:
    """Texts of about one confidence: where it means what it says, as many of them are right."""

    confidence: float  # on average
    accuracy: float
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one text alone takes, in milliseconds."""

    p50: float
    p95: float
    texts: int  # that were timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one classifier made of one set; macro_f1 is the mean over classes that are there or were said."""

    classes: tuple[ClassScore, ...]
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    interval: Interval  # of macro_f1
    calibration_error: float  # expected |confidence - accuracy| over ten bins; 0 is perfect
    bins: tuple[Bin, ...]  # those of the ten that hold texts
    confusion: tuple[tuple[int, ...], ...]  # [true][said], in the order of classes
    texts_per_second: float
    texts_per_core_second: float  # by processor time, all threads together


def evaluate(classifier: Classifier, texts: Sequence[str], truth: Sequence[str], *, labels: Sequence[str]) -> Report:
    """Measure a classifier; texts and truth run in parallel, and a truth outside labels is a ValueError."""
    predictions = classifier.predict(texts[:_WARMING])
    timed = texts[_WARMING:] or texts
    started, started_core = time.perf_counter(), time.process_time()
    predictions = (predictions + classifier.predict(timed))[-len(texts) :]
    seconds, core_seconds = time.perf_counter() - started, time.process_time() - started_core
    said = [p.label for p in predictions]
    counts = _count(truth, said, labels)
    draws = _resample(counts)
    right = np.array([t == s for t, s in zip(truth, said, strict=True)], dtype=float)
    bins = _fill_bins(np.array([p.confidence for p in predictions]), right)
    return Report(
        classes=_score_classes(counts, draws, labels),
        accuracy=float(_accuracy(counts)),
        accuracy_interval=_interval(_accuracy(draws)),
        macro_f1=float(_macro_f1(counts)),
        interval=_interval(_macro_f1(draws)),
        calibration_error=_calibration_error(bins),
        bins=bins,
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        texts_per_second=len(timed) / max(seconds, 1e-9),
        texts_per_core_second=len(timed) / max(core_seconds, 1e-9),
    )


def measure_latency(classifier: Classifier, texts: Sequence[str]) -> Latency:
    """Time the first texts one by one, each after it was read once."""
    timed = texts[:_TIMED_ALONE]
    took = []
    for text in timed:
        classifier.predict([text])
        started = time.perf_counter()
        classifier.predict([text])
        took.append(1000 * (time.perf_counter() - started))
    p50, p95 = np.percentile(took, [50, 95])
    return Latency(p50=float(p50), p95=float(p95), texts=len(timed))


def render(report: Report) -> str:
    """Return a report as lines of text."""
    low, high = report.interval
    least, most = report.accuracy_interval
    names = "".join(f"{score.label:>10}" for score in report.classes)
    rates = "".join(f"   {name:<18}" for name in ("precision", "recall", "F1")).rstrip()
    return "\n".join(
        [
            f"macro-F1 {report.macro_f1:.3f} [{low:.3f}, {high:.3f}]  accuracy {report.accuracy:.3f} [{least:.3f}, "
            f"{most:.3f}]  calibration error {report.calibration_error:.3f}",
            f"{report.texts_per_second:,.0f} articles/s, {report.texts_per_core_second:,.0f} on one core",
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


def _accuracy(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    right = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(right / counts.sum(axis=(-2, -1)), dtype=np.float64)


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


def _fill_bins(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> tuple[Bin, ...]:
    places = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(
            confidence=float(confidence[places == place].mean()),
            accuracy=float(right[places == place].mean()),
            texts=int((places == place).sum()),
        )
        for place in np.unique(places)
    )


def _calibration_error(bins: Sequence[Bin]) -> float:
    gaps = [abs(one.confidence - one.accuracy) * one.texts for one in bins]
    return float(sum(gaps) / sum(one.texts for one in bins))
