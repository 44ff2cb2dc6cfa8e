"""An int8 copy of a pair beside it, and what it costs: measured on texts that its ranges were not measured on."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore import registry
from mlcore.errors import ModelInvalid
from mlcore.labelled import read_texts
from mlcore.pair import load_model
from mlcore.staging import staged_pair
from mlcore.types import AXES, Axis, Classifier, Prediction

if TYPE_CHECKING:
    from mlcore.transformer import TransformerClassifier

BUNDLED = Path(__file__).parent / "data" / "press.txt"  # invented headlines and leads
LEAST = 100  # texts: half of them decide the ranges, half say whether that went well
MOST_CALIBRATED = 256  # more make no better ranges
TIMED = 64  # texts that are read by the clock,
PASSES = 3  # so often by the original and the copy in turn: the first warms up, and the machine may have other work


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One model as it answers on this machine."""

    size_bytes: int
    texts_per_second: float
    precision: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What became of one half."""

    axis: Axis
    revision: str  # of the original
    original: Measured
    copy: Measured
    agreement: float  # share of texts that both give the same label, the original in float32, 0..1
    drift_mean: float  # of a label's probability, absolute
    drift_max: float
    calibrated_texts: int
    measured_texts: int

    def write(self, directory: Path) -> None:
        """Put it beside the copy's weights, where a switch looks for the agreement. Raises OSError."""
        facts = json.dumps(_rounded(asdict(self)), ensure_ascii=False, indent=2)
        (directory / registry.COPY_FACTS).write_text(facts + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """What became of a pair."""

    name: str  # of the copy
    original: str
    halves: tuple[CopyReport, ...]

    @property
    def agreement(self) -> float:
        """Of the half that agrees less."""
        return min(half.agreement for half in self.halves)


def optimize_models(name: str, *, texts: Sequence[str], watch: Callable[[str], object]) -> PairReport:
    """Write the int8 copy of a pair, in the place of an older one, and say how it compares.

    `watch` hears of each step. Both halves appear together or, where anything fails, nothing changes. Raises
    ModelInvalid; ValueError where the texts are too few; OSError.
    """
    if registry.is_copy(name):
        original = registry.original_name(name)
        directory = registry.find_model(name, axis=AXES[0]).directory
        raise ModelInvalid(directory, reason=f"it is a copy already: optimise {original}")
    models = [registry.find_model(name, axis=axis) for axis in AXES]
    calibration, held_out = split_texts(texts)
    with staged_pair(registry.copy_name(name)) as places:
        halves = tuple(
            _copy(model, places[model.axis], calibration=calibration, held_out=held_out, watch=watch)
            for model in models
        )
    return PairReport(name=registry.copy_name(name), original=name, halves=halves)


def bundled_texts() -> tuple[str, ...]:
    """Return the texts that a copy is made and measured with where nobody gives any."""
    return read_texts(BUNDLED)


def split_texts(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return texts to measure ranges on, and others to measure the copy on, none in both. Raises ValueError."""
    different = list(dict.fromkeys(texts))
    if len(different) < LEAST:
        raise ValueError(f"it holds {len(different)} different texts, {LEAST} are needed")
    random.Random(7).shuffle(different)  # noqa: S311  no secret: the same file gives the same parts
    calibrated = min(len(different) // 2, MOST_CALIBRATED)
    return different[:calibrated], different[calibrated:]


def compare_predictions(first: Sequence[Prediction], second: Sequence[Prediction]) -> tuple[float, float, float]:
    """Return how often both say the same, and how far a label's probability moved: on average, and at most."""
    drifts = [
        abs(one.scores.get(label, 0.0) - other.scores.get(label, 0.0))
        for one, other in zip(first, second, strict=True)
        for label in one.scores.keys() | other.scores.keys()
    ]
    same = sum(one.label == other.label for one, other in zip(first, second, strict=True))
    return same / len(first), sum(drifts) / len(drifts), max(drifts)


def time_in_turn(classifiers: Sequence[Classifier], texts: Sequence[str]) -> list[float]:
    """Return how many texts a second each reads at its best, of passes in which all take turns."""
    seconds = [math.inf] * len(classifiers)
    for _ in range(PASSES):
        for place, classifier in enumerate(classifiers):
            started = time.perf_counter()
            classifier.predict(texts)
            seconds[place] = min(seconds[place], time.perf_counter() - started)
    return [len(texts) / max(best, 1e-9) for best in seconds]


def _copy(
    model: registry.Model,
    target: Path,
    *,
    calibration: Sequence[str],
    held_out: Sequence[str],
    watch: Callable[[str], object],
) -> CopyReport:
    watch(f"{model.axis}: reading {len(held_out)} texts with the original")
    said = load_model(model, precision="float32").predict(held_out)
    from mlcore.quantize import quantize_model

    watch(f"{model.axis}: measuring the ranges of its layers on {len(calibration)} texts")
    target.mkdir()
    quantize_model(model, target, texts=calibration)
    watch(f"{model.axis}: reading the {len(held_out)} texts with the copy")
    size = sum(path.stat().st_size for path in target.iterdir())
    copy = load_model(replace(model, directory=target, files=()))
    agreement, drift_mean, drift_max = compare_predictions(said, copy.predict(held_out))
    watch(f"{model.axis}: timing both")
    original = load_model(model)
    rates = time_in_turn([original, copy], held_out[:TIMED])
    report = CopyReport(
        axis=model.axis,
        revision=model.revision,
        original=_measured(original, size_bytes=model.size, rate=rates[0]),
        copy=_measured(copy, size_bytes=size, rate=rates[1]),
        agreement=agreement,
        drift_mean=drift_mean,
        drift_max=drift_max,
        calibrated_texts=len(calibration),
        measured_texts=len(held_out),
    )
    report.write(target)
    return report


def _measured(classifier: TransformerClassifier, *, size_bytes: int, rate: float) -> Measured:
    return Measured(
        size_bytes=size_bytes,
        texts_per_second=rate,
        precision=classifier.precision,
        device=classifier.device_name,
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 6) if isinstance(value, float) else value
