"""Which pair of models classifies: the choice of an operator, in one row for all processes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Choice(models.Model):
    """The row, once anybody chose; `name` is empty, and MODEL_NAME decides, until a switch succeeded."""

    THE_ROW = 1

    name = models.CharField(_("active"), max_length=200, blank=True)
    former = models.CharField(_("former"), max_length=200, blank=True)  # what a rollback goes back to
    switched_at = models.DateTimeField(_("switched"), null=True, blank=True)

    class Meta:
        verbose_name = _("choice of models")
        verbose_name_plural = _("choice of models")
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(pk=1), name="one_choice")]

    def __str__(self) -> str:
        return self.name or "MODEL_NAME"
