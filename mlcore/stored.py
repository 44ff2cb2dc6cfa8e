"""What the files of a model show without its weights being read. No torch.

A broken copy or download shows in the sizes; that a whole one can never be loaded, in the config beside the header of
the weights and the tokenizer. What numbers the weights hold is seen only when they are loaded.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from mlcore.layout import INT8, Shapes, find_misfit, is_encoder, modern_name

# The model types that transformers has a text classifier for, in the version of requirements/cpu.txt.
ARCHITECTURES = Path(__file__).parent / "data" / "architectures.txt"
# What of a config.json says which tensors there are; save_pretrained writes all of it.
_SIZES = {
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
}


class _Tensor(msgspec.Struct):
    """An entry of a safetensors header."""

    shape: tuple[int, ...]
    data_offsets: tuple[int, int]  # bytes after the header


class _Vocabulary(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]  # in a list, an id is a place


class _Added(msgspec.Struct):
    id: int


class _Tokenizer(msgspec.Struct):
    """What of a tokenizer.json says which ids it gives."""

    model: _Vocabulary
    added_tokens: list[_Added] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What a safetensors file says of itself."""

    shapes: Shapes
    is_int8: bool
    file_size: int  # bytes, as announced


def check_weights(weights: Path) -> None:
    """Find what a broken copy or download leaves. Raises ValueError, OSError."""
    with weights.open("rb") as file:
        start = file.read(8)
    if start == b"version ":
        raise ValueError(f"{weights.name} is a Git LFS pointer, not the weights: run git lfs pull")
    if weights.suffix == ".safetensors":
        is_whole = _read_header(weights).file_size == weights.stat().st_size
    else:  # a pickle of torch before 1.6 is checked when it is read
        is_whole = zipfile.is_zipfile(weights) or start.startswith(b"\x80")
    if not is_whole:
        raise ValueError(f"{weights.name} is truncated or damaged")


def find_fault(directory: Path) -> str | None:
    """Return why a model whose files are in order can never be loaded, or None. Raises ValueError, OSError."""
    config = json.loads((directory / "config.json").read_bytes())
    return (
        _find_strange_type(str(config.get("model_type")))
        or _find_tokenizer_fault(directory / "tokenizer.json", vocabulary=config.get("vocab_size"))
        or _find_weights_fault(directory / "model.safetensors", config)
    )


@cache
def known_architectures() -> frozenset[str]:
    """Return the model types that a classifier may have."""
    return frozenset(ARCHITECTURES.read_text(encoding="utf-8").split())


def _find_strange_type(model_type: str) -> str | None:
    if model_type in known_architectures():
        return None
    return f"transformers has no text classifier of the model_type {model_type}"


def _find_tokenizer_fault(path: Path, *, vocabulary: object) -> str | None:
    if not path.is_file():  # vocab.txt and the like are for transformers to read
        return None
    try:
        tokenizer = msgspec.json.decode(path.read_bytes(), type=_Tokenizer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        return f"{path.name} holds no tokenizer: {exc}"
    known = _count_ids(tokenizer)
    if isinstance(vocabulary, int) and known > vocabulary:
        return f"its tokenizer knows {known} tokens, the model {vocabulary}"
    return None


def _count_ids(tokenizer: _Tokenizer) -> int:
    """Return one more than the highest token id."""
    vocab = tokenizer.model.vocab
    own = max(vocab.values(), default=-1) + 1 if isinstance(vocab, dict) else len(vocab)
    return max([own, *(token.id + 1 for token in tokenizer.added_tokens)])


def _find_weights_fault(path: Path, config: dict[str, Any]) -> str | None:
    """Hold the tensors that a file names against its config, where that is an encoder's and says all of it."""
    needed = _SIZES | ({"embedding_size"} if config.get("model_type") == "electra" else set())
    is_complete = all(isinstance(config.get(name), int) for name in needed)
    # Two nameless classes are transformers' default, which it leaves out.
    given = {"hidden_act": None, **config, "num_labels": len(config.get("id2label", (0, 1)))}
    described = SimpleNamespace(**given)
    if not (path.is_file() and is_complete and is_encoder(described)):
        return None
    header = _read_header(path)
    return find_misfit(header.shapes, described, is_copy=header.is_int8)


def _read_header(path: Path) -> _Header:
    """Read the names and shapes of a safetensors file's tensors. Raises ValueError, OSError."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        content = file.read(size) if 8 + size <= path.stat().st_size else b""
    try:
        entries = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__", b"null"), type=dict[str, str] | None)
        tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in entries.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ValueError(f"{path.name} is truncated or damaged") from exc
    return _Header(
        shapes={modern_name(name): tensor.shape for name, tensor in tensors.items()},
        is_int8=INT8.items() <= (metadata or {}).items(),
        file_size=8 + size + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0),
    )
