"""Texts set end to end answer as the padded modules of transformers do, in whatever numbers and layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from mlcore.dense import Int8Dense, OneDnnDense, PlainDense
from mlcore.encoder import Encoder, pack
from mlcore.layout import read_shape
from mlcore.network import Padded
from mlcore.quantize import quantize_tensors
from mlcore.stored import find_fault
from mlcore.weights import read_tensors
from tests.models import edit_json

SIZE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "initializer_range": 0.4,
    "num_labels": 4,
}
ROBERTA = {**SIZE, "pad_token_id": 1, "type_vocab_size": 1}
MODULES = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZE)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**ROBERTA)),
    "xlm-roberta": lambda: XLMRobertaForSequenceClassification(XLMRobertaConfig(**ROBERTA)),
    "electra": lambda: ElectraForSequenceClassification(ElectraConfig(**SIZE, embedding_size=16)),
}
TEXTS = [[2, 17, 3], [2], [2, *range(20, 80), 3], [2, 9, 1, 1, 8, 3], [2, 44, 3], [2, 0, 0, 3], [5, 6, 7]]


def make_module(kind: str, *, calm: bool = False):
    """Return random weights: wild ones tell texts apart, in calm ones small errors stay small, as after training."""
    torch.manual_seed(3)
    module = MODULES[kind]().eval()
    if calm:
        with torch.no_grad():
            for name, weights in module.named_parameters():
                weights.mul_(0.2 if name.endswith("dense.weight") else 1)
    return module


@pytest.mark.parametrize("kind", MODULES)
def test_what_transformers_writes_is_found_without_fault(kind: str, tmp_path: Path) -> None:
    make_module(kind).save_pretrained(tmp_path)
    assert find_fault(tmp_path) is None

    edit_json(tmp_path / "config.json", lambda config: config.update(num_hidden_layers=2))
    assert "they hold 3 layers, not 2" in str(find_fault(tmp_path))


def padded_answers(module, texts: Sequence[Sequence[int]]) -> torch.Tensor:
    return Padded(module, device=torch.device("cpu"))(texts)


def make_encoder(module, make_dense) -> Encoder:
    return Encoder(read_shape(module.config), read_tensors(module.state_dict(), module.config), make_dense=make_dense)


@pytest.mark.parametrize("make_dense", [PlainDense, OneDnnDense])
@pytest.mark.parametrize("kind", MODULES)
def test_a_packed_batch_answers_as_the_padded_module(kind: str, make_dense) -> None:
    module = make_module(kind)

    answers = make_encoder(module, make_dense)(TEXTS)

    assert torch.allclose(answers, padded_answers(module, TEXTS), atol=1e-4)
    assert answers.std(dim=0).min() > 0.01  # the texts are told apart


@given(lengths=st.lists(st.integers(1, 70), min_size=1, max_size=12), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_mix_of_lengths_answers_in_order(lengths: list[int], seed: int) -> None:
    module = make_module("roberta")
    generator = torch.Generator().manual_seed(seed)
    texts = [torch.randint(2, 300, (length,), generator=generator).tolist() for length in lengths]

    together = make_encoder(module, PlainDense)(texts)

    assert torch.allclose(together, padded_answers(module, texts), atol=1e-4)


def test_a_batch_is_packed_shortest_first_with_equal_lengths_side_by_side() -> None:
    packed = pack([[5, 6, 7], [8], [9, 1, 9]], padding=1)

    assert packed.ids.tolist() == [8, 5, 6, 7, 9, 1, 9]
    assert packed.positions.tolist() == [2, 2, 3, 4, 2, 1, 3]  # a padding token takes no position
    assert packed.firsts.tolist() == [0, 1, 4]
    assert packed.blocks == ((1, 1), (2, 3))
    assert packed.order == [1, 0, 2]


def test_bfloat16_stays_close_to_float32() -> None:
    module = make_module("roberta")
    exact = padded_answers(module, TEXTS).softmax(-1)

    answers = make_encoder(module.to(torch.bfloat16), PlainDense)(TEXTS)

    assert answers.dtype == torch.float32
    assert (answers.softmax(-1) - exact).abs().max() < 0.1


@pytest.mark.parametrize("kind", MODULES)
def test_an_int8_copy_stays_close_to_float32(kind: str) -> None:
    module = make_module(kind, calm=True)
    generator = torch.Generator().manual_seed(5)
    texts = [torch.randint(2, 300, (length,), generator=generator).tolist() for length in range(3, 70)]
    shape, tensors = read_shape(module.config), read_tensors(module.state_dict(), module.config)

    copy = Encoder(shape, quantize_tensors(shape, tensors, texts), make_dense=Int8Dense)

    drift = (copy(texts).softmax(-1) - padded_answers(module, texts).softmax(-1)).abs()
    assert drift.mean() < 0.02
    assert copy(texts[:1]).allclose(copy(texts)[:1], atol=1e-5)  # whatever else is in the batch


def test_bytes_do_not_overflow_where_products_are_added_in_sixteen_bits() -> None:
    inputs, outputs = 64, 8
    tensors = {
        "x.weight": torch.full((outputs, inputs), 127, dtype=torch.int8),
        "x.weight_scale": torch.ones(outputs),
        "x.bias": torch.zeros(outputs),
        "x.input": torch.tensor([1.0, 0.0]),
        "x.input_factor": torch.ones(inputs),
    }

    answers = Int8Dense(tensors, "x")(torch.full((4, inputs), 255.0))

    assert answers == pytest.approx(255 * 127 * inputs, rel=0.01)


def test_another_architecture_has_no_shape() -> None:
    assert read_shape(DistilBertConfig()) is None
    assert read_shape(BertConfig(hidden_act="relu")) is None
