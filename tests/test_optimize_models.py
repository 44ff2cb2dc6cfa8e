"""`manage.py optimize_models`: an int8 copy beside a pair, whole and measured, or nothing and the reason why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import torch
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from safetensors.torch import save_file
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from mlcore import choice, registry
from mlcore.engine import get_engine
from mlcore.errors import ModelInvalid
from mlcore.layout import INT8
from mlcore.optimize import bundled_texts, split_texts
from mlcore.pair import Pair, load_model
from mlcore.precision import choose_precision, multiplies_bytes
from tests.models import SENTIMENT_LABELS, edit_json, edit_weights, make_model
from tests.servers import wait_until
from tests.test_evaluate_model import write_jsonl

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _delicate(settings) -> None:
    settings.MIN_COPY_AGREEMENT = 0.5  # random weights are far more delicate than trained ones


def optimize(*arguments: str, name: str = "test123") -> str:
    printed = StringIO()
    call_command("optimize_models", name, *arguments, stdout=printed, no_color=True)
    return printed.getvalue()


def refusal(*arguments: str, name: str = "test123") -> str:
    with pytest.raises(CommandError) as caught:
        optimize(*arguments, name=name)
    return str(caught.value)


def content(models_dir: Path) -> dict[str, bytes]:
    return {str(path.relative_to(models_dir)): path.read_bytes() for path in models_dir.rglob("*") if path.is_file()}


def test_a_copy_is_written_measured_listed_and_loads(models_dir):
    (models_dir / "test123_category" / "metrics.json").write_text("{}", encoding="utf-8")  # of the original alone
    before = content(models_dir)
    report = json.loads(optimize("--json"))

    assert report["name"] == "test123@int8"
    assert [half["axis"] for half in report["halves"]] == ["category", "sentiment"]
    assert report["agreement"] == min(half["agreement"] for half in report["halves"])
    for half in report["halves"]:
        directory = models_dir / f"test123@int8_{half['axis']}"
        facts = json.loads((directory / "quantization.json").read_text(encoding="utf-8"))
        assert facts["agreement"] == pytest.approx(half["agreement"], abs=1e-6)
        assert 0.5 < half["agreement"] <= 1
        assert 0 < half["drift_mean"] < half["drift_max"] < 1
        assert half["copy"]["precision"] == "int8"
        assert half["copy"]["size_bytes"] < half["original"]["size_bytes"]
        assert half["copy"]["texts_per_second"] > 0
        assert (half["calibrated_texts"], half["measured_texts"]) == (256, 344)
        copy = registry.find_usable("test123@int8", axis=half["axis"])
        original = registry.find_model("test123", axis=half["axis"])
        assert facts["revision"] == original.revision
        # What was measured is what anybody gets who loads both.
        _, held_out = split_texts(bundled_texts())
        said = load_model(original, precision="float32").predict(held_out)
        said_by_copy = load_model(copy).predict(held_out)
        same = sum(one.label == other.label for one, other in zip(said, said_by_copy, strict=True))
        assert same / len(held_out) == half["agreement"]
    assert not (models_dir / "test123@int8_category" / "metrics.json").exists()
    assert before.items() <= content(models_dir).items()
    assert {path.name.partition("_")[0] for path in models_dir.iterdir()} == {"test123", "test123@int8"}
    listed = StringIO()
    call_command("list_models", stdout=listed, no_color=True)
    assert "test123@int8  valid  copy of test123" in listed.getvalue()


def test_people_get_a_table_and_the_copy_answers_once_it_is_activated(models_dir):
    table = optimize("--activate")

    for word in ("category, original", "category, copy (int8, cpu)", "articles/s", "agreement", "drift, most"):
        assert word in table
    assert "256 others decided" in table
    assert "test123@int8 is active" in table
    assert choice.active_name(is_fresh=True) == "test123@int8"


def test_a_copy_that_does_not_agree_is_kept_and_not_switched_to(models_dir, settings):
    settings.MIN_COPY_AGREEMENT = 1.0
    edit_weights(models_dir / "test123_category", lambda weights: weights["classifier.dense.weight"].mul_(30))
    message = refusal("--activate")

    assert "agrees with the original on" in message
    assert "100.00% are wanted" in message
    assert choice.active_name(is_fresh=True) == "test123"
    assert (models_dir / "test123@int8_category" / "model.safetensors").is_file()
    assert "cannot be switched to" in optimize("--min-agreement", "0.1")  # the setting stands
    with pytest.raises(CommandError, match="MIN_COPY_AGREEMENT"):
        call_command("switch_model", "test123@int8")


def test_a_stricter_limit_than_the_setting_is_kept_to(models_dir):
    edit_weights(models_dir / "test123_category", lambda weights: weights["classifier.dense.weight"].mul_(30))

    message = refusal("--activate", "--min-agreement", "1")
    assert "100.00% are wanted" in message
    assert "cannot be switched to" not in message
    assert "switch_model test123@int8` would take it" in message
    call_command("switch_model", "test123@int8")
    with pytest.raises(CommandError, match="between 0 and 1"):
        optimize("--min-agreement", "98")


def agree(models_dir: Path, share: float, name: str = "test123@int8") -> None:
    """Have a copy on record as one that judges so many texts as its original does."""
    for axis in ("category", "sentiment"):
        edit_json(models_dir / f"{name}_{axis}" / "quantization.json", lambda facts: facts.update(agreement=share))


def precisions() -> set[str]:
    return {model.precision for model in Pair("test123").models.values()}


def test_a_copy_that_agrees_well_answers_in_its_originals_place(models_dir, settings, caplog):
    """Under the original's revision; where the processor does not multiply int8, the original goes on."""
    here = choose_precision(torch.device("cpu"), wanted="auto", has_copy=False)
    fastest = "int8" if multiplies_bytes() else here
    before = Pair("test123").revisions
    optimize()
    agree(models_dir, 0.985)
    assert precisions() == {here}
    agree(models_dir, 0.99)
    caplog.set_level("INFO", logger="mlcore")
    assert precisions() == {fastest}
    assert f"{before['category']}, 디바이스: cpu, {fastest}" in caplog.text
    assert Pair("test123").revisions == before
    assert Pair("test123@int8").revisions != before
    listed = StringIO()
    call_command("list_models", stdout=listed, no_color=True)
    assert "copy of test123, answers in its place" in listed.getvalue()

    settings.MIN_COPY_AGREEMENT = 0.995
    assert precisions() == {here}
    settings.MIN_COPY_AGREEMENT = 0.98
    settings.ML_PRECISION = "float32"
    assert precisions() == {"float32"}
    settings.ML_PRECISION = "auto"
    (models_dir / "test123@int8_category" / "model.safetensors").write_bytes(b"damaged")
    assert precisions() == {here, fastest}
    edit_weights(models_dir / "test123_sentiment", lambda weights: weights["classifier.dense.weight"].mul_(-1))
    assert precisions() == {here}  # a copy of what was there before


