"""Which tensors a classifier's file holds, by its config: transformers' names and ours, and their shapes. No torch.

Our names: `word`, `position` (token type 0 added in), `norm`, `projection` (ELECTRA's small ones), then for each layer
`layers.0.` `qkv`, `out`, `out_norm`, `up`, `down`, `norm`, and `head.dense`, `head.out`; each with `.weight`, `.bias`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

INT8 = {"precision": "int8"}  # in the header of the weights of an int8 copy (quantize.py), which has names of ours
Activation = Literal["tanh", "gelu"]
Shapes = Mapping[str, tuple[int, ...]]  # by the name of a tensor

# By model_type: the activation in the middle of the classification head.
_HEADS: dict[str, Activation] = {"bert": "tanh", "roberta": "tanh", "xlm-roberta": "tanh", "electra": "gelu"}
# By model_type: what transformers' names of all but the head begin with.
BASES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "electra": "electra"}
_COUNTS_FROM_PADDING = {"roberta", "xlm-roberta"}
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of an encoder its tensors do not tell."""

    layers: int
    heads: int
    epsilon: float  # of the layer norms
    padding: int | None  # RoBERTa: positions count from this token id on, which itself takes none
    head: Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A dense layer or a norm."""

    name: str  # ours
    theirs: tuple[str, ...]  # transformers' names of what it is put together from
    shape: tuple[int, ...]  # of the weight of each of those


def read_shape(config: Any) -> Shape | None:
    """Return the shape of a model by its transformers config; None for one that is no BERT-like encoder."""
    if not is_encoder(config):
        return None
    return Shape(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        epsilon=config.layer_norm_eps,
        padding=config.pad_token_id if config.model_type in _COUNTS_FROM_PADDING else None,
        head=_HEADS[config.model_type],
    )


def is_encoder(config: Any) -> bool:
    """Whether a config is of a BERT-like encoder, whose tensors are known here."""
    return config.model_type in _HEADS and config.hidden_act == "gelu" and not getattr(config, "is_decoder", False)


def modern_name(name: str) -> str:
    """Return the name that transformers uses today for a tensor of an old file."""
    return next((name.replace(old, new) for old, new in _OLD_NAMES.items() if old in name), name)


def find_misfit(stored: Shapes, config: Any, *, is_copy: bool = False) -> str | None:
    """Return why a file's tensors, under today's names, are not the classifier that its config describes, or None.

    `is_copy`: they bear names of ours.
    """
    if lacking := _list_tensors(list_head(config), is_copy=is_copy).keys() - stored.keys():
        return f"it is no fine-tuned classifier: its weights lack {min(lacking)}"
    held = _count_layers(stored, prefix="layers." if is_copy else f"{BASES[config.model_type]}.encoder.layer.")
    if held != config.num_hidden_layers:
        return f"the weights do not fit config.json: they hold {held} layers, not {config.num_hidden_layers}"
    expected = _list_embeddings(config, is_copy=is_copy) | _list_tensors(list_parts(config), is_copy=is_copy)
    for name in sorted(expected.keys() & stored.keys()):
        if stored[name] != expected[name]:
            return f"the weights do not fit config.json: {name} is {stored[name]}, not {expected[name]}"
    if lacking := expected.keys() - stored.keys():
        return f"its weights lack {min(lacking)}"
    return None


def list_parts(config: Any) -> Iterator[Part]:
    """Yield what a classifier is made of after its embeddings, in order."""
    base, width = BASES[config.model_type], _width(config)
    hidden, inner = config.hidden_size, config.intermediate_size
    square = (hidden, hidden)
    yield Part(name="norm", theirs=(f"{base}.embeddings.LayerNorm",), shape=(width,))
    if width != hidden:
        yield Part(name="projection", theirs=(f"{base}.embeddings_project",), shape=(hidden, width))
    for number in range(config.num_hidden_layers):
        ours, theirs = f"layers.{number}", f"{base}.encoder.layer.{number}"
        inputs = tuple(f"{theirs}.attention.self.{part}" for part in ("query", "key", "value"))
        yield Part(name=f"{ours}.qkv", theirs=inputs, shape=square)
        yield Part(name=f"{ours}.out", theirs=(f"{theirs}.attention.output.dense",), shape=square)
        yield Part(name=f"{ours}.out_norm", theirs=(f"{theirs}.attention.output.LayerNorm",), shape=(hidden,))
        yield Part(name=f"{ours}.up", theirs=(f"{theirs}.intermediate.dense",), shape=(inner, hidden))
        yield Part(name=f"{ours}.down", theirs=(f"{theirs}.output.dense",), shape=(hidden, inner))
        yield Part(name=f"{ours}.norm", theirs=(f"{theirs}.output.LayerNorm",), shape=(hidden,))
    yield from list_head(config)


def list_head(config: Any) -> Iterator[Part]:
    """Yield what a classifier has and the encoder that it was fine-tuned from has not."""
    dense, out = "bert.pooler.dense", "classifier"
    if config.model_type != "bert":
        dense, out = "classifier.dense", "classifier.out_proj"
    yield Part(name="head.dense", theirs=(dense,), shape=(config.hidden_size, config.hidden_size))
    yield Part(name="head.out", theirs=(out,), shape=(config.num_labels, config.hidden_size))


def _count_layers(names: Iterable[str], *, prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix)})


def _list_embeddings(config: Any, *, is_copy: bool) -> dict[str, tuple[int, ...]]:
    words, positions = (config.vocab_size, _width(config)), (config.max_position_embeddings, _width(config))
    if is_copy:
        return {"word": words, "position": positions}
    embeddings = f"{BASES[config.model_type]}.embeddings"
    return {
        f"{embeddings}.word_embeddings.weight": words,
        f"{embeddings}.position_embeddings.weight": positions,
        f"{embeddings}.token_type_embeddings.weight": (config.type_vocab_size, _width(config)),
    }


def _list_tensors(parts: Iterable[Part], *, is_copy: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for part in parts:
        together = (len(part.theirs) * part.shape[0], *part.shape[1:])
        for name, shape in [(part.name, together)] if is_copy else [(name, part.shape) for name in part.theirs]:
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _width(config: Any) -> int:
    """Return the width of the embeddings, which ELECTRA's small models have narrower than the layers."""
    return int(getattr(config, "embedding_size", config.hidden_size))
