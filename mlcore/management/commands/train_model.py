"""manage.py train_model: fine-tune a checkpoint on labelled articles into a pair of models."""

from __future__ import annotations

import logging
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlcore import registry
from mlcore.errors import ModelInvalid
from mlcore.evaluate import evaluate
from mlcore.labelled import read_labelled, write_labelled
from mlcore.labels import LABELS
from mlcore.modelcard import Card
from mlcore.pair import load_model
from mlcore.staging import ended_by_sigterm, places_of, staged_pair
from mlcore.types import AXES, Axis

if TYPE_CHECKING:
    from mlcore.splitting import Removed, Split
    from mlcore.training import Epoch, Plan

# A model that lacks one of these is refused where it is to be used.
NEEDED: dict[Axis, tuple[str, ...]] = {"category": ("E", "S", "G"), "sentiment": LABELS["sentiment"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What one half is trained on."""

    axis: Axis
    file: Path
    labels: tuple[str, ...]  # that occur, in the order of the vocabulary
    parts: Split
    removed: Removed


class Command(BaseCommand):
    help = (
        "Fine-tune a checkpoint (a directory as save_pretrained writes it, with or without a classification head) on "
        "labelled articles, JSONL or CSV as evaluate_model reads them, and write the pair NAME under MODELS_DIR."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--category", required=True, type=Path, metavar="FILE", help="title, description, esg")
        parser.add_argument(
            "--sentiment", required=True, type=Path, metavar="FILE", help="title, description, sentiment"
        )
        parser.add_argument("--base", required=True, type=Path, metavar="DIR", help="the checkpoint to begin with")
        parser.add_argument("--name", required=True, type=_name, help="of the new pair")
        parser.add_argument(
            "--extra-label", action="append", default=[], metavar="FIN", help="a category beside E, S, G and none"
        )
        parser.add_argument(
            "--held-out", type=Path, metavar="DIR", help="keep the test parts here, for evaluate_model"
        )
        parser.add_argument("--epochs", type=_positive, default=10, help="at most (10)")
        parser.add_argument(
            "--patience", type=_positive, default=2, help="epochs without a better one before it stops (2)"
        )
        parser.add_argument("--batch-size", type=_positive, default=16, help="texts a step (16)")
        parser.add_argument("--learning-rate", type=_rate, default=3e-5, help="(3e-5)")
        parser.add_argument("--seed", type=int, default=42, help="of the split and of the training (42)")

    def handle(self, *, base: Path, name: str, **options: Any) -> None:
        if options["verbosity"] < 2:
            logging.getLogger().setLevel(logging.WARNING)
        _check(base, name=name)
        from mlcore.training import Plan

        plan = Plan(
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            patience=options["patience"],
            seed=options["seed"],
            threads=settings.TORCH_NUM_THREADS,
        )
        extra = tuple(options["extra_label"])
        materials = [
            _read(options[axis], axis=axis, extra=extra if axis == "category" else (), seed=plan.seed) for axis in AXES
        ]
        console = Console(stderr=True, highlight=False, no_color=options["no_color"] or None)
        for material in materials:
            console.print(_describe(material), soft_wrap=True)
        try:
            if options["held_out"]:  # first: a place that cannot be written to costs no training
                _keep_test_parts(materials, options["held_out"])
            with ended_by_sigterm():
                self._train(materials, base=base, name=name, plan=plan, console=console)
        except ModelInvalid as exc:
            raise CommandError(f"{exc.message} No model was written.") from exc
        except MemoryError as exc:
            reason = f"No memory for {plan.batch_size} texts a step ({exc}): try a smaller --batch-size."
            raise CommandError(f"{reason} No model was written.") from exc
        except OSError as exc:
            raise CommandError(f"{exc.filename or settings.MODELS_DIR}: {exc.strerror or exc}") from exc
        self.stdout.write(self.style.SUCCESS(f"{name} is in {settings.MODELS_DIR}."))

    def _train(self, materials: Sequence[Material], *, base: Path, name: str, plan: Plan, console: Console) -> None:
        """Train both halves; they appear under MODELS_DIR together. Raises ModelInvalid, MemoryError, OSError."""
        with staged_pair(name) as halves:
            for material in materials:
                card = _train_half(
                    material, base=base, target=halves[material.axis], name=name, plan=plan, console=console
                )
                low, high = card.report.interval
                self.stdout.write(
                    f"{material.axis}: macro-F1 {card.report.macro_f1:.3f} [{low:.3f}, {high:.3f}] on "
                    f"{len(material.parts.test.texts)} texts it has not seen, after epoch {card.training.best_epoch}"
                )


def _check(base: Path, *, name: str) -> None:
    """Refuse what can be refused at once. Raises CommandError."""
    try:
        from mlcore.training import check_base

        check_base(base)
    except ImportError as exc:
        raise CommandError(f"{exc.name} is not installed: pip install -r requirements/train.txt") from exc
    except ModelInvalid as exc:
        raise CommandError(exc.message) from exc
    if taken := [place for place in places_of(name).values() if place.exists()]:
        raise CommandError(f"{taken[0]} is there already: choose another name, or remove it.")


def _train_half(material: Material, *, base: Path, target: Path, name: str, plan: Plan, console: Console) -> Card:
    from mlcore.training import train

    target.mkdir()
    with _progress(console) as progress:
        bar = progress.add_task(material.axis, total=None)

        def watch(done: int, steps: int, epoch: Epoch | None) -> None:
            progress.update(bar, completed=done, total=steps)
            if epoch:
                said = f"{material.axis} epoch {epoch.number}/{plan.epochs}"
                progress.console.print(f"{said}: loss {epoch.loss:.3f}, macro-F1 {epoch.macro_f1:.3f} on validation")

        training = train(material.parts, labels=material.labels, base=base, target=target, plan=plan, watch=watch)
    model = registry.Model(
        axis=material.axis, directory=target, labels=material.labels, architecture=training.architecture, files=()
    )
    test = material.parts.test
    report = evaluate(load_model(model), test.texts, test.truth, labels=material.labels)
    card = Card(
        name=name,
        axis=material.axis,
        labels=material.labels,
        data=material.file.name,
        base=base.resolve().name,
        removed=material.removed,
        parts=material.parts,
        plan=plan,
        training=training,
        report=report,
    )
    card.write(target)
    return card


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def _read(file: Path, *, axis: Axis, extra: tuple[str, ...], seed: int) -> Material:
    from mlcore.splitting import remove_duplicates, split

    try:
        labels = tuple(dict.fromkeys([*LABELS[axis], *extra]))
        labelled, removed = remove_duplicates(read_labelled(file, axis=axis, labels=labels))
        parts = split(labelled, needed=NEEDED[axis], seed=seed)
    except (OSError, ValueError) as exc:
        raise CommandError(f"{file}: {exc.strerror if isinstance(exc, OSError) else exc}") from exc
    occurring = tuple(label for label in labels if label in labelled.truth)
    return Material(axis=axis, file=file, labels=occurring, parts=parts, removed=removed)


def _describe(material: Material) -> str:
    parts, removed = material.parts, material.removed
    return (
        f"{material.axis}: {len(parts.train.texts)} texts to learn from, {len(parts.validation.texts)} to stop by, "
        f"{len(parts.test.texts)} to measure on; removed {removed.duplicates} duplicates, {removed.contradictions} "
        f"with contradictory labels, {removed.empty} empty"
    )


def _keep_test_parts(materials: Sequence[Material], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for material in materials:
        write_labelled(directory / f"{material.axis}.jsonl", material.parts.test, axis=material.axis)


def _name(text: str) -> str:
    if text == "keyword" or text != Path(text).name or text.startswith(".") or "@" in text:
        raise ArgumentTypeError("a directory's name without '@' and not beginning with a dot; 'keyword' is taken")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("use a whole number from 1")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1:
        raise ArgumentTypeError("use a number between 0 and 1")
    return rate
