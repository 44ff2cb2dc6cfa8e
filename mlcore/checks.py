"""System checks: is each axis answered by the model asked for? Looks at its files and loads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.utils import translation

from mlcore.choice import active_name
from mlcore.engine import active_model
from mlcore.errors import ModelInvalid
from mlcore.types import AXES


@checks.register()
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """W001: keywords stand in for a model. W002: they would, but MLCORE_FALLBACK is off: analyses are refused.

    W003: MODEL_NAME names another pair than the one that was switched to, which goes on.
    """
    messages: list[checks.CheckMessage] = []
    if (active := active_name()) != settings.MODEL_NAME:
        said = f"{active} is active, by switch_model; MODEL_NAME={settings.MODEL_NAME} is not heeded."
        hint = f"`manage.py switch_model {settings.MODEL_NAME}` makes it so; or set MODEL_NAME={active}."
        messages.append(checks.Warning(said, hint=hint, id="mlcore.W003"))
    for axis in AXES:
        try:
            active_model(axis)
        except ModelInvalid as exc:
            hint = f"MODELS_DIR is {settings.MODELS_DIR}; `manage.py list_models` shows what is there."
            with translation.override("en"):  # as all that a check says
                why = exc.message
            if settings.MLCORE_FALLBACK:
                said = f"{axis} is judged by keywords: {why}"
                messages.append(checks.Warning(said, hint=hint, id="mlcore.W001"))
            else:
                said = f"{axis} cannot be judged, and MLCORE_FALLBACK is off: {why}"
                messages.append(checks.Warning(said, hint=hint, id="mlcore.W002"))
    return messages
