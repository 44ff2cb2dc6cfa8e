"""A pair of models under MODELS_DIR is found, loaded once, and answers for both axes."""

from __future__ import annotations

import json
import logging
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from mlcore import transformer
from mlcore.engine import active_model, device_name, engine_revisions, engine_status, get_engine, reset_engine
from mlcore.labels import map_labels
from mlcore.network import Network
from mlcore.registry import Model
from mlcore.types import Axis
from tests.models import TEXTS, copy_pair, edit_json, edit_weights, make_pair, to_bin, to_vocab_txt, write_json

pytestmark = pytest.mark.django_db


def test_a_pair_is_loaded_and_answers_on_both_axes(models_dir: Path) -> None:
    judgements = get_engine().classify(TEXTS)

    assert len(judgements) == len(TEXTS)
    for judgement in judgements:
        assert judgement.category.method == judgement.sentiment.method == "model"
        assert set(judgement.category.scores) == {"E", "S", "G", "none"}
        assert set(judgement.sentiment.scores) == {"positive", "neutral", "negative"}
    assert len({judgement.category.label for judgement in judgements}) > 1


def test_loading_says_so_in_the_log(models_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mlcore")

    get_engine().classify(["주가가 올랐다"])

    for revision in engine_revisions().values():
        assert f"모델 로드 완료: {revision}, 디바이스: {device_name()}" in caplog.text


def test_many_threads_load_each_model_once(models_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mlcore")

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda _: get_engine().classify(["주가가 올랐다"]), range(8)))

    assert caplog.text.count("모델 로드 완료") == 2
    scores = [answer[0].category.scores for answer in answers]
    assert all(one == pytest.approx(scores[0], abs=1e-6) for one in scores)  # company in a batch rounds otherwise


