"""A classifier's network, read from a directory into memory: token ids in, logits out."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is ever fetched; read at import

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.utils import logging as transformers_logging

from mlcore.batching import plan_batches
from mlcore.dense import Int8Dense, OneDnnDense, PlainDense
from mlcore.encoder import Encoder, MakeDense
from mlcore.errors import ModelInvalid
from mlcore.layout import INT8, Shape, find_misfit, modern_name, read_shape
from mlcore.precision import DTYPES, Precision, choose_precision, lays_out_weights, multiplies_tiles
from mlcore.registry import Model
from mlcore.weights import Tensors, read_tensors

logger = logging.getLogger(__name__)

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
# What it would warn of is refused below, in our words.
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]

LONGEST_TEXT = 512  # tokens; a longer text is cut
# Of one batch. On two CPU cores 256 to 1,024 are equally good, 128 and 2,048 clearly worse; with AMX, to which memory
# brings matrices too slowly, 2,048 are a third faster in bfloat16 than 1,024.
TOKENS_PER_BATCH = {"cpu": 2048 if multiplies_tiles() else 1024, "mps": 4096, "cuda": 16_384}
# Articles that about fill those tokens on a GPU; where texts are longer, fewer do.
TEXTS_PER_BATCH = {"cpu": 32, "mps": 64, "cuda": 256}
_NUMBER = re.compile(r"\.\d+\.")  # of a layer, in a tensor's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What classifies, and what one must know to feed it."""

    run: Callable[[Sequence[Sequence[int]]], torch.Tensor]  # token ids -> logits (texts, classes), float32, CPU
    precision: Precision
    device: torch.device
    vocabulary: int  # token ids are below
    longest: int  # tokens it can read
    padding: int  # token id of nothing
    classes: int


def load_network(model: Model, *, stand_in: Model | None = None, precision: str) -> Network:
    """Load a model's network on the best device there is. Raises ModelInvalid; whatever transformers raises.

    `stand_in`: its int8 copy, read in its place where that is what the processor is fastest with.
    """
    config = read_config(model)
    if is_int8(model):
        return _load_copy(model, config)
    device = find_device()
    chosen = choose_precision(device, wanted=precision, has_copy=stand_in is not None)
    if stand_in and chosen == "int8":
        try:
            with refusing(stand_in, "it cannot be loaded"):
                return _load_copy(stand_in, read_config(stand_in))
        except ModelInvalid as exc:
            logger.warning("%s answers by itself: %s", model.directory.name, exc.message)
            chosen = choose_precision(device, wanted=precision, has_copy=False)
    if device.type == "cpu" and (shape := read_shape(config)):
        tensors = load_tensors(model, config, dtype=DTYPES[chosen])
        make_dense = OneDnnDense if lays_out_weights() else PlainDense
        return _pack(config, shape, tensors, make_dense=make_dense, precision=chosen)
    return _load_padded(model, device=device, precision=chosen)


def is_int8(model: Model) -> bool:
    """Whether a directory holds an int8 copy, made by quantize.py."""
    weights = model.directory / "model.safetensors"
    if not weights.is_file():
        return False
    with safe_open(weights, framework="pt") as file:
        return INT8.items() <= (file.metadata() or {}).items()


def load_tensors(model: Model, config: Any, *, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return the tensors of a classifier whose config has a shape, mapped from its file where they can be.

    transformers' own modules are not imported for it: that takes 2 s and 120 MB. Raises ModelInvalid.
    """
    stored = _read_stored(model)
    _check_fit(model, stored, config)
    tensors = {name: tensor.to(dtype) for name, tensor in read_tensors(stored, config).items()}
    _check_numbers(model, tensors)
    return tensors


def find_device() -> torch.device:
    """Return the first CUDA device, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """Return "cpu", "mps" or "cuda:0 NVIDIA H200"."""
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)


@contextmanager
def refusing(model: Model, what: str) -> Iterator[None]:
    """Turn whatever the libraries raise over anyone's files into ModelInvalid, in one line."""
    try:
        yield
    except ModelInvalid:
        raise
    except Exception as exc:
        said = shorten(str(exc), width=160, placeholder="").rstrip(".")
        reason = f"{what}: {said or type(exc).__name__}"
        raise ModelInvalid(model.directory, reason=reason, is_transient=_may_pass(exc)) from exc


def _may_pass(exc: Exception) -> bool:
    """Whether it is short memory or a disk's fault; transformers says OSError, without a number, of bad files too."""
    if isinstance(exc, OSError):
        return exc.errno is not None
    return is_short_of_memory(exc) or "(os error" in str(exc)


def is_short_of_memory(exc: Exception) -> bool:
    """Whether an exception says that a device or the host has no memory left; on a CPU torch raises RuntimeError."""
    is_short = isinstance(exc, MemoryError | torch.OutOfMemoryError)
    return is_short or any(said in str(exc) for said in ("out of memory", "allocate memory"))


