"""Files of articles that people have labelled, to measure a classifier on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcore.labels import korean
from mlcore.types import Axis

COLUMNS: dict[Axis, str] = {"category": "esg", "sentiment": "sentiment"}
SUMMARY_CHARS = 200  # about as much of a description as a provider gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Texts and what they truly are, in parallel."""

    texts: tuple[str, ...]
    truth: tuple[str, ...]


def text_of(title: str, description: str | None) -> str:
    """Return what a classifier reads of an article: the title and the beginning of its description."""
    return f"{title} {(description or '')[:SUMMARY_CHARS]}".strip()


def find_axis(path: Path) -> Axis:
    """Return which axis a file is labelled for, by the columns of its first article. Raises as `read_labelled`."""
    row: Mapping[str, object] = next(_read_rows(path), {})
    return next((axis for axis, column in COLUMNS.items() if column in row), "category")


def read_labelled(path: Path, *, axis: Axis, labels: Sequence[str]) -> Labelled:
    """Read a file of articles: CSV by its name, else JSONL; title, description or lead, esg or sentiment.

    A label is a code of `labels` or the Korean word shown for it. Raises OSError; ValueError saying what is wrong.
    """
    codes = {spelling: label for label in labels for spelling in (label, korean(label))}
    texts, truth = [], []
    for number, row in enumerate(_read_rows(path), start=1):
        try:
            truth.append(_read_label(row, column=COLUMNS[axis], codes=codes))
            texts.append(_read_text(row))
        except ValueError as exc:
            raise ValueError(f"article {number}: {exc}") from exc
    if not texts:
        raise ValueError("it holds no articles")
    return Labelled(texts=tuple(texts), truth=tuple(truth))


def write_labelled(path: Path, labelled: Labelled, *, axis: Axis) -> None:
    """Write texts and labels as `read_labelled` reads them, the whole text as the title. Raises OSError."""
    rows = ({"title": text, COLUMNS[axis]: label} for text, label in zip(labelled.texts, labelled.truth, strict=True))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_texts(path: Path) -> tuple[str, ...]:
    """Read the texts alone: a .txt holds one a line, other files articles as `read_labelled` reads, labelled or not.

    Raises OSError; ValueError saying what is wrong.
    """
    texts = tuple(text for text in _read_each(path) if text)
    if not texts:
        raise ValueError("it holds no texts")
    return texts


def _read_each(path: Path) -> Iterator[str]:
    if path.suffix.lower() == ".txt":
        try:
            yield from (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
        except UnicodeDecodeError as exc:
            raise ValueError("it is not UTF-8") from exc
        return
    for number, row in enumerate(_read_rows(path), start=1):
        try:
            yield _read_text(row)
        except ValueError as exc:
            raise ValueError(f"article {number}: {exc}") from exc


def _read_rows(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            if path.suffix.lower() == ".csv":
                yield from csv.DictReader(file)
            else:
                yield from (_read_object(line) for line in file if line.strip())
        except UnicodeDecodeError as exc:
            raise ValueError("it is not UTF-8") from exc
        except csv.Error as exc:
            raise ValueError(f"it is not CSV: {exc}") from exc


def _read_object(line: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except ValueError as exc:
        raise ValueError(f"not JSON: {line.strip()[:40]}") from exc
    if not isinstance(row, dict):
        raise ValueError(f"not an object: {line.strip()[:40]}")
    return row


def _read_label(row: Mapping[str, object], *, column: str, codes: Mapping[str, str]) -> str:
    if column not in row:
        raise ValueError(f"no column {column!r}, only {', '.join(map(str, row))}")
    label = str(row[column]).strip()
    if label not in codes:
        raise ValueError(f"unknown label {label!r}, known are {', '.join(codes)}")
    return codes[label]


def _read_text(row: Mapping[str, object]) -> str:
    if "title" not in row:
        raise ValueError(f"no column 'title', only {', '.join(map(str, row))}")
    description = row.get("description") or row.get("lead")
    return text_of(str(row["title"] or ""), str(description) if description else None)
