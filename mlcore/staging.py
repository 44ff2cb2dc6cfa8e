"""A pair of models is written aside and appears under MODELS_DIR whole, or not at all."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from mlcore.types import AXES, Axis

READABLE = 0o644

Halves = dict[Axis, Path]


def places_of(name: str) -> Halves:
    """Return where the halves of a pair lie, whether they are there or not."""
    return {axis: Path(settings.MODELS_DIR) / f"{name}_{axis}" for axis in AXES}


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the program as an exception does: what was written aside is removed. For the main thread."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def staged_pair(name: str) -> Iterator[Halves]:
    """Give a place for each half of a pair; both take their names, and the place of an older pair, after the block.

    An exception leaves MODELS_DIR as it was. Raises OSError.
    """
    root = Path(settings.MODELS_DIR)
    root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}.", dir=root, ignore_cleanup_errors=True) as aside:
        staged = {axis: Path(aside) / f"new_{axis}" for axis in AXES}
        yield staged
        for half in staged.values():
            _flush(half)
        _exchange(staged, places_of(name), former={axis: Path(aside) / f"old_{axis}" for axis in AXES})


def _exchange(staged: Halves, places: Halves, *, former: Halves) -> None:
    """Move what is there aside and the new halves in; take every move back if one fails."""
    moves = [(places[axis], former[axis]) for axis in AXES if places[axis].exists()]
    moves += [(staged[axis], places[axis]) for axis in AXES]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            target.rename(source)
        raise


def _flush(directory: Path) -> None:
    """Have the disk hold what was written, for a rename must not outlive the content; let whoever serves read it."""
    for path in directory.iterdir():
        path.chmod(READABLE)  # safetensors writes for its owner alone
        with path.open("rb+") as file:
            os.fsync(file.fileno())
