"""`manage.py train_model`: a pair of models from labelled articles and a base, or nothing and the reason why."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from transformers import Trainer

from mlcore import registry
from mlcore.labelled import Labelled, read_labelled
from mlcore.labels import LABELS
from mlcore.pair import load_model
from mlcore.splitting import remove_duplicates, split
from tests.models import edit_weights, make_base
from tests.processes import MANAGE
from tests.servers import wait_until
from tests.test_evaluate_model import write_jsonl

COMPANIES = ("한빛전자", "누리화학", "다온택배", "가람은행", "해담조선", "아람건설")
SAID = {
    "E": ("온실가스 배출을 줄인다", "재생에너지로 공장을 돌린다"),
    "S": ("노조가 파업을 시작했다", "장학금을 기부했다"),
    "G": ("이사회가 사외이사를 뽑았다", "주주총회에서 감사를 선임했다"),
    "none": ("새 게임을 출시했다", "전시회에 참가했다"),
}
FELT = {
    "positive": ("사상 최대 실적을 냈다", "주가가 크게 올랐다"),
    "neutral": ("인사를 발표했다", "사옥을 옮겼다"),
    "negative": ("적자가 늘었다", "과징금을 물었다"),
}


def rows_of(said: dict[str, tuple[str, ...]], *, column: str) -> list[dict[str, object]]:
    return [
        {"title": f"{company} {when}", "description": text, column: label}
        for label, texts in said.items()
        for text, company, when in itertools.product(texts, COMPANIES, ("오늘", "어제"))
    ]


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    return {
        "category": write_jsonl(tmp_path / "category.jsonl", rows_of(SAID, column="esg")),
        "sentiment": write_jsonl(tmp_path / "sentiment.jsonl", rows_of(FELT, column="sentiment")),
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("bases") / "base"
    texts = [f"{row['title']} {row['description']}" for row in rows_of(SAID | FELT, column="any")]
    make_base(directory, texts, hidden=32, layers=1, vocabulary=600)
    return directory


@pytest.fixture(autouse=True)
def models_dir(settings, tmp_path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    return settings.MODELS_DIR


def train(files: dict[str, Path], base: Path, *arguments: str, name: str = "own") -> None:
    given = ["--category", str(files["category"]), "--sentiment", str(files["sentiment"]), "--base", str(base)]
    how = ["--name", name, "--learning-rate", "0.003", "--epochs", "8", "--patience", "8", "--batch-size", "8"]
    call_command("train_model", *given, *how, *arguments)


def refusal(files: dict[str, Path], base: Path, *arguments: str, name: str = "own") -> str:
    with pytest.raises(CommandError) as caught:
        train(files, base, *arguments, name=name)
    return str(caught.value)


def test_a_pair_is_learnt_and_loads_at_once(files, base, models_dir, capsys):
    train(files, base, "--held-out", str(models_dir.parent / "held-out"))

    said = capsys.readouterr()
    assert "category: macro-F1" in said.out
    assert "own is in" in said.out
    assert "epoch 1/8" in said.err
    assert sorted(path.name for path in models_dir.iterdir()) == ["own_category", "own_sentiment"]
    for axis, text, label in (("category", "노조가 파업을 시작했다", "S"), ("sentiment", "적자가 늘었다", "negative")):
        model = registry.find_model("own", axis=axis)
        assert model.labels == LABELS[axis]
        assert load_model(model).predict([f"한빛전자 오늘 {text}"])[0].label == label
        names = {file.path.name for file in model.files}
        assert names >= {"config.json", "model.safetensors", "tokenizer.json", "label_encoder.json", "README.md"}
        assert all(file.path.stat().st_mode & 0o044 == 0o044 for file in model.files)
        metrics = json.loads((model.directory / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["test"]["macro_f1"] > 0.6
        held_out = read_labelled(models_dir.parent / f"held-out/{axis}.jsonl", axis=axis, labels=LABELS[axis])
        assert len(held_out.texts) == sum(metrics["texts"]["test"].values())


def test_the_same_seed_gives_the_same_weights(files, base, models_dir):
    for name in ("one", "two"):
        train(files, base, "--epochs", "1", name=name)

    one, two = (models_dir / f"{name}_category/model.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_label_of_ones_own_is_learnt_where_it_is_named(files, base, models_dir):
    rows = rows_of(SAID | {"FIN": ("채권을 발행했다", "금리를 올렸다")}, column="esg")
    write_jsonl(files["category"], rows)

    assert "unknown label 'FIN'" in refusal(files, base)
    train(files, base, "--epochs", "1", "--extra-label", "FIN")
    assert registry.find_model("own", axis="category").labels == ("E", "S", "G", "none", "FIN")


def test_what_was_trained_can_be_trained_on(files, base, models_dir):
    train(files, base, "--epochs", "1")
    train(files, models_dir / "own_category", "--epochs", "1", name="more")

    assert registry.list_names() == ["more", "own"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "it holds no articles"),
        ([{"title": "제목"}], "no column 'esg'"),
        ([{"headline": "제목", "esg": "E"}], "no column 'title'"),
        ([{"title": "제목", "esg": "X"}], "unknown label 'X'"),
        (rows_of({"E": SAID["E"]}, column="esg"), "of one class, E"),
        (rows_of({"E": SAID["E"], "S": SAID["S"]}, column="esg"), "no text is labelled G"),
        (rows_of(SAID, column="esg")[:80], "too few different texts of a class: none 8; it takes 10"),
    ],
)
def test_a_file_that_cannot_be_learnt_from_is_named(files, base, models_dir, rows, said):
    write_jsonl(files["category"], rows)
    message = refusal(files, base)

    assert said in message
    assert str(files["category"]) in message
    assert registry.list_names() == []


def test_files_that_cannot_be_read_are_named(files, base, tmp_path):
    assert "No such file" in refusal(files | {"sentiment": tmp_path / "nothing.csv"}, base)
    files["sentiment"].write_bytes("title,sentiment".encode("utf-16"))
    assert "not UTF-8" in refusal(files, base)


def test_a_base_that_is_no_checkpoint_is_refused(files, base, tmp_path):
    assert "there is no such directory" in refusal(files, tmp_path / "nowhere")
    assert "it is no checkpoint: it has no configuration" in refusal(files, tmp_path)


def test_a_damaged_base_is_refused_and_nothing_is_left(files, base, tmp_path, models_dir):
    for number, change in enumerate((_spoil, _shorten)):
        damaged = tmp_path / f"damaged{number}"
        make_base(damaged, ["한빛전자 오늘 노조가"], hidden=32, layers=1)
        edit_weights(damaged, change)

        assert "No model was written" in refusal(files, damaged)
        assert list(models_dir.iterdir()) == []


def _spoil(weights):
    weights["embeddings.word_embeddings.weight"][3] = float("nan")


def _shorten(weights):
    del weights["encoder.layer.0.output.dense.weight"]


def test_a_tokenizer_of_another_language_is_refused(files, tmp_path):
    make_base(tmp_path / "english", ["shares rose three percent on monday"], hidden=32, layers=1)

    assert "does not know the texts' language" in refusal(files, tmp_path / "english")


def test_a_name_that_is_taken_or_no_name_is_refused(files, base, models_dir):
    (models_dir / "own_sentiment").mkdir(parents=True)

    assert "own_sentiment is there already" in refusal(files, base)
    for name in ("keyword", "../own", ".own", "own@int8"):
        assert "a directory's name" in refusal(files, base, name=name)


def test_a_place_for_the_test_parts_that_does_not_do_costs_no_training(files, base, models_dir, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")

    assert "taken" in refusal(files, base, "--held-out", str(tmp_path / "taken"))
    assert "macro-F1" not in capsys.readouterr().out
    assert registry.list_names() == []


def test_a_batch_that_does_not_fit_is_named(files, base, models_dir, monkeypatch):
    def train_without_memory(trainer):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(Trainer, "train", train_without_memory)

    assert "No memory for 8 texts a step" in (said := refusal(files, base))
    assert "--batch-size" in said
    assert list(models_dir.iterdir()) == []


def test_a_training_that_is_ended_leaves_nothing(files, base, models_dir):
    given = ["--category", files["category"], "--sentiment", files["sentiment"], "--base", base, "--name", "own"]
    process = subprocess.Popen(
        [*MANAGE, "train_model", *given, "--epochs", "10000", "--patience", "10000"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"MODELS_DIR": str(models_dir), "DJANGO_SETTINGS_MODULE": "newsservice.settings"},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: models_dir.is_dir() and any(models_dir.iterdir()))
    process.terminate()
    _, said = process.communicate(timeout=300)

    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert list(models_dir.iterdir()) == []


def test_a_full_disk_leaves_nothing(files, base, models_dir):
    """The system refuses to write files beyond a size, as a full disk does, in the midst of the weights."""
    limit = (base / "model.safetensors").stat().st_size // 2
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from django.core.management import execute_from_command_line as run; run(['manage.py', *sys.argv[1:]])"
    )
    given = ["--category", files["category"], "--sentiment", files["sentiment"], "--base", base, "--name", "own"]
    done = subprocess.run(
        [sys.executable, "-c", program, "train_model", *given, "--epochs", "1"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | {"MODELS_DIR": str(models_dir), "DJANGO_SETTINGS_MODULE": "newsservice.settings"},
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(models_dir.iterdir()) == []


def test_a_text_is_learnt_from_once_and_one_with_two_labels_not_at_all():
    texts = ("노조 파업", "노조  '파업'!", "노조 파업 끝", "ＬＧ 공장", "lg 공장", " ")
    kept, removed = remove_duplicates(Labelled(texts=texts, truth=("S", "S", "S", "E", "G", "E")))

    assert kept == Labelled(texts=("노조 파업", "노조 파업 끝"), truth=("S", "S"))
    assert (removed.duplicates, removed.contradictions, removed.empty) == (1, 2, 1)


def test_the_parts_share_no_text_and_hold_every_class():
    truth = ("E",) * 10 + ("S",) * 700 + ("G",) * 290
    labelled = Labelled(texts=tuple(f"기사 {number}" for number in range(1000)), truth=truth)
    parts = split(labelled, needed=("E", "S", "G"), seed=1)

    pieces = (parts.train, parts.validation, parts.test)
    assert sorted(text for part in pieces for text in part.texts) == sorted(labelled.texts)
    assert [len(part.texts) for part in pieces] == [800, 100, 100]
    assert [part.truth.count("E") for part in pieces] == [8, 1, 1]