def test_a_copy_that_loads_no_more_leaves_its_original_answering(models_dir, caplog):
    optimize()
    agree(models_dir, 1.0)
    for axis in ("category", "sentiment"):
        weights = models_dir / f"test123@int8_{axis}" / "model.safetensors"
        save_file({"word": torch.zeros(3)}, weights, metadata=INT8)

    assert precisions() == {choose_precision(torch.device("cpu"), wanted="auto", has_copy=False)}
    if multiplies_bytes():
        assert "test123_category answers by itself" in caplog.text


def test_a_copy_whose_config_counts_fewer_layers_is_listed_and_refused(models_dir):
    optimize()
    copy = models_dir / "test123@int8_category"
    edit_json(copy / "config.json", lambda config: config.update(num_hidden_layers=1))
    with pytest.raises(ModelInvalid) as listed:
        registry.find_usable("test123@int8", axis="category")
    with pytest.raises(ModelInvalid) as loaded:
        load_model(registry.find_model("test123@int8", axis="category"))

    assert listed.value.message == loaded.value.message
    assert "they hold 2 layers, not 1" in loaded.value.message


def test_a_process_takes_up_the_copy_of_the_pair_it_answers_with(models_dir):
    get_engine().classify(["한빛전자가 공장을 돌린다"])
    first = get_engine()._pairs.current
    optimize()
    agree(models_dir, 1.0)
    get_engine().follow()
    get_engine().follow()
    second = get_engine()._pairs.current

    assert second is not first
    if multiplies_bytes():
        assert {model.precision for model in second.models.values()} == {"int8"}
    get_engine().follow()
    assert get_engine()._pairs.current is second


def test_a_second_run_takes_the_place_of_the_first(models_dir):
    optimize()
    old = models_dir / "test123@int8_category"
    (old / "model.safetensors").write_bytes(b"damaged")
    (old / "left-over.txt").write_text("old", encoding="utf-8")
    optimize()

    assert registry.find_usable("test123@int8", axis="category").revision
    assert not (old / "left-over.txt").exists()
    assert len(list(models_dir.iterdir())) == 4


