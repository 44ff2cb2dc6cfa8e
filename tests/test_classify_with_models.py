"""Texts go through the models in batches, and come back in order with the answers they would get alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from mlcore.batching import plan_batches
from mlcore.engine import get_engine, reset_engine
from mlcore.keyword import explain
from mlcore.memory import resident_bytes
from mlcore.pair import PORTION, load_model
from mlcore.precision import choose_precision
from mlcore.registry import find_model
from mlcore.transformer import TransformerClassifier
from mlcore.types import Judgement
from tests.models import TEXTS, edit_json, edit_weights, make_pair

pytestmark = pytest.mark.django_db

Run = Callable[[Sequence[Sequence[int]]], torch.Tensor]


@pytest.fixture(autouse=True)
def _engine(pristine: Path, settings: Settings) -> None:
    settings.MODELS_DIR = pristine
    settings.MODEL_NAME = "test123"
    reset_engine()


def assert_alike(left: list[Judgement], right: list[Judgement]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.category.scores == pytest.approx(other.category.scores, abs=1e-5)
        assert one.sentiment.scores == pytest.approx(other.sentiment.scores, abs=1e-5)


def test_in_float32_the_scores_are_those_of_the_model_itself(pristine: Path, settings: Settings) -> None:
    settings.ML_PRECISION = "float32"
    directory = pristine / "test123_category"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    judgements = get_engine().classify(TEXTS)

    for text, judgement in zip(TEXTS, judgements, strict=True):
        encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.inference_mode():
            expected = model(**encoded).logits.softmax(-1)[0].tolist()
        assert list(judgement.category.scores.values()) == pytest.approx(expected, abs=1e-5)


def test_float16_on_a_cpu_is_taken_for_auto(
    pristine: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    expected = get_engine().classify(TEXTS)
    settings.ML_PRECISION = "float16"
    reset_engine()

    assert get_engine().classify(TEXTS) == expected
    assert {judgement.category.method for judgement in expected} == {"model"}
    assert "ML_PRECISION=float16 is for GPUs" in caplog.text
    assert choose_precision(torch.device("cuda"), wanted="float16", has_copy=True) == "float16"


@pytest.mark.parametrize(("wanted", "texts"), [(0, 32), (5, 5)])
def test_how_many_texts_are_read_at_once_goes_by_the_device_or_a_setting(
    settings: Settings, wanted: int, texts: int
) -> None:
    settings.ML_BATCH_SIZE = wanted
    get_engine().classify(TEXTS)
    pair = get_engine()._pairs.current
    assert pair
    network = Cramped(pair.models["category"], room=100)
    get_engine().classify(["주가가 크게 올랐다"] * 100)

    assert max(network.tried) == texts


def test_both_models_read_a_batch_at_the_same_time(settings: Settings) -> None:
    settings.TORCH_NUM_THREADS = 2
    expected = get_engine().classify(TEXTS)
    pair = get_engine()._pairs.current
    assert pair
    both = Barrier(2, timeout=60)  # which one after the other would not get past

    def meet(run: Run, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        both.wait()
        return run(texts)

    for model in pair.models.values():
        model._network = replace(model._network, run=partial(meet, model._network.run))
    assert get_engine().classify(TEXTS) == expected


def test_ten_thousand_texts_wait_as_texts_not_as_tokens(pristine: Path) -> None:
    get_engine().classify(TEXTS)
    pair = get_engine()._pairs.current
    assert pair
    network = pair.models["category"]._network
    waiting: list[int] = []

    def run(texts: Sequence[Sequence[int]]) -> torch.Tensor:
        waiting.append(len(pair._batcher._queue))
        return network.run(texts)

    pair.models["category"]._network = replace(network, run=run)
    texts = [f"{TEXTS[number % 4]} {number}" for number in range(10_000)]
    before = resident_bytes()
    judgements = get_engine().classify(texts)
    after = resident_bytes()

    assert len(judgements) == 10_000
    assert {judgement.category.method for judgement in judgements} == {"model"}
    assert max(waiting) <= PORTION
    assert before
    assert after
    assert after - before < 200e6  # most of it the answers


def test_a_batch_answers_in_order_what_each_text_gets_alone() -> None:
    texts = [*TEXTS, *reversed(TEXTS)] * 6

    together = get_engine().classify(texts)

    alone = {text: get_engine().classify([text])[0] for text in TEXTS}
    assert_alike(together, [alone[text] for text in texts])


def test_callers_at_the_same_time_get_their_own_answers() -> None:
    alone = {text: get_engine().classify([text]) for text in TEXTS}

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda text: get_engine().classify([text]), TEXTS * 10))

    for text, answer in zip(TEXTS * 10, answers, strict=True):
        assert_alike(answer, alone[text])


def test_the_label_has_the_highest_score_and_scores_sum_to_one() -> None:
    for judgement in get_engine().classify(TEXTS):
        for prediction in (judgement.category, judgement.sentiment):
            assert sum(prediction.scores.values()) == pytest.approx(1)
            assert prediction.confidence == max(prediction.scores.values())


def test_a_models_word_is_backed_by_evidence_from_the_text() -> None:
    texts = ["공장의 온실가스 배출을 줄이고 재생에너지를 늘린다", "영업이익이 크게 늘었다"]

    for text, judgement in zip(texts, get_engine().classify(texts), strict=True):
        label = judgement.category.label
        assert (judgement.category.evidence, judgement.category.issue) == explain(text, axis="category", label=label)
        label = judgement.sentiment.label
        assert judgement.sentiment.evidence == explain(text, axis="sentiment", label=label)[0]


def test_a_hundred_thousand_characters_are_read_as_their_beginning() -> None:
    sentence = "환경 규제를 어겨 과징금을 냈다 "
    long, cut = get_engine().classify([sentence * 6000, sentence * 60])

    assert len(sentence * 6000) > 100_000
    assert_alike([long], [cut])


def test_a_model_with_fewer_positions_gets_shorter_texts(tmp_path: Path, settings: Settings) -> None:
    make_pair(tmp_path, "short")
    name = "roberta.embeddings.position_embeddings.weight"
    for directory in tmp_path.iterdir():
        edit_weights(directory, lambda weights: weights.update({name: weights[name][:66].clone()}))
        edit_json(directory / "config.json", lambda config: config.update(max_position_embeddings=66))
    settings.MODELS_DIR, settings.MODEL_NAME = tmp_path, "short"
    reset_engine()

    long, cut = get_engine().classify(["환경 " * 500, "환경 " * 62])

    assert long.category.method == "model"
    assert_alike([long], [cut])


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "🙂🙂", "漢字만 모르는 文章", "<b>&amp;</b>", "한\u0000글"])
def test_odd_texts_get_an_answer(text: str) -> None:
    assert get_engine().classify([text])[0].category.method == "model"


def test_no_texts_get_no_answers() -> None:
    assert get_engine().classify([]) == []


@given(
    lengths=st.lists(st.integers(1, 512), max_size=80),
    max_texts=st.integers(1, 32),
    max_tokens=st.integers(1, 2048),
)
def test_batches_hold_every_text_once_within_their_limits(lengths: list[int], max_texts: int, max_tokens: int) -> None:
    batches = plan_batches(lengths, max_texts=max_texts, max_tokens=max_tokens)

    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[position] for position in batch)
        assert len(batch) <= max_texts
        assert padded <= max_tokens or len(batch) == 1


def test_texts_of_alike_length_are_read_together() -> None:
    lengths = [10, 200, 12, 190, 11]

    batches = plan_batches(lengths, max_texts=32, max_tokens=400)

    assert batches == [[1, 3], [2, 4, 0]]


class Cramped:
    """A network on a device without room for more than so many texts at once."""

    def __init__(self, classifier: TransformerClassifier, *, room: int) -> None:
        self._run, self._room = classifier._network.run, room
        self.tried: list[int] = []
        classifier._network = replace(classifier._network, run=self)

    def __call__(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        self.tried.append(len(texts))
        if len(texts) > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return self._run(texts)


def test_where_memory_is_short_a_batch_is_halved_until_it_fits(pristine: Path, caplog) -> None:
    texts = [f"한빛전자가 {number}번째 공장을 돌린다" for number in range(16)]
    classifier = load_model(find_model("test123", axis="category"))
    before = classifier.predict(texts)
    network = Cramped(classifier, room=4)
    after = classifier.predict(texts)

    assert network.tried == [16, 8, 4, 4, 8, 4, 4]
    assert [one.label for one in after] == [one.label for one in before]
    for one, other in zip(after, before, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-2)  # bfloat16 where the processor has it
    assert "no memory for 16 texts at once, halving" in caplog.text


def test_who_brings_long_texts_does_not_keep_others_from_the_tokenizer(pristine: Path) -> None:
    classifier = load_model(find_model("test123", axis="category"))
    long_texts = [(TEXTS[place % 4] + " ") * 4000 for place in range(PORTION)]
    waits: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        at_work = pool.submit(classifier.tokenise, long_texts)
        while not at_work.done():
            asked = time.perf_counter()
            classifier.tokenise(["주가가 올랐다"])
            waits.append(time.perf_counter() - asked)
        took = time.perf_counter() - started

    assert max(waits) < took / 2
    assert at_work.result()[-4:] == [classifier.tokenise([text])[0] for text in long_texts[-4:]]


def test_a_service_whose_memory_is_short_answers_every_caller(pristine: Path) -> None:
    get_engine().classify(TEXTS[:1])
    pair = get_engine()._pairs.current
    assert pair
    networks = [Cramped(model, room=2) for model in pair.models.values()]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(get_engine().classify, [TEXTS] * 8))

    assert all(len(answer) == len(TEXTS) for answer in answers)
    assert {one.category.method for answer in answers for one in answer} == {"model"}
    for network in networks:
        assert max(network.tried) > 2  # it was short of memory


def test_a_text_that_fits_nowhere_is_judged_by_keywords_and_costs_no_other(pristine: Path, settings) -> None:
    get_engine().classify(TEXTS[:1])
    pair = get_engine()._pairs.current
    assert pair
    longest = max(map(len, pair.models["category"].tokenise(TEXTS)))
    network = pair.models["category"]._network

    def run(texts: Sequence[Sequence[int]]) -> torch.Tensor:
        if any(len(text) == longest for text in texts):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network.run(texts)

    pair.models["category"]._network = replace(network, run=run)
    methods = [one.category.method for one in get_engine().classify(TEXTS)]

    assert methods.count("keyword") == 1
    assert methods[max(range(len(TEXTS)), key=lambda place: len(TEXTS[place]))] == "keyword"