def test_loading_and_answering_need_no_network(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("something was asked of the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert get_engine().classify(["주가가 올랐다"])[0].sentiment.method == "model"


def test_pytorch_bin_and_vocab_txt_answer_as_safetensors_and_tokenizer_json_do(models_dir: Path) -> None:
    expected = get_engine().classify(TEXTS)
    for directory in models_dir.iterdir():
        to_bin(directory)
        to_vocab_txt(directory)
    reset_engine()

    assert get_engine().classify(TEXTS) == expected


def test_layer_norms_may_bear_the_names_of_old_checkpoints(models_dir: Path) -> None:
    expected = get_engine().classify(TEXTS)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(weights: dict[str, Any]) -> None:
        for name in list(weights):
            for modern, legacy in old.items():
                if modern in name:
                    weights[name.replace(modern, legacy)] = weights.pop(name)

    edit_weights(models_dir / "test123_category", rename)
    reset_engine()

    assert get_engine().classify(TEXTS) == expected


def test_tokenizer_json_is_enough_of_a_tokenizer(models_dir: Path) -> None:
    expected = get_engine().classify(TEXTS)
    for directory in models_dir.iterdir():
        (directory / "tokenizer_config.json").unlink()
    reset_engine()

    assert get_engine().classify(TEXTS) == expected


@pytest.mark.parametrize(
    "encoder",
    [
        {"0": "E", "1": "S", "2": "G", "3": "기타"},
        {"E": 0, "S": 1, "G": 2, "기타": 3},
        ["E", "S", "G", "기타"],
    ],
)
def test_a_label_encoder_may_be_written_three_ways(models_dir: Path, encoder: object) -> None:
    write_json(models_dir / "test123_category" / "label_encoder.json", encoder)

    assert active_model("category").labels == ("E", "S", "G", "none")


def test_the_label_encoder_decides_over_id2label(models_dir: Path) -> None:
    expected = get_engine().classify(TEXTS)
    directory = models_dir / "test123_sentiment"
    write_json(directory / "label_encoder.json", {"0": "긍정", "1": "중립", "2": "부정"})
    reset_engine()

    swapped = get_engine().classify(TEXTS)

    for before, after in zip(expected, swapped, strict=True):
        assert after.sentiment.scores["positive"] == before.sentiment.scores["negative"]
        assert after.sentiment.scores["neutral"] == before.sentiment.scores["neutral"]


def test_id2label_speaks_where_there_is_no_label_encoder(models_dir: Path) -> None:
    directory = models_dir / "test123_sentiment"
    (directory / "label_encoder.json").unlink()
    names = {"0": "Neutral", "1": "POS", "2": "neg"}
    edit_json(directory / "config.json", lambda config: config.update(id2label=names))

    assert active_model("sentiment").labels == ("neutral", "positive", "negative")


def test_a_setting_names_the_classes_of_a_model_that_names_none(models_dir: Path, settings: Settings) -> None:
    (models_dir / "test123_sentiment" / "label_encoder.json").unlink()
    settings.MODEL_LABELS = {"category": [], "sentiment": ["부정", "중립", "긍정"]}

    assert active_model("sentiment").labels == ("negative", "neutral", "positive")


def test_a_further_class_is_a_key_of_its_own_and_a_lacking_none_scores_zero(
    tmp_path: Path, settings: Settings
) -> None:
    settings.MODELS_DIR = tmp_path
    settings.MODEL_NAME = "fin"
    make_pair(tmp_path, "fin", category=["환경", "사회", "지배구조", "FIN"])
    reset_engine()

    scores = get_engine().classify(["주가가 크게 올랐다"])[0].category.scores

    assert list(scores) == ["E", "S", "G", "none", "FIN"]
    assert scores["none"] == 0
    assert scores["FIN"] > 0
    assert sum(scores.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("axis", "names", "codes"),
    [
        ("category", ["Environmental", " social ", "GOVERNANCE", "etc"], ("E", "S", "G", "none")),
        ("category", ["기타", "지배 구조", "사회", "환경"], ("none", "G", "S", "E")),
        ("category", ["e", "s", "g", "non-ESG", "fin"], ("E", "S", "G", "none", "fin")),
        ("sentiment", ["POSITIVE", "neu", "Negative"], ("positive", "neutral", "negative")),
        ("sentiment", ["부정", "긍정", "중립"], ("negative", "positive", "neutral")),
    ],
)
def test_labels_are_known_in_many_spellings(axis: Axis, names: list[str], codes: tuple[str, ...]) -> None:
    assert map_labels(names, axis=axis) == codes


def test_files_that_change_while_they_are_read_are_read_again(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mlcore")
    load = transformer.load_network
    changes = iter([0.5])

    def change_and_load(model: Model, *, stand_in: Model | None = None, precision: str) -> Network:
        if model.axis == "category" and (factor := next(changes, None)):
            edit_weights(model.directory, lambda w: w["classifier.dense.weight"].mul_(factor))
        return load(model, stand_in=stand_in, precision=precision)

    monkeypatch.setattr(transformer, "load_network", change_and_load)
    judgements = get_engine().classify(TEXTS)
    revisions = engine_revisions()

    assert revisions["category"] == active_model("category").revision  # of the files that were read last
    assert caplog.text.count("모델 로드 완료: test123_category@") == 2
    reset_engine()
    assert get_engine().classify(TEXTS) == judgements

    reset_engine()
    changes = iter([2.0, 2.0, 2.0])
    assert get_engine().classify(TEXTS)[0].category.method == "keyword"
    assert "its files change while it is loaded" in str(engine_status()[0].reason)


def test_the_revision_changes_with_any_file_and_with_the_labels(models_dir: Path, settings: Settings) -> None:
    directory = models_dir / "test123_category"
    revisions = [active_model("category").revision]
    assert active_model("category").revision == revisions[0]
    assert revisions[0].startswith("test123_category@")

    (directory / "label_encoder.json").unlink()
    settings.MODEL_LABELS = {"category": ["E", "S", "G", "기타"], "sentiment": []}
    revisions.append(active_model("category").revision)
    settings.MODEL_LABELS = {"category": ["S", "E", "G", "기타"], "sentiment": []}
    revisions.append(active_model("category").revision)
    edit_json(directory / "tokenizer_config.json", lambda config: config.update(model_max_length=256))
    revisions.append(active_model("category").revision)
    weights = directory / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    revisions.append(active_model("category").revision)

    assert len(set(revisions)) == len(revisions)


def test_two_copies_of_a_model_have_one_revision(models_dir: Path, tmp_path: Path, settings: Settings) -> None:
    revision = active_model("category").revision
    settings.MODELS_DIR = copy_pair(models_dir, tmp_path / "elsewhere")

    assert active_model("category").revision == revision


def test_a_loaded_model_goes_on_when_its_files_are_gone(models_dir: Path) -> None:
    before = get_engine().classify(TEXTS)
    revisions = engine_revisions()
    shutil.rmtree(models_dir)

    assert get_engine().classify(TEXTS) == before
    assert engine_revisions() == revisions


def test_the_status_names_method_and_revision_before_and_after_loading(models_dir: Path) -> None:
    before = engine_status()
    get_engine().classify(["주가가 올랐다"])

    assert engine_status() == before
    assert [(status.axis, status.method, status.reason) for status in before] == [
        ("category", "model", None),
        ("sentiment", "model", None),
    ]


def test_list_models_shows_every_pair_valid_or_why_not(models_dir: Path) -> None:
    shutil.copytree(models_dir / "test123_category", models_dir / "half_category")
    printed, as_json = StringIO(), StringIO()

    call_command("list_models", stdout=printed, no_color=True)
    call_command("list_models", "--json", stdout=as_json)

    half, whole = json.loads(as_json.getvalue())["models"]
    assert (half["name"], half["valid"], half["active"]) == ("half", False, False)
    assert "there is no such directory" in half["axes"]["sentiment"]["reason"]
    assert (whole["name"], whole["valid"], whole["active"]) == ("test123", True, True)
    assert whole["axes"]["category"]["labels"] == ["E", "S", "G", "none"]
    assert whole["axes"]["category"]["revision"] in printed.getvalue()
    assert "ACTIVE" in printed.getvalue()
