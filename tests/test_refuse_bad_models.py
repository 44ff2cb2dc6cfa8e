"""A model that cannot be used is refused with its reason, and the service goes on with keywords."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.checks import run_checks
from django.core.management import call_command
from pytest_django import Settings
from safetensors.torch import load_file
from transformers import DistilBertConfig, DistilBertForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from mlcore import registry
from mlcore.engine import active_model, device_name, engine_revisions, engine_status, get_engine, reset_engine
from mlcore.errors import ModelInvalid, ModelsUnavailable
from mlcore.labels import map_labels
from mlcore.listing import list_pairs
from mlcore.stored import known_architectures
from mlcore.types import Axis
from tests.models import (
    TEXTS,
    edit_json,
    edit_weights,
    to_bin,
    to_vocab_txt,
    write_json,
)

EMBEDDINGS = "roberta.embeddings.word_embeddings.weight"
Damage = Callable[[Path], object]

pytestmark = pytest.mark.django_db


@pytest.fixture
def category(models_dir: Path, settings: Settings) -> Path:
    """The category model of the active pair, to be damaged; its sentiment model stays sound."""
    settings.MLCORE_FALLBACK = True
    return models_dir / "test123_category"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


def be_a_file(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.write_text("a model")


def to_old_bin(directory: Path) -> None:
    """Write the weights as torch did before 1.6: one pickle after another, no zip archive."""
    weights = load_file(directory / "model.safetensors")
    torch.save(weights, to_bin(directory), _use_new_zipfile_serialization=False)


def in_turn(*damages: Damage) -> Damage:
    def inflict(directory: Path) -> None:
        for damage in damages:
            damage(directory)

    return inflict


def encode(*names: str) -> Damage:
    return lambda directory: write_json(directory / "label_encoder.json", list(names))


def configure(**changes: object) -> Damage:
    return lambda directory: edit_json(directory / "config.json", lambda config: config.update(changes))


FOUND_IN_THE_FILES: dict[str, tuple[Damage, str]] = {
    "missing": (shutil.rmtree, "there is no such directory"),
    "a file": (be_a_file, "it is not a directory"),
    "empty": (empty, "the directory is empty"),
    "no config": (lambda d: (d / "config.json").unlink(), "config.json is missing"),
    "truncated config": (lambda d: truncate(d / "config.json"), "config.json is not JSON"),
    "config of another kind": (lambda d: write_json(d / "config.json", [1]), "config.json is not an object"),
    "labels in the config of another kind": (configure(id2label=4), "neither a list nor an object"),
    "remote code": (configure(auto_map={"AutoModel": "evil.Model"}), "code of its own"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "it has no weights"),
    "truncated safetensors": (lambda d: truncate(d / "model.safetensors"), "model.safetensors is truncated"),
    "empty safetensors": (
        lambda d: (d / "model.safetensors").write_bytes(b""),
        "model.safetensors is truncated",
    ),
    "truncated bin": (lambda d: truncate(to_bin(d)), "pytorch_model.bin is truncated"),
    "LFS pointer": (
        lambda d: (d / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
        "Git LFS pointer",
    ),
    "no tokenizer": (lambda d: (d / "tokenizer.json").unlink(), "it has no tokenizer"),
    "broken labels": (lambda d: truncate(d / "label_encoder.json"), "label_encoder.json is not JSON"),
    "labels of another kind": (
        lambda d: write_json(d / "label_encoder.json", "ESG"),
        "neither a list nor an object",
    ),
    "unnumbered labels": (
        lambda d: write_json(d / "label_encoder.json", {"1": "E", "2": "S", "3": "G", "4": "기타"}),
        "does not number its labels",
    ),
    "too few labels": (encode("E", "S", "G"), "names 3 labels, the model has 4"),
    "nameless labels": (lambda d: (d / "label_encoder.json").unlink(), "MODEL_LABELS_CATEGORY"),
    "unmappable labels": (encode("갑", "을", "병", "정"), "means E"),
    "doubled labels": (encode("E", "S", "G", "환경"), "mean E"),
}
FOUND_WHEN_LOADED: dict[str, tuple[Damage, str]] = {
    "wrong width": (configure(hidden_size=64), "the weights do not fit config.json"),
    "no head": (
        lambda d: edit_weights(d, lambda w: [w.pop(name) for name in list(w) if name.startswith("classifier")]),
        "it is no fine-tuned classifier: its weights lack classifier.dense.bias",
    ),
    "fewer layers than the weights": (configure(num_hidden_layers=1), "they hold 2 layers, not 1"),
    "more layers than the weights": (configure(num_hidden_layers=3), "they hold 2 layers, not 3"),
    "unknown architecture": (configure(model_type="nosuch"), "nosuch"),
    "an empty tokenizer": (lambda d: write_json(d / "tokenizer.json", {}), "its tokenizer cannot be loaded: "),
    "truncated tokenizer": (lambda d: truncate(d / "tokenizer.json"), "its tokenizer cannot be loaded: "),
    "a tokenizer without Korean": (
        in_turn(to_vocab_txt, lambda d: (d / "tokenizer_config.json").unlink()),
        "its tokenizer knows no Korean",
    ),
    "a tokenizer of another model": (
        in_turn(
            lambda d: edit_weights(d, lambda w: w.update({EMBEDDINGS: w[EMBEDDINGS][:50].clone()})),
            configure(vocab_size=50),
        ),
        "the model 50",
    ),
    "an architecture without classes": (configure(model_type="vit"), "Unrecognized configuration class"),
    "NaN weights": (
        lambda d: edit_weights(d, lambda w: w["classifier.dense.weight"].fill_(float("nan"))),
        "its weights hold NaN",
    ),
    "overflowing weights": (
        lambda d: edit_weights(
            d, lambda w: [w[f"classifier.{part}.weight"].fill_(3e38) for part in ("dense", "out_proj")]
        ),
        "NaN or infinity",
    ),
    "truncated old bin": (
        in_turn(to_old_bin, lambda d: truncate(d / "pytorch_model.bin")),
        "it cannot be loaded: unexpected EOF",
    ),
}
ALL = FOUND_IN_THE_FILES | FOUND_WHEN_LOADED
# Of those found when loaded: what is said of them to who lists the models.
LISTED = {
    "wrong width": "the weights do not fit config.json: ",
    "no head": "it is no fine-tuned classifier: its weights lack classifier.dense.bias",
    "fewer layers than the weights": "they hold 2 layers, not 1",
    "more layers than the weights": "they hold 2 layers, not 3",
    "unknown architecture": "no text classifier of the model_type nosuch",
    "an architecture without classes": "no text classifier of the model_type vit",
    "an empty tokenizer": "tokenizer.json holds no tokenizer: ",
    "truncated tokenizer": "tokenizer.json holds no tokenizer: ",
    "a tokenizer of another model": "tokens, the model 50",
}


@pytest.mark.parametrize("damage", ["missing", "truncated safetensors", "nameless labels", *FOUND_WHEN_LOADED])
def test_a_bad_model_is_refused_with_its_reason_and_keywords_stand_in(
    category: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    inflict, reason = ALL[damage]
    inflict(category)

    judgements = get_engine().classify(TEXTS)

    assert {judgement.category.method for judgement in judgements} == {"keyword"}
    assert {judgement.sentiment.method for judgement in judgements} == {"model"}
    status = engine_status()[0]
    assert (status.method, status.revision) == ("keyword", engine_revisions()["category"])
    assert reason in str(status.reason)
    assert "test123_category" in str(status.reason)
    assert caplog.text.count("키워드 기반 분석으로 대체됩니다") == 1
    assert reason in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("damage", FOUND_IN_THE_FILES)
def test_what_the_files_show_is_known_before_anything_is_loaded(category: Path, damage: str) -> None:
    inflict, reason = FOUND_IN_THE_FILES[damage]
    inflict(category)

    with pytest.raises(ModelInvalid) as caught:
        active_model("category")

    assert reason in caught.value.message
    assert engine_status()[0].method == "keyword"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("damage", LISTED)
def test_what_can_never_be_loaded_is_listed_with_its_reason(category: Path, damage: str) -> None:
    inflict, _ = FOUND_WHEN_LOADED[damage]
    inflict(category)
    printed = StringIO()

    call_command("list_models", "--json", stdout=printed)

    (pair,) = json.loads(printed.getvalue())["models"]
    assert not pair["valid"]
    assert LISTED[damage] in pair["axes"]["category"]["reason"]
    assert pair["axes"]["sentiment"]["reason"] is None


def test_a_second_listing_reads_no_tokenizer_again(category: Path) -> None:
    list_pairs()
    looks = registry._find_fault.cache_info().misses
    list_pairs()
    assert registry._find_fault.cache_info().misses == looks

    write_json(category / "tokenizer.json", {})
    assert "holds no tokenizer" in str(list_pairs()[0].halves[0].reason)


def test_a_network_of_another_kind_is_not_loaded_by_half(category: Path) -> None:
    vocabulary = json.loads((category / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    config = DistilBertConfig(vocab_size=vocabulary, dim=32, hidden_dim=64, n_layers=2, n_heads=2, num_labels=4)
    DistilBertForSequenceClassification(config).save_pretrained(category)
    get_engine().classify(TEXTS)
    assert engine_status()[0].method == "model"

    configure(n_layers=1)(category)
    reset_engine()
    get_engine().classify(TEXTS)
    assert "they hold more layers, as distilbert.transformer.layer.1." in str(engine_status()[0].reason)


def test_the_known_architectures_are_those_of_transformers() -> None:
    assert known_architectures() == set(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)


def test_a_model_that_fails_to_load_is_not_tried_again(category: Path, caplog: pytest.LogCaptureFixture) -> None:
    promised = engine_revisions()["category"]
    configure(hidden_size=64)(category)

    get_engine().classify(["주가가 올랐다"])
    get_engine().classify(["주가가 내렸다"])

    assert promised.startswith("test123_category@")
    assert engine_revisions()["category"] == engine_status()[0].revision
    assert not engine_revisions()["category"].startswith("test123")
    assert caplog.text.count("키워드 기반 분석으로 대체됩니다") == 1


def test_without_any_models_both_axes_are_judged_by_keywords(tmp_path: Path, settings: Settings) -> None:
    settings.MODELS_DIR = tmp_path / "nowhere"
    reset_engine()

    judgement = get_engine().classify(["주가가 올랐다"])[0]

    assert judgement.category.method == judgement.sentiment.method == "keyword"
    assert device_name() == "cpu"


@pytest.mark.parametrize("name", ["", "..", "../models/test123", "a/b", "test123\x00"])
def test_a_name_that_is_no_name_is_refused(category: Path, settings: Settings, name: str) -> None:
    settings.MODEL_NAME = name

    assert get_engine().classify(["주가가 올랐다"])[0].category.method == "keyword"


def test_without_fallback_a_bad_model_is_a_503(category: Path, settings: Settings) -> None:
    settings.MLCORE_FALLBACK = False
    configure(hidden_size=64)(category)

    for _ in range(2):
        with pytest.raises(ModelsUnavailable) as caught:
            get_engine().classify(["주가가 올랐다"])
        assert caught.value.status == 503
        assert caught.value.details["axis"] == "category"
    with pytest.raises(ModelsUnavailable):
        engine_revisions()
    assert [status.method for status in engine_status()] == [None, "model"]


def test_a_pickle_that_would_run_code_is_refused_unrun(category: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    weights = to_bin(category)
    torch.save({"weights": Evil()}, weights)
    torch.load(weights, weights_only=False)
    (tmp_path / "owned").unlink()  # so it would have run

    assert get_engine().classify(["주가가 올랐다"])[0].category.method == "keyword"
    assert not (tmp_path / "owned").exists()


def test_checks_warn_of_keywords_and_refuse_where_they_are_not_allowed(category: Path, settings: Settings) -> None:
    def found() -> list[tuple[str, str]]:
        return [(str(m.id), m.msg) for m in run_checks() if str(m.id).startswith("mlcore.")]

    assert found() == []
    shutil.rmtree(category)
    (warning,) = found()
    settings.MLCORE_FALLBACK = False
    (refusal,) = found()

    assert warning[0] == "mlcore.W001"
    assert refusal[0] == "mlcore.W002"
    assert warning[1].endswith("cannot be used: there is no such directory.")  # in English as a whole


@pytest.mark.parametrize(
    ("axis", "names", "reason"),
    [
        ("sentiment", ["긍정", "부정"], "neutral"),
        ("sentiment", ["긍정", "중립", "부정", "혼재"], "혼재"),
        ("sentiment", ["LABEL_0", "LABEL_1", "LABEL_2"], "MODEL_LABELS_SENTIMENT"),
        ("sentiment", ["0", "1", "2"], "MODEL_LABELS_SENTIMENT"),
        ("sentiment", [], "positive"),
        ("category", ["E", "S", "기타"], "means G"),
        ("category", ["E", "S", "G", ""], "MODEL_LABELS_CATEGORY"),
        ("category", ["E", "S", "G", "FIN", " FIN"], "mean FIN"),
    ],
)
def test_labels_that_cannot_be_mapped_are_named(axis: Axis, names: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        map_labels(names, axis=axis)


def test_a_setting_of_the_wrong_length_is_refused(category: Path, settings: Settings) -> None:
    (category / "label_encoder.json").unlink()
    settings.MODEL_LABELS = {"category": ["E", "S", "G"], "sentiment": []}

    with pytest.raises(ModelInvalid, match="MODEL_LABELS_CATEGORY names 3 labels, the model has 4"):
        active_model("category")


def test_deeply_nested_json_is_refused(category: Path) -> None:
    (category / "config.json").write_text("[" * 100_000 + json.dumps(1))

    with pytest.raises(ModelInvalid, match="is not JSON"):
        active_model("category")
