"""What lies beside the weights of a trained model: its labels, its figures, and a card for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.evaluate import Report, render
from mlcore.labelled import Labelled
from mlcore.registry import METRICS
from mlcore.types import Axis

if TYPE_CHECKING:
    from mlcore.splitting import Removed, Split
    from mlcore.training import Plan, Training

LIBRARIES = ("torch", "transformers", "accelerate", "scikit-learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All there is to tell of one trained half."""

    name: str  # of the pair
    axis: Axis
    labels: tuple[str, ...]  # by the index of the model's output
    data: str  # the file's name
    base: str  # the directory's name
    removed: Removed
    parts: Split
    plan: Plan
    training: Training
    report: Report  # on the test part

    def write(self, directory: Path) -> None:
        """Write label_encoder.json, metrics.json and README.md. Raises OSError."""
        encoder = {str(index): label for index, label in enumerate(self.labels)}
        _write_json(directory / "label_encoder.json", encoder)
        _write_json(directory / METRICS, self._figures())
        (directory / "README.md").write_text(self._text(), encoding="utf-8")

    def _figures(self) -> dict[str, object]:
        return {
            "axis": self.axis,
            "labels": self.labels,
            "data": self.data,
            "base": self.base,
            "trained_at": datetime.now(tz=UTC).date().isoformat(),
            "removed": asdict(self.removed),
            "texts": {name: _count(part, self.labels) for name, part in self._parts()},
            "plan": asdict(self.plan),
            "training": asdict(self.training),
            "libraries": {library: version(library) for library in LIBRARIES},
            "test": asdict(self.report),
        }

    def _parts(self) -> list[tuple[str, Labelled]]:
        return [("train", self.parts.train), ("validation", self.parts.validation), ("test", self.parts.test)]

    def _text(self) -> str:
        training, plan = self.training, self.plan
        rows = [
            f"| {name} | {' | '.join(map(str, _count(part, self.labels).values()))} |" for name, part in self._parts()
        ]
        return "\n".join(
            [
                f"# {self.name}_{self.axis}",
                "",
                f"Says the {self.axis} of a Korean news article from its title and the beginning of its description: "
                f"{', '.join(self.labels)}.",
                "",
                f"Fine-tuned from `{self.base}` ({training.architecture}, {training.parameters:,} parameters) on "
                f"`{self.data}` by `manage.py train_model`.",
                "",
                "## Data",
                "",
                f"| part | {' | '.join(self.labels)} |",
                f"|---|{'---|' * len(self.labels)}",
                *rows,
                "",
                f"Taken out before the split: {self.removed.duplicates} further copies of a text, "
                f"{self.removed.contradictions} texts that bear more than one label, {self.removed.empty} empty ones. "
                "No text is in two parts.",
                "",
                "## Training",
                "",
                f"Seed {plan.seed}, learning rate {plan.learning_rate:g}, batches of {plan.batch_size}, classes "
                f"weighed alike; the best of {len(training.epochs)} epochs is number {training.best_epoch}. "
                f"{training.precision} on {training.device}, {training.seconds:,.0f} s.",
                "",
                "## On the test part",
                "",
                "```text",
                render(self.report),
                "```",
                "",
                "The test part is from the same file: news of other times, companies and publishers may be judged "
                "less well. Ranges are the middle 95 % of what resampled texts give.",
                "",
            ]
        )


def _count(part: Labelled, labels: Sequence[str]) -> dict[str, int]:
    counts = Counter(part.truth)
    return {label: counts[label] for label in labels}


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
