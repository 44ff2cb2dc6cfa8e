"""What can go wrong with models.

DomainError (newsservice.errors)
├── ModelInvalid        one directory cannot be used; answered by keywords unless MLCORE_FALLBACK is off
└── ModelsUnavailable   MLCORE_FALLBACK is off and an axis has no usable model
"""

from __future__ import annotations

from pathlib import Path

from django.utils.translation import gettext_lazy as _

from mlcore.types import Axis
from newsservice.errors import DomainError


class ModelInvalid(DomainError):
    """A model directory that cannot be used; `reason` is one line for an operator."""

    code = "MODEL_INVALID"
    status = 503
    text = _("Model %(model)s cannot be used: %(reason)s.")

    def __init__(self, directory: Path, *, reason: str) -> None:
        super().__init__(model=directory.name, reason=reason)
        self.directory = directory


class ModelsUnavailable(DomainError):
    """An axis has no usable model and keywords are not allowed to stand in."""

    code = "MODELS_UNAVAILABLE"
    status = 503
    text = _("No usable model for %(axis)s, and MLCORE_FALLBACK is off: %(reason)s.")

    def __init__(self, *, axis: Axis, reason: str) -> None:
        super().__init__(axis=axis, reason=reason)
