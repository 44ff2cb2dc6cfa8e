"""An int8 copy of a model: bytes for the weights of dense layers and word embeddings, ranges known for their inputs.

Weights are symmetric with one scale an output, inputs asymmetric with one scale a layer, measured on texts. Where a
few inputs are much larger than the rest, part of their size is moved into the weights (Xiao et al. 2023, SmoothQuant,
https://arxiv.org/abs/2211.10438): how much, and how much of the range is cut off, is whatever costs the layer's
outputs least on those texts.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from mlcore.dense import PlainDense
from mlcore.encoder import Encoder
from mlcore.errors import ModelInvalid
from mlcore.layout import INT8, Shape, read_shape
from mlcore.network import is_int8, load_tensors, read_config, refusing
from mlcore.registry import METRICS, Model
from mlcore.transformer import TransformerClassifier
from mlcore.weights import Tensors

LARGEST = 127  # of a weight; -128 is left out so that the range is symmetric
ROWS = 512  # inputs of a layer that a choice is judged by
MOVED = (0.0, 0.25, 0.5, 0.65, 0.8)  # share of the inputs' unevenness that is moved into the weights
KEPT = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)  # of the measured range; what is beyond is cut off
TEXTS_AT_ONCE = 8
LAYERS = ("qkv", "out", "up", "down")
COPIED = {".json", ".txt", ".model"}  # configuration, tokenizer and labels, as they are;
NOT_COPIED = {METRICS}  # not what was measured of the original


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a dense layer was given."""

    rows: torch.Tensor  # (at most ROWS, inputs) a sample
    low: torch.Tensor  # (inputs,) over all rows
    high: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How a layer's inputs become bytes."""

    divisor: torch.Tensor  # (inputs,) what moves into the weights
    scale: float
    zero_point: int


def quantize_model(source: Model, target: Path, *, texts: Sequence[str]) -> None:
    """Write an int8 copy of a model into a directory that is there, its ranges measured on the texts, 100 or more.

    Raises ModelInvalid where the source cannot be used, is a copy itself, or is no BERT-like encoder; OSError.
    """
    if is_int8(source):
        raise ModelInvalid(source.directory, reason="it is an int8 copy already")
    classifier = TransformerClassifier(source, precision="float32", max_texts=TEXTS_AT_ONCE)
    config = read_config(source)
    shape = read_shape(config)
    if shape is None:
        reason = f"no int8 copy can be made of {config.model_type}, only of BERT, RoBERTa and ELECTRA"
        raise ModelInvalid(source.directory, reason=reason)
    with refusing(source, "it cannot be loaded"):
        tensors = load_tensors(source, config, dtype=torch.float32)
    copy = quantize_tensors(shape, tensors, classifier.tokenise(texts))
    for path in source.directory.iterdir():
        is_copied = path.suffix in COPIED and path.name not in NOT_COPIED and not path.name.endswith(".index.json")
        if path.is_file() and is_copied:
            shutil.copyfile(path, target / path.name)
    try:
        save_file(copy, target / "model.safetensors", metadata=INT8)
    except SafetensorError as exc:  # of a full disk, too
        raise OSError(errno.EIO, str(exc), str(target)) from exc


