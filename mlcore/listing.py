"""The pairs under MODELS_DIR as an operator sees them: revision, labels, copies, validity. Loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore import registry
from mlcore.choice import active_name
from mlcore.errors import ModelInvalid
from mlcore.types import AXES, Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A pair's model of one axis; `reason` says why it cannot be used, then the rest is None or empty."""

    axis: Axis
    revision: str | None = None
    labels: tuple[str, ...] = ()
    architecture: str | None = None
    size_bytes: int | None = None
    stands_in: bool = False  # a copy that agrees well enough to answer in its original's place
    reason: str | None = None

    @property
    def is_valid(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairListing:
    """A pair as its files show it; what only shows when it is loaded, switch_model finds."""

    name: str
    original: str  # its own name, or of what it is a copy
    is_active: bool
    halves: tuple[Half, ...]
    copies: tuple[str, ...]  # names of its copies in other precisions

    @property
    def is_valid(self) -> bool:
        return all(half.is_valid for half in self.halves)

    @property
    def stands_in(self) -> bool:
        """Whether it answers in its original's place, where ML_PRECISION and the processor have it so."""
        return all(half.stands_in for half in self.halves)

    @property
    def is_copy(self) -> bool:
        return self.name != self.original


def list_pairs() -> list[PairListing]:
    """Return every pair, halves of pairs too; a copy after its original."""
    names = sorted(registry.list_names(), key=lambda name: (registry.original_name(name), name))
    active = active_name(is_fresh=True)
    return [
        PairListing(
            name=name,
            original=registry.original_name(name),
            is_active=name == active,
            halves=tuple(_look(name, axis=axis) for axis in AXES),
            copies=tuple(other for other in names if other.startswith(f"{name}@")),
        )
        for name in names
    ]


def _look(name: str, *, axis: Axis) -> Half:
    try:
        model = registry.find_usable(name, axis=axis)
        return Half(
            axis=axis,
            revision=model.revision,
            labels=model.labels,
            architecture=model.architecture,
            size_bytes=model.size,
            stands_in=_stands_in(name, axis=axis),
        )
    except ModelInvalid as exc:
        return Half(axis=axis, reason=exc.message)


def _stands_in(name: str, *, axis: Axis) -> bool:
    original = registry.original_name(name)
    if name != registry.copy_name(original):
        return False
    try:
        model = registry.find_model(original, axis=axis)
    except ModelInvalid:
        return False
    return registry.find_stand_in(model, name=original) is not None
