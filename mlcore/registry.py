"""Which models lie under MODELS_DIR, and whether their files are in order. Reads files only: no torch.

A pair is `{name}_category` and `{name}_sentiment`, each as `save_pretrained` writes it, with an optional
label_encoder.json. What only shows when the weights are read is for transformer.py to refuse; what the files alone
show of it (stored.py) is asked where people choose a pair, not where a request names what answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from mlcore.digests import digest_of
from mlcore.errors import ModelInvalid
from mlcore.labels import map_labels
from mlcore.stored import check_weights, find_fault
from mlcore.types import AXES, Axis

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
METRICS = "metrics.json"  # of a model trained here, written by train_model
COPY_FACTS = "quantization.json"  # of a copy, written by who made it
COPY = "int8"  # a copy is called NAME@int8
STAND_IN_AGREEMENT = 0.99  # with its original in float32, of a copy that answers in the original's place
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it was when it was looked at: changed content has another size or time."""

    path: Path
    size: int  # bytes
    modified_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One classifier on disk, its files in order."""

    axis: Axis
    directory: Path
    labels: tuple[str, ...]  # codes of mlcore.labels, by the index of the model's output
    architecture: str  # as transformers calls it: "roberta"
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def revision(self) -> str:
        """Name and content, "test123_category@9f3c1a2b4d5e": changes with any file and with the labels.

        Reads every file once, large ones once for all processes. Raises ModelInvalid where one cannot be read.
        """
        digest = hashlib.sha256(repr(self.labels).encode())
        try:
            for file in self.files:
                digest.update(f"\0{file.path.name}\0{_digest(file)}".encode())
        except OSError as exc:
            raise ModelInvalid(self.directory, reason=_said(exc), is_transient=True) from exc
        return f"{self.directory.name}@{digest.hexdigest()[:12]}"


PairFiles = dict[Axis, tuple[File, ...]]


def list_names() -> list[str]:
    """Return the names of all pairs and halves of pairs under MODELS_DIR, valid or not."""
    root = Path(settings.MODELS_DIR)
    if not root.is_dir():
        return []
    endings = tuple(f"_{axis}" for axis in AXES)
    found = {path.name.rpartition("_")[0] for path in root.iterdir() if path.name.endswith(endings)}
    return sorted(found - {""})


def find_model(name: str, *, axis: Axis) -> Model:
    """Return the named pair's model of an axis. Raises ModelInvalid, saying what is wrong with its files."""
    directory = Path(settings.MODELS_DIR) / f"{name}_{axis}"
    if not is_name(name):
        raise ModelInvalid(directory, reason=f"{name!r} is not a model's name")
    with _refusing(directory):
        return _inspect(directory, _files(directory), axis, tuple(settings.MODEL_LABELS[axis]))


def find_usable(name: str, *, axis: Axis) -> Model:
    """Return a pair's model that may be made active. Raises ModelInvalid.

    Its files must not show that it can never be loaded, and a copy must agree with its original.
    """
    model = _find_agreeing(name, axis=axis)
    with _refusing(model.directory):
        fault = _find_fault(model)
    if fault:
        raise ModelInvalid(model.directory, reason=fault)
    return model


def _find_agreeing(name: str, *, axis: Axis) -> Model:
    model = find_model(name, axis=axis)
    if is_copy(name):
        facts = _read_facts(model)
        _check_agreement(model, facts.get("agreement"))
        _check_original(model, facts.get("revision"), original=original_name(name))
    return model


def find_stand_in(model: Model, *, name: str) -> Model | None:
    """Return the copy of the named pair's model that may answer in its place; None where none agrees well enough."""
    if is_copy(name):
        return None
    try:
        copy = _find_agreeing(copy_name(name), axis=model.axis)
        facts = _read_facts(copy)
        is_its_own = facts.get("revision") == model.revision
    except ModelInvalid:
        return None
    return copy if is_its_own and facts["agreement"] >= STAND_IN_AGREEMENT else None


def copy_name(name: str) -> str:
    """Return what the int8 copy of a pair is called."""
    return f"{name}@{COPY}"


def original_name(name: str) -> str:
    """Return whose copy it is: "test123" of "test123@int8"; an original is its own."""
    return name.partition("@")[0]


def is_copy(name: str) -> bool:
    return "@" in name


def _read_facts(model: Model) -> dict[str, Any]:
    """Return what optimize_models measured of a copy."""
    try:
        facts = _read_json(model.directory / COPY_FACTS)
    except (ValueError, OSError) as exc:
        raise ModelInvalid(model.directory, reason=f"{COPY_FACTS} does not say how it agrees: {exc}") from exc
    return facts if isinstance(facts, dict) else {}


def _check_agreement(model: Model, agreement: object) -> None:
    """Refuse a copy that judges too few texts as its original does."""
    if isinstance(agreement, bool) or not isinstance(agreement, int | float) or not 0 <= agreement <= 1:
        raise ModelInvalid(model.directory, reason=f"{COPY_FACTS} has no agreement between 0 and 1")
    if agreement < settings.MIN_COPY_AGREEMENT:
        said = f"it agrees with the original on {agreement:.2%} of texts, MIN_COPY_AGREEMENT is"
        raise ModelInvalid(model.directory, reason=f"{said} {settings.MIN_COPY_AGREEMENT:.2%}")


