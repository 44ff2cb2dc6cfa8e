"""The tensors of an encoder under names of ours (layout.py), whatever library wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mlcore.layout import BASES, list_parts

Tensors = Mapping[str, torch.Tensor]


def read_tensors(stored: Tensors, config: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of a sequence classifier from those under transformers' names, which must fit its config.

    Most share their memory.
    """
    embeddings = f"{BASES[config.model_type]}.embeddings"
    position = stored[f"{embeddings}.position_embeddings.weight"]
    tensors = {
        "word": stored[f"{embeddings}.word_embeddings.weight"],
        "position": position + stored[f"{embeddings}.token_type_embeddings.weight"][0],
    }
    for part in list_parts(config):
        for kind in ("weight", "bias"):
            pieces = [stored[f"{piece}.{kind}"] for piece in part.theirs]
            tensors[f"{part.name}.{kind}"] = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return tensors
