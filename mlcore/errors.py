"""What can go wrong with models.

DomainError (newsservice.errors)
├── ModelInvalid        one directory cannot be used; answered by keywords unless MLCORE_FALLBACK is off
├── ModelsUnavailable   MLCORE_FALLBACK is off and an axis has no usable model
├── TextRefused         a model gives no numbers for one text, and MLCORE_FALLBACK is off
└── InferenceTimeout    the models did not get to a caller's texts in INFERENCE_TIMEOUT seconds
"""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from mlcore.types import Axis
from newsservice.errors import DomainError


class ModelInvalid(DomainError):
    """A model directory that cannot be used; `reason` is one line for an operator.

    `is_transient`: memory or a disk was short, so that the same files may well be loaded a minute later.
    """

    code = "MODEL_INVALID"
    status = 503
    text = _("Model %(model)s cannot be used: %(reason)s.")

    def __init__(self, directory: Path, *, reason: str, is_transient: bool = False) -> None:
        super().__init__(model=directory.name, reason=reason)
        self.directory = directory
        self.is_transient = is_transient


class ModelsUnavailable(DomainError):
    """An axis has no usable model and keywords are not allowed to stand in."""

    code = "MODELS_UNAVAILABLE"
    status = 503
    text = _("No usable model for %(axis)s, and MLCORE_FALLBACK is off: %(reason)s.")

    def __init__(self, *, axis: Axis, reason: str) -> None:
        super().__init__(axis=axis, reason=reason)


class TextRefused(DomainError):
    """A sound model gives NaN or infinity, or has no room, for one text; its neighbours have their answers."""

    code = "TEXT_REFUSED"
    status = 503
    text = _("Model %(model)s gives no numbers for a text.")

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model)


class InferenceTimeout(DomainError):
    """More waits for the models than they can read in time."""

    code = "INFERENCE_TIMEOUT"
    status = 503
    text = _("The models did not answer within %(seconds)s seconds: too much waits for them.")

    def __init__(self, *, seconds: float) -> None:
        super().__init__(seconds=f"{seconds:g}", retry_after=max(1, round(seconds)))
