"""What an encoder is made of: its shape and its tensors, under names of ours whatever library wrote them.

Names: `word`, `position` (token type 0 added in), `norm`, `projection` (ELECTRA's small ones), then for each layer
`layers.0.` `qkv`, `out`, `out_norm`, `up`, `down`, `norm`, and `head.dense`, `head.out`; each with `.weight`, `.bias`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

Tensors = Mapping[str, torch.Tensor]
INT8 = {"precision": "int8"}  # in the header of the weights of an int8 copy (quantize.py)
Activation = Literal["tanh", "gelu"]

# By model_type: the activation in the middle of the classification head.
_HEADS: dict[str, Activation] = {"bert": "tanh", "roberta": "tanh", "xlm-roberta": "tanh", "electra": "gelu"}
_COUNTS_FROM_PADDING = {"roberta", "xlm-roberta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of an encoder its tensors do not tell."""

    layers: int
    heads: int
    epsilon: float  # of the layer norms
    padding: int | None  # RoBERTa: positions count from this token id on, which itself takes none
    head: Activation


def read_shape(config: Any) -> Shape | None:
    """Return the shape of a model by its transformers config; None for one that is no BERT-like encoder."""
    head = _HEADS.get(config.model_type)
    if head is None or config.hidden_act != "gelu" or getattr(config, "is_decoder", False):
        return None
    return Shape(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        epsilon=config.layer_norm_eps,
        padding=config.pad_token_id if config.model_type in _COUNTS_FROM_PADDING else None,
        head=head,
    )


def read_tensors(module: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of a transformers sequence classifier whose config has a shape; most share its memory."""
    with torch.no_grad():
        return dict(_name_tensors(module))


def _name_tensors(module: Any) -> Iterator[tuple[str, torch.Tensor]]:
    base = getattr(module, module.base_model_prefix)
    embeddings = base.embeddings
    yield "word", embeddings.word_embeddings.weight.detach()
    yield "position", embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    yield from _pair("norm", embeddings.LayerNorm)
    if hasattr(base, "embeddings_project"):
        yield from _pair("projection", base.embeddings_project)
    for number, layer in enumerate(base.encoder.layer):
        name = f"layers.{number}"
        attention = layer.attention.self
        parts = (attention.query, attention.key, attention.value)
        yield f"{name}.qkv.weight", torch.cat([part.weight for part in parts])
        yield f"{name}.qkv.bias", torch.cat([part.bias for part in parts])
        yield from _pair(f"{name}.out", layer.attention.output.dense)
        yield from _pair(f"{name}.out_norm", layer.attention.output.LayerNorm)
        yield from _pair(f"{name}.up", layer.intermediate.dense)
        yield from _pair(f"{name}.down", layer.output.dense)
        yield from _pair(f"{name}.norm", layer.output.LayerNorm)
    if module.config.model_type == "bert":
        yield from _pair("head.dense", base.pooler.dense)
        yield from _pair("head.out", module.classifier)
    else:
        yield from _pair("head.dense", module.classifier.dense)
        yield from _pair("head.out", module.classifier.out_proj)


def _pair(name: str, part: Any) -> Iterator[tuple[str, torch.Tensor]]:
    yield f"{name}.weight", part.weight.detach()
    yield f"{name}.bias", part.bias.detach()
