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
# By model_type: what transformers' names of all but the head begin with.
_BASES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "electra": "electra"}
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


def find_misfit(stored: Tensors, config: Any) -> str | None:
    """Return why tensors under transformers' names are not those of the classifier that its config describes."""
    expected = _list_stored(config)
    for name in sorted(expected.keys() & stored.keys()):
        if stored[name].shape != expected[name]:
            found = tuple(stored[name].shape)
            return f"the weights do not fit config.json: {name} is {found}, not {expected[name]}"
    if missing := sorted(expected.keys() - stored.keys()):
        return f"it is no fine-tuned classifier: its weights lack {missing[0]}"
    return None


def read_tensors(stored: Tensors, config: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of a sequence classifier from those under transformers' names, which must fit its config.

    Most share their memory.
    """
    base = _BASES[config.model_type]
    position = stored[f"{base}.embeddings.position_embeddings.weight"]
    tensors = {
        "word": stored[f"{base}.embeddings.word_embeddings.weight"],
        "position": position + stored[f"{base}.embeddings.token_type_embeddings.weight"][0],
    }
    for name, theirs, _shape in _list_parts(config):
        for kind in ("weight", "bias"):
            parts = [stored[f"{part}.{kind}"] for part in theirs]
            tensors[f"{name}.{kind}"] = parts[0] if len(parts) == 1 else torch.cat(parts)
    return tensors


def _list_stored(config: Any) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all that read_tensors reads."""
    embeddings, width = f"{_BASES[config.model_type]}.embeddings", _width(config)
    shapes: dict[str, tuple[int, ...]] = {
        f"{embeddings}.word_embeddings.weight": (config.vocab_size, width),
        f"{embeddings}.position_embeddings.weight": (config.max_position_embeddings, width),
        f"{embeddings}.token_type_embeddings.weight": (config.type_vocab_size, width),
    }
    for _name, theirs, shape in _list_parts(config):
        for part in theirs:
            shapes |= {f"{part}.weight": shape, f"{part}.bias": shape[:1]}
    return shapes


def _list_parts(config: Any) -> Iterator[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    """Yield our name of each part, transformers' of what it is put together from, and the shape of their weights."""
    base, width = _BASES[config.model_type], _width(config)
    hidden, inner = config.hidden_size, config.intermediate_size
    square = (hidden, hidden)
    yield "norm", (f"{base}.embeddings.LayerNorm",), (width,)
    if width != hidden:
        yield "projection", (f"{base}.embeddings_project",), (hidden, width)
    for number in range(config.num_hidden_layers):
        ours, theirs = f"layers.{number}", f"{base}.encoder.layer.{number}"
        yield f"{ours}.qkv", tuple(f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")), square
        yield f"{ours}.out", (f"{theirs}.attention.output.dense",), square
        yield f"{ours}.out_norm", (f"{theirs}.attention.output.LayerNorm",), (hidden,)
        yield f"{ours}.up", (f"{theirs}.intermediate.dense",), (inner, hidden)
        yield f"{ours}.down", (f"{theirs}.output.dense",), (hidden, inner)
        yield f"{ours}.norm", (f"{theirs}.output.LayerNorm",), (hidden,)
    is_bert = config.model_type == "bert"
    yield "head.dense", ("bert.pooler.dense" if is_bert else "classifier.dense",), square
    yield "head.out", ("classifier" if is_bert else "classifier.out_proj",), (config.num_labels, hidden)


def _width(config: Any) -> int:
    """Return the width of the embeddings, which ELECTRA's small models have narrower than the layers."""
    return int(getattr(config, "embedding_size", config.hidden_size))
