"""manage.py train_model: fine-tune a checkpoint on labelled articles into a pair of models."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlcore import registry
from mlcore.engine import load_model
from mlcore.errors import ModelInvalid
from mlcore.evaluate import evaluate
from mlcore.labelled import read_labelled
from mlcore.labels import LABELS
from mlcore.staging import places_of, staged_pair
from mlcore.types import AXES, Axis

if TYPE_CHECKING:
    from mlcore.splitting import Removed, Split
    from mlcore.training import Epoch, Plan

NEEDED: dict[Axis, tuple[str, ...]] = {"category": ("E", "S", "G"), "sentiment": LABELS["sentiment"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What one half is trained on."""

    axis: Axis
    file: Path
    labels: tuple[str, ...]  # that occur, in the vocabulary's order
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
        parser.add_argument("--sentiment", required=True, type=Path, metavar="FILE", help="title, description, sentiment")
        parser.add_argument("--base", required=True, type=Path, metavar="DIR", help="the checkpoint to begin with")
        parser.add_argument("--name", required=True, type=_name, help="of the new pair")
        parser.add_argument(
            "--extra-label", action="append", default=[], metavar="FIN", help="a category beside E, S, G and none"
        )
        parser.add_argument("--held-out", type=Path, metavar="DIR", help="keep the test parts here, for evaluate_model")
        parser.add_argument("--epochs", type=int, default=10, help="at most (10)")
        parser.add_argument("--patience", type=int, default=2, help="epochs without a better one before it stops (2)")
        parser.add_argument("--batch-size", type=int, default=16, help="texts a step (16)")
        parser.add_argument("--learning-rate", type=float, default=3e-5, help="(3e-5)")
        parser.add_argument("--seed", type=int, default=42, help="of the split and of the training (42)")

    def handle(self, *, base: Path, name: str, **options: Any) -> None:
        pass
