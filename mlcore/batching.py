"""Which texts a model reads together: as alike in length as can be, so that little is padded."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], *, max_texts: int, max_tokens: int) -> list[list[int]]:
    """Group the positions of texts of these lengths (in tokens), the longest first.

    A batch holds at most max_texts, and at most max_tokens once all are padded to its longest; a text longer
    than that is a batch of its own. Every position is in exactly one batch.

    >>> plan_batches([3, 9, 4, 20], max_texts=8, max_tokens=10)
    [[3], [1], [2, 0]]
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        batch = batches[-1] if batches else []
        fits = batch and len(batch) < max_texts and (len(batch) + 1) * lengths[batch[0]] <= max_tokens
        if fits:
            batch.append(position)
        else:
            batches.append([position])
    return batches
