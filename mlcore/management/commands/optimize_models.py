"""manage.py optimize_models: an int8 copy of a pair beside it, smaller and faster, and how far it agrees."""

from __future__ import annotations

import json
import logging
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from mlcore import registry
from mlcore.labelled import read_texts
from mlcore.optimize import PairReport, bundled_texts, optimize_models, split_texts
from mlcore.staging import ended_by_sigterm
from mlcore.switching import switch_models
from newsservice.errors import DomainError


class Command(BaseCommand):
    help = (
        "Write an int8 copy of the pair NAME beside it, NAME@int8, and print how it compares: size, speed, how often "
        "it judges as the original does in float32. An older copy is replaced. One that judges 99 % of texts alike "
        "answers in the original's place where the processor multiplies int8; another is switched to as any pair is."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--texts",
            type=Path,
            metavar="FILE",
            help="what it is to read: .txt with one text a line, or articles as evaluate_model reads them, labelled "
            "or not; left out: bundled invented ones",
        )
        parser.add_argument("--activate", action="store_true", help="switch to the copy if it agrees well enough")
        parser.add_argument(
            "--min-agreement",
            type=_share,
            metavar="SHARE",
            help="of texts that both must judge alike for --activate; never less than MIN_COPY_AGREEMENT, the default",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, name: str, texts: Path | None, **options: Any) -> None:
        if options["verbosity"] < 2:
            logging.getLogger().setLevel(logging.WARNING)
        report = self._optimize(name, texts=_read(texts), no_color=options["no_color"])
        least = max(options["min_agreement"] or 0, settings.MIN_COPY_AGREEMENT)
        if not options["json"]:
            self._write_table(report, no_color=options["no_color"])
        if options["activate"]:
            _activate(report, least=least)
        if options["json"]:
            said = {**_describe(report), "min_agreement": least, "is_active": options["activate"]}
            self.stdout.write(json.dumps(said, ensure_ascii=False))
        elif options["activate"]:
            self.stdout.write(self.style.SUCCESS(f"{report.name} is active."))
        elif report.agreement < least:
            self.stdout.write(self.style.WARNING(_disagreement(report, least=least)))
        elif report.agreement < registry.STAND_IN_AGREEMENT:
            wanted = f"{registry.STAND_IN_AGREEMENT:.0%}"
            self.stdout.write(f"Under {wanted}: only `manage.py switch_model {report.name}` has it answer.")
        else:
            where = "the processor multiplies int8 and ML_PRECISION is auto"
            self.stdout.write(f"It answers in the place of {report.original} where {where}.")

    def _optimize(self, name: str, *, texts: Sequence[str], no_color: bool) -> PairReport:
        console = Console(stderr=True, highlight=False, no_color=no_color or None)
        try:
            with ended_by_sigterm(), console.status(name) as status:
                return optimize_models(name, texts=texts, watch=status.update)
        except DomainError as exc:
            raise CommandError(f"{exc.message} Nothing was written.") from exc
        except OSError as exc:
            raise CommandError(f"{settings.MODELS_DIR}: {exc.strerror or exc}. Nothing was written.") from exc

    def _write_table(self, report: PairReport, *, no_color: bool) -> None:
        table = Table(title=f"{report.name}, beside {report.original}", title_justify="left", title_style="bold")
        for heading in ("", "MB", "articles/s", "agreement", "drift, mean", "drift, most"):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
        for half in report.halves:
            for what, side in (("original", half.original), ("copy", half.copy)):
                is_copy = side is half.copy
                table.add_row(
                    f"{half.axis}, {what} ({side.precision}, {side.device})",
                    f"{side.size_bytes / 1e6:,.1f}",
                    f"{side.texts_per_second:,.1f}",
                    f"{half.agreement:.1%}" if is_copy else "",
                    f"{half.drift_mean:.4f}" if is_copy else "",
                    f"{half.drift_max:.4f}" if is_copy else "",
                    end_section=is_copy,
                )
        console = Console(highlight=False, no_color=no_color or None)
        console.width = max(console.width, 100)
        with console.capture() as captured:
            console.print(table)
        self.stdout.write(captured.get().rstrip())
        half = report.halves[0]
        parts = f"Measured on {half.measured_texts} texts; {half.calibrated_texts} others decided the ranges"
        self.stdout.write(f"{parts} of its layers.")


def _read(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return bundled_texts()
    try:
        texts = read_texts(file)
        split_texts(texts)
    except (OSError, ValueError) as exc:
        raise CommandError(f"{file}: {exc.strerror if isinstance(exc, OSError) else exc}") from exc
    return texts


def _activate(report: PairReport, *, least: float) -> None:
    if report.agreement < least:
        raise CommandError(f"{_disagreement(report, least=least)} {report.original} was not switched from.")
    try:
        switch_models(report.name)
    except DomainError as exc:
        raise CommandError(f"{exc.message} The copy was written, and not switched to.") from exc


def _disagreement(report: PairReport, *, least: float) -> str:
    said = f"{report.name} agrees with the original on {report.agreement:.2%} of texts, {least:.2%} are wanted:"
    if report.agreement < settings.MIN_COPY_AGREEMENT:
        return f"{said} it is kept, but cannot be switched to."
    return f"{said} it is kept; `manage.py switch_model {report.name}` would take it, by MIN_COPY_AGREEMENT."


def _describe(report: PairReport) -> dict[str, Any]:
    return {**asdict(report), "agreement": report.agreement}


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ArgumentTypeError("use a number between 0 and 1")
    return share