def test_a_copy_of_what_was_trained_anew_since_is_not_switched_to(models_dir):
    optimize()
    edit_weights(models_dir / "test123_sentiment", lambda weights: weights["classifier.dense.weight"].mul_(-1))
    with pytest.raises(CommandError, match="run optimize_models test123 again"):
        call_command("switch_model", "test123@int8")

    assert "test123@int8 is active" in optimize("--activate")
    for half in models_dir.glob("test123_*"):
        shutil.rmtree(half)
    assert registry.find_usable("test123@int8", axis="sentiment").labels  # it needs its original no more


def test_texts_of_ones_own_are_read_from_any_file(models_dir, tmp_path):
    titles = [text[:60].replace(",", "").replace('"', "").strip() for text in bundled_texts()[:120]]
    lines = tmp_path / "texts.txt"
    lines.write_text("\n".join([*titles, "", titles[0]]), encoding="utf-8")
    rows = write_jsonl(tmp_path / "texts.jsonl", [{"title": title} for title in titles])
    table = tmp_path / "texts.csv"
    table.write_text("\n".join(["title", *titles]), encoding="utf-8")

    agreements = set()
    for file in (lines, rows, table):
        report = json.loads(optimize("--json", "--texts", str(file)))
        assert {half["measured_texts"] for half in report["halves"]} == {60}
        agreements.add(report["agreement"])
    assert len(agreements) == 1  # the same texts, the same copy


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("한 줄\n두 줄\n", "it holds 2 different texts, 100 are needed"),
        ("같은 줄\n" * 300, "it holds 1 different texts"),
        ("\n\n", "no texts"),
    ],
)
def test_texts_that_do_not_do_are_refused(models_dir, tmp_path, written, said):
    file = tmp_path / "texts.txt"
    assert "No such file" in refusal("--texts", str(file))
    file.write_text(written, encoding="utf-8")

    assert said in refusal("--texts", str(file))
    assert len(list(models_dir.iterdir())) == 2


def test_what_cannot_be_optimised_is_refused_by_name(models_dir):
    assert "nobody_category" in refusal(name="nobody")
    assert "is not a model's name" in refusal(name="../models/test123")
    optimize()
    before = content(models_dir)
    assert "it is a copy already: optimise test123" in refusal(name="test123@int8")

    make_model(models_dir / "other_category", labels=("E", "S", "G", "기타"))
    assert "other_sentiment" in refusal(name="other")  # half a pair
    make_model(models_dir / "other_sentiment", labels=SENTIMENT_LABELS)
    edit_weights(
        models_dir / "other_sentiment", lambda weights: weights["classifier.dense.weight"].fill_(float("nan"))
    )
    assert "NaN" in refusal(name="other")
    make_distilbert(models_dir / "other_sentiment")
    assert "no int8 copy can be made of distilbert" in refusal(name="other")

    after = content(models_dir)
    assert {name: data for name, data in after.items() if not name.startswith("other")} == before


def make_distilbert(directory: Path) -> None:
    """Put a network of another kind into the place of a model."""
    vocabulary = json.loads((directory / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    config = DistilBertConfig(vocab_size=vocabulary, dim=32, hidden_dim=64, n_layers=1, n_heads=2, num_labels=3)
    config.pad_token_id = 1
    DistilBertForSequenceClassification(config).save_pretrained(directory)


def test_a_full_disk_leaves_what_was_there(models_dir):
    """The system refuses to write files beyond a size, as a full disk does, in the midst of the weights."""
    optimize()
    before = content(models_dir)
    limit = (models_dir / "test123@int8_category" / "model.safetensors").stat().st_size // 2
    program = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "sys.argv = ['optimize_models.py', 'test123']; runpy.run_path('optimize_models.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"MODELS_DIR": str(models_dir), "DJANGO_SETTINGS_MODULE": "newsservice.settings"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert content(models_dir) == before
    assert len(list(models_dir.iterdir())) == 4


def test_a_copy_that_is_not_finished_when_it_is_ended_leaves_what_was_there(models_dir):
    before = content(models_dir)
    process = subprocess.Popen(
        [sys.executable, "optimize_models.py", "test123"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"MODELS_DIR": str(models_dir), "DJANGO_SETTINGS_MODULE": "newsservice.settings"},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(list(models_dir.iterdir())) > 2)
    process.terminate()
    _, said = process.communicate(timeout=300)

    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert content(models_dir) == before


def test_the_bundled_texts_are_different_and_enough():
    texts = bundled_texts()

    assert len(set(texts)) == len(texts) == 600
    calibration, held_out = split_texts(texts)
    assert not set(calibration) & set(held_out)
    assert sorted(calibration + held_out) == sorted(texts)
    assert split_texts(texts) == (calibration, held_out)
