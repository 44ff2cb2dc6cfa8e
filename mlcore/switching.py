"""Switching to another pair of models: tried in this process, then chosen for all of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from mlcore import choice, registry
from mlcore.pair import load_model
from mlcore.types import AXES, Axis
from newsservice.errors import DomainError

logger = logging.getLogger(__name__)

SMOKE_TEXTS = (
    "삼성전자가 올해 3분기 영업이익이 크게 늘었다고 밝혔다.",
    "공장 폐수를 무단 방류한 업체에 과징금이 부과됐다.",
    "",
    "Shares rose 3%.",
    "노조가 파업에 들어가 " * 200,
)


class NoFormerPair(DomainError):
    """A rollback, and nothing was switched from."""

    code = "NO_FORMER_MODELS"
    status = 409
    text = _("There is no former pair of models to go back to.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What was made of a choice."""

    name: str
    former: str
    revisions: dict[Axis, str]


def switch_models(name: str) -> Switch:
    """Load a pair and try it on texts, then make it the active one of all processes.

    They take it up within seconds, each while the pair before answers. Raises ModelInvalid, and changes nothing.
    """
    return _choose(name, try_models(name))


def roll_back() -> Switch:
    """Make the former pair the active one again; it was tried before, so only its files are looked at.

    Raises NoFormerPair, ModelInvalid.
    """
    name = choice.current_choice().former
    if not name:
        raise NoFormerPair
    return _choose(name, {axis: registry.find_usable(name, axis=axis).revision for axis in AXES})


def try_models(name: str) -> dict[Axis, str]:
    """Load a pair and try it on texts; return its revisions. Raises ModelInvalid."""
    return {axis: _try(name, axis=axis) for axis in AXES}


def _try(name: str, *, axis: Axis) -> str:
    model = registry.find_usable(name, axis=axis)
    classifier = load_model(model, stand_in=registry.find_stand_in(model, name=name))
    classifier.predict(SMOKE_TEXTS)
    return classifier.revision


def _choose(name: str, revisions: dict[Axis, str]) -> Switch:
    former = choice.choose(name)
    logger.info("models: %s is chosen, after %s", name, former)
    return Switch(name=name, former=former, revisions=revisions)