@torch.no_grad()
def quantize_tensors(shape: Shape, tensors: Tensors, texts: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """Return the tensors of the int8 copy; `texts` are token ids like those it will read."""
    seen = _watch(shape, tensors, texts)
    copy = dict(tensors)
    copy["word"], copy["word_scale"] = _to_int8(tensors["word"])
    for name in (f"layers.{number}.{part}" for number in range(shape.layers) for part in LAYERS):
        copy |= _quantize_layer(name, tensors, seen[name])
    return {name: tensor.contiguous() for name, tensor in copy.items()}


class _Watcher:
    """A dense layer that remembers what it was given."""

    def __init__(self, tensors: Tensors, name: str, rows: slice, *, seen: dict[str, list[torch.Tensor]]) -> None:
        self._dense = PlainDense(tensors, name, rows)
        self._seen = seen.setdefault(name, [])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self._seen.append(x.clone())
        return self._dense(x)

    def activated(self, x: torch.Tensor) -> torch.Tensor:
        self._seen.append(x.clone())
        return self._dense.activated(x)

    def for_attention(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


def _watch(shape: Shape, tensors: Tensors, texts: Sequence[Sequence[int]]) -> dict[str, Inputs]:
    batch_seen: dict[str, list[torch.Tensor]] = {}
    encoder = Encoder(shape, tensors, make_dense=lambda *where: _Watcher(*where, seen=batch_seen))
    inputs: dict[str, Inputs] = {}
    generator = torch.Generator().manual_seed(7)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        encoder(texts[start : start + TEXTS_AT_ONCE])
        for name, seen in batch_seen.items():
            inputs[name] = _merge(inputs.get(name), torch.cat(seen), generator)
            seen.clear()
    return inputs


def _merge(known: Inputs | None, new: torch.Tensor, generator: torch.Generator) -> Inputs:
    """Add what a batch brought; of the rows a random sample stays, those of later batches as likely as not."""
    rows = new[torch.randperm(len(new), generator=generator)[: ROWS // 4]]
    if known is None:
        return Inputs(rows=rows, low=new.amin(dim=0), high=new.amax(dim=0))
    rows = torch.cat([known.rows, rows])
    return Inputs(
        rows=rows[torch.randperm(len(rows), generator=generator)[:ROWS]],
        low=torch.minimum(known.low, new.amin(dim=0)),
        high=torch.maximum(known.high, new.amax(dim=0)),
    )


def _quantize_layer(name: str, tensors: Tensors, inputs: Inputs) -> dict[str, torch.Tensor]:
    weight = tensors[f"{name}.weight"].float()
    # What `down` reads leaves `up` as bytes: there is no place to divide it.
    choice = _choose(weight, inputs, moved=(0.0,) if name.endswith(".down") else MOVED)
    small, scale = _to_int8(weight * choice.divisor)
    return {
        f"{name}.weight": small,
        f"{name}.weight_scale": scale,
        f"{name}.input": torch.tensor([choice.scale, float(choice.zero_point)]),
        f"{name}.input_factor": 1 / choice.divisor,
    }


def _choose(weight: torch.Tensor, inputs: Inputs, *, moved: Sequence[float]) -> Choice:
    """Return what costs the outputs of the sample the smallest squared error: what moves first, then what is cut."""
    exact = inputs.rows @ weight.T

    def error(choice: Choice) -> float:
        return float((_outputs(weight, inputs.rows, choice) - exact).square().sum())

    share = min(moved, key=lambda share: error(_choice(weight, inputs, share, KEPT[0])))
    return min((_choice(weight, inputs, share, kept) for kept in KEPT), key=error)


def _choice(weight: torch.Tensor, inputs: Inputs, share: float, kept: float) -> Choice:
    largest = torch.maximum(inputs.high.abs(), inputs.low.abs()).clamp_min(1e-5)
    divisor = largest**share / weight.abs().amax(dim=0).clamp_min(1e-5) ** (1 - share) if share else largest * 0 + 1
    low = kept * min(float((inputs.low / divisor).min()), 0.0)
    high = kept * max(float((inputs.high / divisor).max()), 1e-5)
    scale = (high - low) / 255
    return Choice(divisor=divisor, scale=scale, zero_point=round(-low / scale))


def _outputs(weight: torch.Tensor, rows: torch.Tensor, choice: Choice) -> torch.Tensor:
    """Return what the int8 layer will answer, computed in float32."""
    small, scale = _to_int8(weight * choice.divisor)
    as_bytes = (rows / (choice.divisor * choice.scale) + choice.zero_point).round().clamp(0, 255)
    outputs: torch.Tensor = (as_bytes - choice.zero_point) * choice.scale @ (small.float() * scale[:, None]).T
    return outputs


def _to_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a matrix in int8 and one scale a row: about matrix = int8 * scale."""
    scale = weight.abs().amax(dim=1).clamp_min(1e-12) / LARGEST
    return (weight / scale[:, None]).round().to(torch.int8), scale
