"""Distributions and labels as small pictures with their numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

WORDS = {
    "E": _("E environment"),
    "S": _("S social"),
    "G": _("G governance"),
    "none": _("other"),
    "positive": _("positive"),
    "neutral": _("neutral"),
    "negative": _("negative"),
}
NOTHING = "–"


def word(label: str) -> str:
    """Return what a reader calls a label; one that a model brought along stands for itself."""
    return str(WORDS.get(label, label))


def draw_bar(counts: Mapping[str, int]) -> SafeString | str:
    """Draw how many stories bear each label: one bar of 100 units, and the numbers that are not zero."""
    if not (total := sum(counts.values())):
        return NOTHING
    bar, legend, start = "", [], 0.0
    for label, count in counts.items():
        attribute, opening = _escape(label, get_language())
        width = 100 * count / total
        bar += f'<rect {attribute} x="{start:.2f}" width="{width:.2f}" height="8"/>'
        legend += [f"{opening} {count:d}</span>"] if count else []
        start += width
    return mark_safe(  # noqa: S308 of numbers and what was escaped; a page has hundreds of these
        f'<span class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'
        f'<span class="legend">{" ".join(legend)}</span></span>'
    )


def draw_result(summary: Mapping[str, Any]) -> SafeString | str:
    """Draw both distributions of a run's summary, one under the other; `{}` is a run that found nothing yet."""
    if not summary or not summary["total"]:
        return NOTHING
    return format_html("{}{}", draw_bar(summary["categories"]), draw_bar(summary["sentiments"]))


def draw_label(label: str) -> SafeString:
    return _draw_label(label, get_language())


@lru_cache(maxsize=256)
def _draw_label(label: str, language: str) -> SafeString:
    return format_html('<span class="label" data-label="{}">{}</span>', label, word(label))


@lru_cache(maxsize=256)
def _escape(label: str, language: str) -> tuple[SafeString, SafeString]:
    """Return what names a label in a bar, and how its entry in the legend begins, as the language has it."""
    short = label if label in ("E", "S", "G") else word(label)
    opening = format_html('<span data-label="{}" title="{}">{}', label, word(label), short)
    return format_html('data-label="{}"', label), opening
