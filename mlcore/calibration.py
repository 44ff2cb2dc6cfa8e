"""From weighed clues to probabilities that mean what they say: 0.8 is right about four times in five."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

from mlcore.labels import LABELS
from mlcore.lexicon import load
from mlcore.types import Axis
from mlcore.weighing import Clue

_LONG_CHARS = 250  # beyond this a text gets no vaguer: a headline with 200 characters of summary


def scores_from(clues: Iterable[Clue], *, axis: Axis, chars: int) -> dict[str, float]:
    """Return a probability per label of the axis; they sum to 1. `chars` is the length of the text."""
    settings = _settings()[axis]
    weights: dict[str, list[float]] = {label: [] for label in LABELS[axis]}
    for clue in clues:
        weights[clue.label].append(clue.weight)
    # The longer a text, the more words stand in it by chance, and the less each of them proves.
    temperature = settings["temperature"] + settings["temperature_per_char"] * min(chars, _LONG_CHARS)
    return _soften(
        {
            label: (settings["bias"][label] + _add_up(found, settings["echo"][label])) / temperature
            for label, found in weights.items()
        }
    )


def _add_up(weights: list[float], echo: float) -> float:
    """Return the sum of the weights, heaviest first, each further one worth `echo` of what the last was."""
    return sum(weight * echo**rank for rank, weight in enumerate(sorted(weights, reverse=True)))


def _soften(heat: dict[str, float]) -> dict[str, float]:
    highest = max(heat.values())
    powers = {label: math.exp(value - highest) for label, value in heat.items()}
    whole = sum(powers.values())
    return {label: power / whole for label, power in powers.items()}


@cache
def _settings() -> dict[str, Any]:
    return load("calibration")
