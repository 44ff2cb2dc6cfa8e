"""BERT-like classifiers on packed texts: set end to end, without padding, and read no further than the head looks.

Devlin et al. 2019 (BERT) and Liu et al. 2019 (RoBERTa) describe the network; answers are those of transformers' own
modules to within rounding, which a test holds it to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from mlcore.dense import ALL_ROWS, Dense, Int8Dense, PlainDense
from mlcore.layout import Shape
from mlcore.weights import Tensors

MakeDense = Callable[[Tensors, str, slice], Dense]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A batch of texts, the shortest first, set end to end."""

    ids: torch.Tensor  # (tokens,)
    positions: torch.Tensor  # (tokens,) rows of the position embeddings
    firsts: torch.Tensor  # (texts,) where each text begins
    blocks: tuple[tuple[int, int], ...]  # neighbours of one length: how many texts, of how many tokens
    order: list[int]  # of the texts: their places in the batch as it came


class Encoder:
    """One classifier of the given shape; its dense layers are made by `make_dense`."""

    def __init__(self, shape: Shape, tensors: Tensors, *, make_dense: MakeDense) -> None:
        self._shape = shape
        self._word, self._word_scale = tensors["word"], tensors.get("word_scale")
        self._position = tensors["position"]
        self._norm = LayerNorm(tensors, "norm", epsilon=shape.epsilon)
        self._projection = PlainDense(tensors, "projection") if "projection.weight" in tensors else None
        *first, last = (f"layers.{number}" for number in range(shape.layers))
        self._layers = [Layer(shape, tensors, name, make_dense=make_dense) for name in first]
        self._last = LastLayer(shape, tensors, last, make_dense=make_dense)
        self._head = PlainDense(tensors, "head.dense")
        self._activation = torch.tanh if shape.head == "tanh" else gelu
        self._out = PlainDense(tensors, "head.out")

    @torch.inference_mode()
    def __call__(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids of texts, none empty -> logits (texts, classes), float32, in order."""
        batch = pack(texts, padding=self._shape.padding)
        x = self._embed(batch)
        for layer in self._layers:
            x = layer(x, batch)
        x = self._last(x, batch)
        logits = self._out(self._activation(self._head(x))).float()
        in_order = torch.empty_like(logits)
        in_order[batch.order] = logits
        return in_order

    def _embed(self, batch: Packed) -> torch.Tensor:
        x = self._word[batch.ids]
        if self._word_scale is not None:
            x = x * self._word_scale[batch.ids, None]
        x = self._norm(x + self._position[batch.positions])
        return self._projection(x) if self._projection else x


class Layer:
    """Attention within each text, then two dense layers for each token."""

    def __init__(self, shape: Shape, tensors: Tensors, name: str, *, make_dense: MakeDense) -> None:
        self._heads = shape.heads
        self._qkv = make_dense(tensors, f"{name}.qkv", ALL_ROWS)
        self._rest = AfterAttention(shape, tensors, name, make_dense=make_dense)

    def __call__(self, x: torch.Tensor, batch: Packed) -> torch.Tensor:
        """(tokens, hidden) -> (tokens, hidden)."""
        qkv = self._qkv.for_attention(x)
        context = torch.empty_like(x, dtype=qkv.dtype)
        start = 0
        for texts, length in batch.blocks:
            end = start + texts * length
            q, k, v = qkv[start:end].view(texts, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            attended = scaled_dot_product_attention(q, k, v).transpose(1, 2)
            context[start:end].view(texts, length, self._heads, -1).copy_(attended)
            start = end
        return self._rest(context, x)


class LastLayer:
    """The same for the first token of each text alone, all that the head reads."""

    def __init__(self, shape: Shape, tensors: Tensors, name: str, *, make_dense: MakeDense) -> None:
        self._heads = shape.heads
        hidden = len(tensors[f"{name}.out.bias"])
        self._q = make_dense(tensors, f"{name}.qkv", slice(0, hidden))
        self._kv = make_dense(tensors, f"{name}.qkv", slice(hidden, None))
        self._rest = AfterAttention(shape, tensors, name, make_dense=make_dense)

    def __call__(self, x: torch.Tensor, batch: Packed) -> torch.Tensor:
        """(tokens, hidden) -> (texts, hidden)."""
        first = x[batch.firsts]
        queries, kv = self._q.for_attention(first), self._kv.for_attention(x)
        contexts, start, done = [], 0, 0
        for texts, length in batch.blocks:
            end = start + texts * length
            k, v = kv[start:end].view(texts, length, 2, self._heads, -1).permute(2, 0, 3, 1, 4)
            q = queries[done : done + texts].view(texts, 1, self._heads, -1).transpose(1, 2)
            contexts.append(scaled_dot_product_attention(q, k, v).reshape(texts, -1))
            start, done = end, done + texts
        return self._rest(torch.cat(contexts), first)


class AfterAttention:
    """What follows attention, row by row: a dense layer, then two with GELU between; each adds to what it got."""

    def __init__(self, shape: Shape, tensors: Tensors, name: str, *, make_dense: MakeDense) -> None:
        self._out = make_dense(tensors, f"{name}.out", ALL_ROWS)
        self._out_norm = LayerNorm(tensors, f"{name}.out_norm", epsilon=shape.epsilon)
        self._up = make_dense(tensors, f"{name}.up", ALL_ROWS)
        self._down = make_dense(tensors, f"{name}.down", ALL_ROWS)
        self._norm = LayerNorm(tensors, f"{name}.norm", epsilon=shape.epsilon)

    def __call__(self, context: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Contexts and what attention was given, both (rows, hidden) -> (rows, hidden)."""
        x = self._out_norm(self._out(context).add_(x))
        return self._norm(self._feed_forward(x).add_(x))

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self._up, Int8Dense) and isinstance(self._down, Int8Dense):
            return self._down.of_bytes(self._up.activated_for(x, self._down))
        return self._down(self._up.activated(x))


class LayerNorm:
    def __init__(self, tensors: Tensors, name: str, *, epsilon: float) -> None:
        self._weight, self._bias, self._epsilon = tensors[f"{name}.weight"], tensors[f"{name}.bias"], epsilon

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, self._weight.shape, self._weight, self._bias, self._epsilon)


def pack(texts: Sequence[Sequence[int]], *, padding: int | None) -> Packed:
    """Set texts end to end, the shortest first, so that texts of one length lie side by side."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    ids = torch.tensor([token for place in order for token in texts[place]])
    lengths = torch.tensor([len(texts[place]) for place in order])
    firsts = lengths.cumsum(0) - lengths
    return Packed(
        ids=ids,
        positions=_positions(ids, firsts, lengths, padding=padding),
        firsts=firsts,
        blocks=tuple((sum(1 for _ in same), length) for length, same in groupby(lengths.tolist())),
        order=order,
    )


def _positions(ids: torch.Tensor, firsts: torch.Tensor, lengths: torch.Tensor, *, padding: int | None) -> torch.Tensor:
    if padding is None:
        return torch.arange(len(ids)) - firsts.repeat_interleave(lengths)
    counted = (ids != padding).long()  # a padding token in the middle of a text takes no position either
    running = counted.cumsum(0)
    before = (running - counted)[firsts].repeat_interleave(lengths)
    return (running - before) * counted + padding
