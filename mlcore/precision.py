"""In which numbers a model computes, by what the processor has."""

from __future__ import annotations

import logging
from typing import Literal

import torch

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16", "int8"]

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def choose_precision(device: torch.device, *, wanted: str, has_copy: bool) -> Precision:
    """Return what a model is computed in; "auto" is explained in docs/decisions/0024-packed-texts.md.

    `has_copy`: there is one in int8 that agrees well enough to answer in its place. float16 is for GPUs: oneDNN lays
    out no weights in it, so that on a CPU it is taken for "auto".
    """
    if wanted == "float16" and device.type == "cpu":
        wanted = "auto"
        logger.warning("ML_PRECISION=float16 is for GPUs: on this processor it is taken for auto")
    if wanted != "auto":
        return wanted  # type: ignore[return-value]  # the setting offers nothing else
    if device.type == "cuda":
        return "float16"
    if device.type == "cpu" and has_copy and multiplies_bytes():
        return "int8"
    return "bfloat16" if device.type == "cpu" and multiplies_bfloat16() else "float32"


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16: without, they are slower than float32's."""
    return bool(torch.cpu._is_avx512_bf16_supported()) or multiplies_tiles()


def multiplies_bytes() -> bool:
    """Whether the CPU has instructions for products of bytes (VNNI): without, int8 is no sure gain."""
    return bool(torch.cpu._is_vnni_supported())


def multiplies_tiles() -> bool:
    """Whether the CPU multiplies whole tiles of matrices (AMX)."""
    return bool(torch.cpu._is_amx_tile_supported())


def lays_out_weights() -> bool:
    """Whether oneDNN's own kernels beat what torch calls otherwise: with AVX-512 they do, with AVX2 they do not."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"
