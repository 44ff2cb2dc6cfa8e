"""manage.py evaluate_model: how good the lexicons or a pair of models are on labelled articles."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlcore import registry
from mlcore.errors import ModelInvalid
from mlcore.evaluate import evaluate, render
from mlcore.keyword import KeywordClassifier
from mlcore.labelled import find_axis, read_labelled
from mlcore.labels import LABELS
from mlcore.pair import load_model
from mlcore.types import AXES, Axis, Classifier


class Command(BaseCommand):
    help = (
        "Measure the lexicons (--engine keyword) or a pair of models under MODELS_DIR on labelled articles: JSONL or "
        "CSV with title, description or lead, and esg (E, S, G, none) or sentiment (positive, neutral, negative)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--engine", required=True, metavar="keyword|NAME")
        parser.add_argument("--data", required=True, type=Path, metavar="FILE")
        parser.add_argument("--axis", choices=AXES, help="category reads esg; left out: what the file has")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, engine: str, data: Path, axis: Axis | None, **options: Any) -> None:
        try:
            axis = axis or find_axis(data)
            classifier, labels = _load(engine, axis=axis)
            labelled = read_labelled(data, axis=axis, labels=labels)
        except (OSError, ValueError) as exc:
            raise CommandError(f"{data}: {exc.strerror if isinstance(exc, OSError) else exc}") from exc
        except ModelInvalid as exc:
            raise CommandError(exc.message) from exc
        classifier.predict(labelled.texts[:1])  # what is loaded once is not part of the speed
        report = evaluate(classifier, labelled.texts, labelled.truth, labels=labels)
        heading = {"engine": classifier.revision, "axis": axis, "data": data.name, "texts": len(labelled.texts)}
        if options["json"]:
            self.stdout.write(json.dumps({**heading, "labels": labels, **asdict(report)}, ensure_ascii=False))
            return
        self.stdout.write("{engine} on {texts} texts of {data}, {axis}".format(**heading))
        self.stdout.write(render(report))


def _load(name: str, *, axis: Axis) -> tuple[Classifier, tuple[str, ...]]:
    """Return a classifier and all labels it may say. Raises ModelInvalid."""
    if name == "keyword":
        return KeywordClassifier(axis), LABELS[axis]
    model = registry.find_model(name, axis=axis)
    return load_model(model), tuple(dict.fromkeys([*LABELS[axis], *model.labels]))
