"""manage.py evaluate_model: how good the lexicons or a pair of models are on labelled articles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlcore import registry
from mlcore.errors import ModelInvalid
from mlcore.evaluate import evaluate, measure_latency, render
from mlcore.keyword import KeywordClassifier
from mlcore.labelled import Labelled, find_axis, read_labelled
from mlcore.labels import LABELS
from mlcore.memory import resident_bytes
from mlcore.pair import load_model
from mlcore.types import AXES, Axis, Classifier

KEYWORD = "keyword"
WIDTH = 100  # columns that the table needs, also where nobody says how many there are


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
        parser.add_argument(
            "--extra-label", action="append", default=[], metavar="FIN", help="a label beside those the engine knows"
        )
        parser.add_argument(
            "--side-by-side",
            action="store_true",
            help="also measure the pair's int8 copy, if there is one, and the lexicons, each in a process of its own",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, engine: str, data: Path, axis: Axis | None, **options: Any) -> None:
        if options["side_by_side"]:
            if engine == KEYWORD:
                raise CommandError("--side-by-side wants a pair of models: --engine NAME.")
            self._compare(engine, data=data, axis=axis, options=options)
            return
        before = resident_bytes()
        classifier, labels, labelled, axis = _load(engine, data=data, axis=axis, extra=options["extra_label"])
        try:
            report = evaluate(classifier, labelled.texts, labelled.truth, labels=labels)
            after = resident_bytes()
            latency = measure_latency(classifier, labelled.texts)
        except ModelInvalid as exc:  # it gives no numbers for one of these texts
            raise CommandError(exc.message) from exc
        memory = None if before is None or after is None else max(0, after - before)
        heading = {"engine": classifier.revision, "axis": axis, "data": data.name, "texts": len(labelled.texts)}
        if options["json"]:
            costs = {"latency_ms": asdict(latency), "memory_bytes": memory}
            self.stdout.write(json.dumps({**heading, "labels": labels, **asdict(report), **costs}, ensure_ascii=False))
            return
        self.stdout.write("{engine} on {texts} texts of {data}, {axis}".format(**heading))
        self.stdout.write(render(report))
        said = f"{memory / 1e6:,.0f} MB of memory taken" if memory is not None else "memory is not known here"
        self.stdout.write(f"one text alone: {latency.p50:.1f} ms, 95 % within {latency.p95:.1f} ms; {said}")

    def _compare(self, name: str, *, data: Path, axis: Axis | None, options: dict[str, Any]) -> None:
        _, labels, labelled, axis = _load(name, data=data, axis=axis, extra=options["extra_label"], is_dry=True)
        copy = registry.copy_name(name)
        names = [name, *([copy] if copy in registry.list_names() else []), KEYWORD]
        found = [_measure_apart(one, data=data, axis=axis, labels=labels) for one in names]
        if "error" in found[0]:
            raise CommandError(found[0]["error"])
        if options["json"]:
            heading = {"axis": axis, "data": data.name, "texts": len(labelled.texts), "labels": labels}
            self.stdout.write(json.dumps({**heading, "engines": found}, ensure_ascii=False))
            return
        self.stdout.write(f"{len(labelled.texts)} texts of {data.name}, {axis}")
        console = Console(highlight=False, no_color=options["no_color"] or None)
        console.width = max(console.width, WIDTH)
        with console.capture() as captured:
            console.print(_side_by_side([one for one in found if "error" not in one]))
        self.stdout.write(captured.get().rstrip())
        for one in found:
            self._write_confusion(one)

    def _write_confusion(self, found: dict[str, Any]) -> None:
        if "error" in found:
            self.stdout.write(self.style.ERROR(f"\n{found['name']}: {found['error']}"))
            return
        self.stdout.write(f"\n{found['engine']}")
        self.stdout.write("  true \\ said " + "".join(f"{label:>10}" for label in found["labels"]))
        for label, row in zip(found["labels"], found["confusion"], strict=True):
            self.stdout.write(f"  {label:<12}" + "".join(f"{count:>10}" for count in row))


def _load(
    name: str, *, data: Path, axis: Axis | None, extra: Sequence[str], is_dry: bool = False
) -> tuple[Classifier, tuple[str, ...], Labelled, Axis]:
    """Return a classifier (of the lexicons where `is_dry`), all labels it may say, and the articles."""
    try:
        axis = axis or find_axis(data)
        labels, classifier = LABELS[axis], KeywordClassifier(axis)
        if name != KEYWORD:
            model = registry.find_model(name, axis=axis)
            labels = tuple(dict.fromkeys([*labels, *model.labels]))
        labels = tuple(dict.fromkeys([*labels, *extra]))
        labelled = read_labelled(data, axis=axis, labels=labels)
        return classifier if name == KEYWORD or is_dry else load_model(model), labels, labelled, axis
    except (OSError, ValueError) as exc:
        raise CommandError(f"{data}: {exc.strerror if isinstance(exc, OSError) else exc}") from exc
    except ModelInvalid as exc:
        raise CommandError(exc.message) from exc


def _measure_apart(name: str, *, data: Path, axis: Axis, labels: Sequence[str]) -> dict[str, Any]:
    """Measure an engine in a process of its own, whose memory is its own too; {"error": …} where it cannot be."""
    extra = [f"--extra-label={label}" for label in labels]
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "evaluate_model", "--json", "--no-color"]
    done = subprocess.run(  # noqa: S603  our own program
        [*command, f"--engine={name}", f"--data={data}", f"--axis={axis}", *extra],
        env=os.environ | {"MODELS_DIR": str(settings.MODELS_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return {"name": name, "error": said.removeprefix("CommandError: ")}
    return {"name": name, **json.loads(done.stdout)}


def _side_by_side(found: Sequence[dict[str, Any]]) -> Table:
    table = Table(show_header=True)
    table.add_column("")
    for one in found:
        table.add_column(one["name"], justify="right", no_wrap=True)
    table.add_row("accuracy", *(_within(one["accuracy"], one["accuracy_interval"]) for one in found))
    table.add_row("macro-F1", *(_within(one["macro_f1"], one["interval"]) for one in found))
    for place, label in enumerate(found[0]["labels"]):
        scores = [one["classes"][place] for one in found]
        table.add_row(f"F1 of {label}", *(_within(score["f1"], score["f1_interval"]) for score in scores))
    table.add_row("calibration error", *(f"{one['calibration_error']:.3f}" for one in found), end_section=True)
    table.add_row("articles/s", *(f"{one['texts_per_second']:,.1f}" for one in found))
    for name in ("p50", "p95"):
        table.add_row(f"one text, {name}, ms", *(f"{one['latency_ms'][name]:.1f}" for one in found))
    table.add_row("memory taken, MB", *(_megabytes(one["memory_bytes"]) for one in found))
    return table


def _within(value: float, interval: Sequence[float]) -> str:
    return f"{value:.3f} \\[{interval[0]:.3f}, {interval[1]:.3f}]"


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:,.0f}"
