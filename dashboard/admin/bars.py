"""Distributions and labels as small pictures with their numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
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
    parts, start = [], 0.0
    for label, count in counts.items():
        width = 100 * count / total
        parts.append((label, f"{start:.2f}", f"{width:.2f}"))
        start += width
    bar = format_html_join("", '<rect data-label="{}" x="{}" width="{}" height="8"/>', parts)
    counted = [(label, word(label), _short(label), count) for label, count in counts.items() if count]
    legend = format_html_join(" ", '<span data-label="{}" title="{}">{} {}</span>', counted)
    return format_html(
        '<span class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        '<span class="legend">{}</span></span>',
        bar,
        legend,
    )


def draw_result(summary: Mapping[str, Any]) -> SafeString | str:
    """Draw both distributions of a run's summary, one under the other; `{}` is a run that found nothing yet."""
    if not summary or not summary["total"]:
        return NOTHING
    return format_html("{}{}", draw_bar(summary["categories"]), draw_bar(summary["sentiments"]))


def draw_label(label: str) -> SafeString:
    return format_html('<span class="label" data-label="{}">{}</span>', label, word(label))


def _short(label: str) -> str:
    return label if label in ("E", "S", "G") else word(label)