def _check_original(model: Model, revision: object, *, original: str) -> None:
    """Refuse a copy of what its original was before; one whose original is gone stands for itself."""
    try:
        now = find_model(original, axis=model.axis).revision
    except ModelInvalid:
        return
    if isinstance(revision, str) and revision != now:
        reason = f"it is a copy of {revision}, which is {now} now: run optimize_models {original} again"
        raise ModelInvalid(model.directory, reason=reason)


@contextmanager
def _refusing(directory: Path) -> Iterator[None]:
    """Turn what is not in order with a model's files into ModelInvalid."""
    try:
        yield
    except OSError as exc:
        raise ModelInvalid(directory, reason=_said(exc), is_transient=True) from exc
    except ValueError as exc:
        raise ModelInvalid(directory, reason=str(exc)) from exc


@lru_cache(maxsize=64)
def _find_fault(model: Model) -> str | None:
    """See stored.find_fault, once until a file changes: a tokenizer may be megabytes."""
    return find_fault(model.directory)


@lru_cache(maxsize=64)
def _inspect(directory: Path, files: tuple[File, ...], axis: Axis, given: tuple[str, ...]) -> Model:
    """Look into the files, once until one changes. Raises ValueError or OSError for what is not in order."""
    names = [file.path.name for file in files]
    config = _read_json(directory / "config.json")
    if not isinstance(config, dict):
        raise ValueError("config.json is not an object")
    if "auto_map" in config:
        raise ValueError("it needs code of its own, which is never run")
    if not any(name in names for name in TOKENIZERS):
        raise ValueError("it has no tokenizer (tokenizer.json or vocab.txt)")
    if not (weights := next((name for name in WEIGHTS if name in names), None)):
        raise ValueError(f"it has no weights ({' or '.join(WEIGHTS)})")
    check_weights(directory / weights)
    return Model(
        axis=axis,
        directory=directory,
        labels=_read_labels(directory, config, axis=axis, given=given),
        architecture=str(config.get("model_type", "unknown")),
        files=files,
    )


def _read_labels(directory: Path, config: dict[str, Any], *, axis: Axis, given: Sequence[str]) -> tuple[str, ...]:
    """Map what label_encoder.json, else id2label says; where that says nothing, the given names."""
    own = directory / "label_encoder.json"
    # Two nameless classes are transformers' default, which it leaves out.
    classes = _by_index(config.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"}), source="id2label")
    names = _by_index(_read_json(own), source=own.name) if own.is_file() else classes
    if len(names) != len(classes):
        raise ValueError(f"{own.name} names {len(names)} labels, the model has {len(classes)}")
    try:
        return map_labels(names, axis=axis)
    except ValueError:
        if not given:
            raise
    if len(given) != len(classes):
        setting = f"MODEL_LABELS_{axis.upper()}"
        raise ValueError(f"{setting} names {len(given)} labels, the model has {len(classes)}")
    return map_labels(given, axis=axis)


def _by_index(entries: object, *, source: str) -> list[str]:
    """Return label names in order from a list, {index: name} or {name: index}."""
    if isinstance(entries, list):
        entries = dict(enumerate(entries))
    if not isinstance(entries, dict):
        raise ValueError(f"{source} is neither a list nor an object")
    if entries and all(isinstance(value, int) for value in entries.values()):
        entries = {index: name for name, index in entries.items()}
    by_index = {str(index): str(name) for index, name in entries.items()}
    if set(by_index) != {str(index) for index in range(len(entries))}:
        raise ValueError(f"{source} does not number its labels 0, 1, 2 and so on")
    return [by_index[str(index)] for index in range(len(by_index))]


def files_of(name: str) -> PairFiles:
    """Return the files of both models of a pair, by axis, with those of a copy that may answer in its place.

    None where there is no such directory.
    """
    found = {axis: _files_if_any(name, axis=axis) for axis in AXES}
    if not is_copy(name):
        found = {axis: files and files + _files_if_any(copy_name(name), axis=axis) for axis, files in found.items()}
    return found


def _files_if_any(name: str, *, axis: Axis) -> tuple[File, ...]:
    try:
        return _files(Path(settings.MODELS_DIR) / f"{name}_{axis}") if is_name(name) else ()
    except (OSError, ValueError):
        return ()


def is_name(name: str) -> bool:
    """Whether it may be the name of a pair, rather than a way to another directory."""
    return bool(name) and name == Path(name).name and "\0" not in name


def _read_json(path: Path) -> object:
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"{path.name} is not JSON") from exc


def _files(directory: Path) -> tuple[File, ...]:
    """Return the directory's own files in order: no hidden ones, nothing below it."""
    if not directory.exists():
        raise ValueError("there is no such directory")
    if not directory.is_dir():
        raise ValueError("it is not a directory")
    with os.scandir(directory) as entries:
        found = {entry.name: entry.stat() for entry in entries if entry.is_file()}
    if not found:
        raise ValueError("the directory is empty")
    return tuple(
        File(path=directory / name, size=found[name].st_size, modified_at_ns=found[name].st_mtime_ns)
        for name in sorted(found)
        if not name.startswith(".")
    )


@lru_cache(maxsize=1024)
def _digest(file: File) -> str:
    return digest_of(file.path, size=file.size, modified_at_ns=file.modified_at_ns)


def _said(exc: OSError) -> str:
    return f"{Path(str(exc.filename)).name}: {exc.strerror}" if exc.filename else str(exc)