class Padded:
    """Any sequence classifier of transformers, on any device: texts of a batch are padded to the longest."""

    def __init__(self, module: Any, *, device: torch.device) -> None:
        self._module = module.to(device)
        self._device = device
        self._padding = module.config.pad_token_id or 0

    def __call__(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        logits = torch.empty(len(texts), self._module.config.num_labels)
        lengths = [len(text) for text in texts]
        budget = TOKENS_PER_BATCH[self._device.type]
        for places in plan_batches(lengths, max_texts=len(texts), max_tokens=budget):
            logits[places] = self._run([texts[place] for place in places])
        return logits

    @torch.inference_mode()
    def _run(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        lengths = torch.tensor([len(text) for text in texts])
        width = int(lengths.max())
        padded = torch.tensor([[*text, *[self._padding] * (width - len(text))] for text in texts])
        mask = (torch.arange(width) < lengths[:, None]).long()
        # No token types: for single texts they are all zero, and not every model takes them.
        output = self._module(input_ids=self._send(padded), attention_mask=self._send(mask))
        logits: torch.Tensor = output.logits.float().cpu()
        return logits

    def _send(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy to the device; from pinned memory CUDA copies while the processor prepares the next."""
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)


def read_config(model: Model) -> Any:
    """Return transformers' config of a model. Raises whatever transformers raises."""
    return AutoConfig.from_pretrained(model.directory, local_files_only=True, trust_remote_code=False)


def _load_copy(model: Model, config: Any) -> Network:
    """Load an int8 copy: always on the CPU, where it is faster; its bytes are no use to a GPU."""
    shape = read_shape(config)
    if shape is None:
        raise ModelInvalid(model.directory, reason=f"no int8 copy is made of {config.model_type}: it is damaged")
    tensors = _read_file(model.directory / "model.safetensors")
    _check_fit(model, tensors, config, is_copy=True)
    _check_numbers(model, tensors)
    return _pack(config, shape, tensors, make_dense=Int8Dense, precision="int8")


def _pack(config: Any, shape: Shape, tensors: Tensors, *, make_dense: MakeDense, precision: Precision) -> Network:
    if make_dense is not PlainDense:
        tensors = _let_file_go(tensors)
    unused = 0 if shape.padding is None else shape.padding + 1
    return Network(
        run=Encoder(shape, tensors, make_dense=make_dense),
        precision=precision,
        device=torch.device("cpu"),
        vocabulary=len(tensors["word"]),
        longest=min(LONGEST_TEXT, len(tensors["position"]) - unused),
        padding=config.pad_token_id or 0,
        classes=len(tensors["head.out.bias"]),
    )


def _let_file_go(tensors: Tensors) -> Tensors:
    """Copy what is not laid out anew, the layers' matrices: one tensor in use keeps the whole file in memory."""
    return {
        name: tensor if name.startswith("layers.") and tensor.dim() == 2 else tensor.clone()
        for name, tensor in tensors.items()
    }


def _load_padded(model: Model, *, device: torch.device, precision: Precision) -> Network:
    module = _load_module(model, dtype=DTYPES[precision])
    _check_numbers(model, module.state_dict())
    return Network(
        run=Padded(module, device=device),
        precision=precision,
        device=device,
        vocabulary=module.get_input_embeddings().num_embeddings,
        longest=_count_positions(module),
        padding=module.config.pad_token_id or 0,
        classes=module.config.num_labels,
    )


def _check_fit(model: Model, stored: Tensors, config: Any, *, is_copy: bool = False) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    if reason := find_misfit(shapes, config, is_copy=is_copy):
        raise ModelInvalid(model.directory, reason=reason)


def _check_numbers(model: Model, tensors: Tensors) -> None:
    if damaged := sorted(name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())):
        raise ModelInvalid(model.directory, reason=f"its weights hold NaN or infinity: {damaged[0]}")


def _read_stored(model: Model) -> Tensors:
    """Return a model's tensors under the names that transformers uses today."""
    weights = model.directory / "model.safetensors"
    if not weights.is_file():
        module = _load_module(model, dtype=torch.float32)
        return dict(module.state_dict())
    return {modern_name(name): tensor for name, tensor in _read_file(weights).items()}


def _read_file(path: Path) -> Tensors:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except SafetensorError as exc:
        raise ModelInvalid(path.parent, reason=f"{path.name} is damaged", is_transient=_may_pass(exc)) from exc


def _load_module(model: Model, *, dtype: torch.dtype) -> Any:
    module, report = AutoModelForSequenceClassification.from_pretrained(
        model.directory,
        local_files_only=True,
        trust_remote_code=False,
        weights_only=True,
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # to be refused here with a better reason
    )
    for name, found, wanted in sorted(report["mismatched_keys"]):
        reason = f"the weights do not fit config.json: {name} is {tuple(found)}, not {tuple(wanted)}"
        raise ModelInvalid(model.directory, reason=reason)
    if missing := sorted(report["missing_keys"]):
        reason = f"it is no fine-tuned classifier: its weights lack {missing[0]}"
        raise ModelInvalid(model.directory, reason=reason)
    if surplus := _find_surplus(report["unexpected_keys"], module.state_dict()):
        reason = f"the weights do not fit config.json: they hold more layers, as {surplus}"
        raise ModelInvalid(model.directory, reason=reason)
    return module.eval()


def _find_surplus(unexpected: Iterable[str], known: Iterable[str]) -> str | None:
    """Return a tensor that a network has no place for, and that differs by a number from one that it has."""
    places = {_NUMBER.sub(".0.", name) for name in known}
    return next((name for name in sorted(unexpected) if _NUMBER.sub(".0.", name) in places), None)


def _count_positions(module: Any) -> int:
    """Return how many tokens the model can read; RoBERTa uses no position up to its padding index."""
    limits = [LONGEST_TEXT]
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, torch.nn.Embedding):
            unused = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - unused)
    return min(limits)
