"""`manage.py compare_models A B`: what would change if another pair judged."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dashboard.models import Article
from mlcore.keyword import keyword_classifier
from mlcore.optimize import bundled_texts
from mlcore.pair import load_model
from mlcore.registry import find_model
from tests.models import copy_pair, edit_weights, make_pair

pytestmark = pytest.mark.django_db

TEXTS = bundled_texts()[:40]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models_dir = tmp_path_factory.mktemp("models")
    make_pair(models_dir, "one")
    make_pair(models_dir, "other", category=("G", "기타", "E", "S"))  # the same weights, other names
    return models_dir


@pytest.fixture(autouse=True)
def models_dir(pristine: Path, tmp_path: Path, settings) -> Path:
    settings.MODELS_DIR = copy_pair(pristine, tmp_path / "models")
    return settings.MODELS_DIR


@pytest.fixture
def stored() -> None:
    for number, text in enumerate(TEXTS):
        published_at = timezone.now() - timedelta(hours=number)
        Article.objects.create(
            identity=uuid4(), title=text, published_at=published_at, last_seen_at=timezone.now(), url="", link=""
        )


def compare(*arguments: str) -> str:
    printed = StringIO()
    call_command("compare_models", *arguments, stdout=printed, no_color=True)
    return printed.getvalue()


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        compare(*arguments)
    return str(caught.value)


def test_a_pair_agrees_with_itself(stored):
    compared = json.loads(compare("one", "one", "--json"))

    assert compared["texts"] == len(TEXTS)
    for axis in compared["axes"].values():
        assert (axis["agreement"], axis["drift_max"], axis["flips"]) == (1.0, 0.0, [])


def test_changes_are_counted_by_class_and_the_surest_come_first(stored):
    axes = json.loads(compare("one", "other", "--json"))["axes"]

    category = axes["category"]
    renamed = {"E": "G", "S": "none", "G": "E", "none": "S"}
    assert category["agreement"] == 0.0
    assert category["counts"]
    for label, said in category["counts"].items():
        assert list(said) == [renamed[label]]
    assert sum(count for said in category["counts"].values() for count in said.values()) == len(TEXTS)
    sureness = [min(flip["first_confidence"], flip["second_confidence"]) for flip in category["flips"]]
    assert len(sureness) == len(TEXTS)
    assert sureness == sorted(sureness, reverse=True)
    assert axes["sentiment"]["agreement"] == 1.0
    truth = load_model(find_model("one", axis="category")).predict([category["flips"][0]["text"]])[0]
    assert truth.label == category["flips"][0]["first"]
    assert truth.confidence == pytest.approx(category["flips"][0]["first_confidence"], abs=1e-3)


def test_people_read_a_table_and_the_texts_themselves(stored):
    shown = compare("one", "other", "--show", "3", "--limit", "30")

    assert "one and other on 30 stored articles" in shown
    assert "category: 0.0% alike" in shown
    assert "sentiment: 100.0% alike" in shown
    lines = [line for line in shown.splitlines() if "→" in line]
    assert len(lines) == 3
    for line in lines:
        assert any(line.endswith(text) for text in TEXTS[:30])


def test_the_newest_articles_are_read_and_a_text_once(stored):
    Article.objects.create(
        identity=uuid4(), title=TEXTS[0], published_at=timezone.now(), last_seen_at=timezone.now(), url="", link=""
    )
    flips = json.loads(compare("one", "other", "--limit", "5", "--json"))["axes"]["category"]["flips"]

    assert sorted(flip["text"] for flip in flips) == sorted(TEXTS[:4])


def test_the_lexicons_can_be_one_of_them(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS), encoding="utf-8")
    axes = json.loads(compare("keyword", "one", "--data", str(file), "--json"))["axes"]

    for axis in ("category", "sentiment"):
        classifiers = keyword_classifier(axis), load_model(find_model("one", axis=axis))
        said, said_by_model = ([one.label for one in classifier.predict(TEXTS)] for classifier in classifiers)
        same = sum(a == b for a, b in zip(said, said_by_model, strict=True))
        assert axes[axis]["agreement"] == same / len(TEXTS)
        assert len(axes[axis]["flips"]) == len(TEXTS) - same


def test_all_of_a_file_is_read_unless_a_limit_says_otherwise(models_dir, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(f"{number}번째 소식" for number in range(501)), encoding="utf-8")

    assert json.loads(compare("keyword", "keyword", "--data", str(file), "--json"))["texts"] == 501
    assert json.loads(compare("keyword", "keyword", "--data", str(file), "--limit", "7", "--json"))["texts"] == 7


def test_what_cannot_be_compared_is_refused(models_dir, tmp_path):
    assert "no stored articles" in refusal("one", "other")
    file = tmp_path / "texts.txt"
    assert "No such file" in refusal("one", "other", "--data", str(file))
    file.write_text("\n", encoding="utf-8")
    assert "no texts" in refusal("one", "other", "--data", str(file))
    file.write_text("노조 파업", encoding="utf-8")
    assert "nobody_category" in refusal("one", "nobody", "--data", str(file))
    assert "whole number" in refusal("one", "other", "--limit", "0")
    edit_weights(models_dir / "other_sentiment", lambda w: w["classifier.dense.weight"].fill_(float("nan")))
    assert "NaN" in refusal("one", "other", "--data", str(file))
