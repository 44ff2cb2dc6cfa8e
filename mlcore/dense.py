"""Dense layers as the processor likes them: as they stand, laid out by oneDNN, or in int8.

Each is called on packed rows (tokens, inputs) and gives (tokens, outputs); `activated` applies GELU, by erf, to them,
and `for_attention` may give them in fewer bits, where the processor then multiplies them faster.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn.functional import gelu, linear

from mlcore.precision import multiplies_bfloat16, multiplies_bytes
from mlcore.weights import Tensors

ALL_ROWS = slice(None)
# Without VNNI two products of an unsigned and a signed byte are added in 16 bits, where 255 * 127 * 2 does not fit and
# 255 * 64 * 2 does: oneDNN's own advice is weights of seven bits.
HAS_VNNI = multiplies_bytes()


class Dense(Protocol):
    """x (tokens, inputs) -> x W^T + b (tokens, outputs)."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...

    def activated(self, x: torch.Tensor) -> torch.Tensor: ...

    def for_attention(self, x: torch.Tensor) -> torch.Tensor: ...


class PlainDense:
    """A weight as it stands. Without AVX-512 nothing in torch is faster."""

    def __init__(self, tensors: Tensors, name: str, rows: slice = ALL_ROWS) -> None:
        self._weight, self._bias = tensors[f"{name}.weight"][rows], tensors[f"{name}.bias"][rows]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self._weight, self._bias)

    def activated(self, x: torch.Tensor) -> torch.Tensor:
        return gelu(self(x))

    def for_attention(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


class OneDnnDense:
    """A weight laid out once for oneDNN's kernels, which apply GELU before the outputs leave the registers."""

    def __init__(self, tensors: Tensors, name: str, rows: slice = ALL_ROWS) -> None:
        weight = tensors[f"{name}.weight"][rows].contiguous()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self._bias = tensors[f"{name}.bias"][rows].contiguous()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(x, "none", "")

    def activated(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(x, "gelu", "none")

    def for_attention(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)

    def _run(self, x: torch.Tensor, activation: str, algorithm: str) -> torch.Tensor:
        outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, activation, [], algorithm
        )
        return outputs


class Int8Dense:
    """Signed bytes times unsigned bytes. What an input may be was measured when the copy was made.

    Its tensors: `.weight` (outputs, inputs) int8 with one `.weight_scale` an output, `.bias`, and `.input`: scale
    and zero point of the inputs as bytes, and `.input_factor` (inputs,), what each is multiplied by before that.
    Ranges known beforehand make an answer independent of what else is in the batch, and cost no look at the data.
    """

    def __init__(self, tensors: Tensors, name: str, rows: slice = ALL_ROWS) -> None:
        weight, scale = tensors[f"{name}.weight"][rows], tensors[f"{name}.weight_scale"][rows]
        if not HAS_VNNI:
            weight, scale = (weight.float() / 2).round().to(torch.int8), scale * 2
        self._weight = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self._weight_scale = scale.contiguous()
        self._weight_zero = torch.zeros(len(scale), dtype=torch.int32)
        self._bias = tensors[f"{name}.bias"][rows].contiguous()
        self.scale, zero_point = tensors[f"{name}.input"].tolist()
        self.zero_point = int(zero_point)
        self._factor = tensors[f"{name}.input_factor"] / self.scale
        self._offset = torch.tensor(self.zero_point + 0.5)  # the half rounds: bytes are cut off, not rounded

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(self._to_bytes(x), activation="none", algorithm="")

    def activated(self, x: torch.Tensor) -> torch.Tensor:
        return self._run(self._to_bytes(x), activation="gelu", algorithm="none")

    def for_attention(self, x: torch.Tensor) -> torch.Tensor:
        dtype = torch.bfloat16 if multiplies_bfloat16() else torch.float32
        return self._run(self._to_bytes(x), activation="none", algorithm="", dtype=dtype)

    def activated_for(self, x: torch.Tensor, following: Int8Dense) -> torch.Tensor:
        """Return GELU of the outputs as the bytes that the following layer reads."""
        return self._run(
            self._to_bytes(x),
            activation="gelu",
            algorithm="none",
            scale=following.scale,
            zero_point=following.zero_point,
            dtype=torch.uint8,
        )

    def of_bytes(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs of inputs that are bytes already."""
        return self._run(x, activation="none", algorithm="")

    def _to_bytes(self, x: torch.Tensor) -> torch.Tensor:
        # By way of 16 bits: torch turns floats into unsigned bytes one at a time, and takes longer than the product.
        return torch.addcmul(self._offset, x, self._factor).clamp_(0, 255).to(torch.int16).to(torch.uint8)

    def _run(
        self,
        x: torch.Tensor,
        *,
        activation: str,
        algorithm: str,
        scale: float = 1.0,
        zero_point: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        outputs: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            x, self.scale, self.zero_point, self._weight, self._weight_scale, self._weight_zero, self._bias,
            scale, zero_point, dtype, activation, [], algorithm,
        )  # fmt: skip
        return outputs
