"""`manage.py evaluate_model`: the lexicons, or models, measured on a file of labelled articles."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from tokenizers import Tokenizer

from tests.models import edit_weights, make_pair
from tests.processes import MANAGE, ROOT, environment

ARTICLES = [
    ("한빛전자, 온실가스 배출 감축하고 재생에너지 전환", "탄소중립 목표를 앞당긴다.", "E"),
    ("폐수 무단방류 적발된 누리화학", None, "E"),
    ("다온택배 노조 파업…하청 노동자 안전사고 규탄", "중대재해 수사가 이어진다.", "S"),
    ("가람은행, 취약계층 청년에 장학금 기부", "", "S"),
    ("해담조선 이사회, 사외이사 선임…지배구조 개편", "주주총회에서 다룬다.", "G"),
    ("아람건설 회장 횡령·배임 혐의 기소", "감사위원회는 몰랐다.", "G"),
    ("새벽소프트, 새 게임 예고편 공개", "다음 달 출시한다.", "none"),
    ("라온테크 접는 화면 시연", "전시회에서 눈길을 끌었다.", "none"),
]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def esg_file(tmp_path) -> Path:
    rows = [{"title": title, "description": text, "esg": label} for title, text, label in ARTICLES]
    return write_jsonl(tmp_path / "esg.jsonl", rows)


def run(capsys, *arguments: str) -> str:
    call_command("evaluate_model", *arguments)
    return capsys.readouterr().out


def run_json(capsys, path: Path, *arguments: str, engine: str = "keyword") -> dict:
    return json.loads(run(capsys, "--engine", engine, "--data", str(path), "--json", *arguments))


def refusal(path: Path, *arguments: str, engine: str = "keyword") -> str:
    with pytest.raises(CommandError) as caught:
        call_command("evaluate_model", "--engine", engine, "--data", str(path), *arguments)
    return str(caught.value)


def test_the_lexicons_are_measured_by_class(capsys, esg_file):
    report = run_json(capsys, esg_file)

    assert report["engine"].startswith("keyword@")
    assert (report["axis"], report["texts"], report["labels"]) == ("category", 8, ["E", "S", "G", "none"])
    assert report["macro_f1"] > 0.7
    assert report["interval"][0] <= report["macro_f1"] <= report["interval"][1]
    assert 0 <= report["calibration_error"] <= 1
    assert report["texts_per_second"] > 0
    assert report["accuracy"] == sum(report["confusion"][place][place] for place in range(4)) / 8
    assert report["accuracy_interval"][0] <= report["accuracy"] <= report["accuracy_interval"][1]
    assert sum(one["texts"] for one in report["bins"]) == 8
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    assert report["memory_bytes"] >= 0
    assert [score["support"] for score in report["classes"]] == [2, 2, 2, 2]
    for score in report["classes"]:
        for rate in ("precision", "recall", "f1"):
            low, high = score[f"{rate}_interval"]
            assert 0 <= low <= score[rate] <= high <= 1


def test_the_confusion_counts_every_article_once(capsys, esg_file):
    confusion = run_json(capsys, esg_file)["confusion"]

    assert [sum(row) for row in confusion] == [2, 2, 2, 2]


def test_people_get_a_table(capsys, esg_file):
    table = run(capsys, "--engine", "keyword", "--data", str(esg_file))

    for word in (
        "macro-F1",
        "accuracy",
        "calibration error",
        "one text alone",
        "MB of memory",
        "articles/s",
        "precision",
        "recall",
        "8 texts of esg.jsonl",
    ):
        assert word in table
    assert [line.split()[0] for line in table.splitlines()[4:8]] == ["E", "S", "G", "none"]


def test_a_spreadsheet_and_korean_labels_do_as_well(capsys, esg_file, tmp_path):
    table = tmp_path / "esg.csv"
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["title", "lead", "esg"])
        rows.writerows([title, text, {"none": "기타"}.get(label, label)] for title, text, label in ARTICLES)

    assert run_json(capsys, table)["confusion"] == run_json(capsys, esg_file)["confusion"]


def test_the_axis_is_what_the_file_is_labelled_for(capsys, tmp_path):
    rows = [
        {"title": "한빛전자, 사상 최대 실적…매출 급증", "sentiment": "positive"},
        {"title": "누리제약 적자 확대…리콜까지", "sentiment": "negative"},
        {"title": "다온항공 인사", "sentiment": "neutral"},
    ]
    report = run_json(capsys, write_jsonl(tmp_path / "sentiment.jsonl", rows))

    assert (report["axis"], report["macro_f1"]) == ("sentiment", 1.0)


def test_only_the_beginning_of_a_description_is_read(capsys, tmp_path):
    long = "말을 아꼈다. " * 26 + "온실가스 배출과 폐수 방류로 탄소중립 재생에너지 환경오염"
    rows = [{"title": "한빛전자 기자간담회", "description": long, "esg": "none"}]

    assert run_json(capsys, write_jsonl(tmp_path / "long.jsonl", rows))["confusion"][3] == [0, 0, 0, 1]


def test_a_model_is_measured_like_the_lexicons(capsys, esg_file, tmp_path, settings):
    settings.MODELS_DIR = tmp_path / "models"
    make_pair(settings.MODELS_DIR, "tiny", category=("E", "S", "G", "FIN", "기타"))
    report = run_json(capsys, esg_file, engine="tiny")

    assert report["engine"].startswith("tiny_category@")
    assert report["labels"] == ["E", "S", "G", "none", "FIN"]
    assert sum(map(sum, report["confusion"])) == 8


def in_a_process(models_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MANAGE, "evaluate_model", *arguments],
        cwd=ROOT,
        env=environment(models_dir.parent, MODELS_DIR=str(models_dir)),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_a_model_without_numbers_for_a_text_is_named(tmp_path, settings):
    settings.MODELS_DIR = tmp_path / "models"
    make_pair(settings.MODELS_DIR, "test123")
    directory = settings.MODELS_DIR / "test123_category"
    place = Tokenizer.from_file(str(directory / "tokenizer.json")).token_to_id("빛")
    edit_weights(directory, lambda w: w["roberta.embeddings.word_embeddings.weight"][place].fill_(3e38))
    rows = [{"title": "한 노조", "esg": "S"}, {"title": "빛", "esg": "E"}]

    with pytest.raises(CommandError, match="NaN or infinity"):
        call_command("evaluate_model", "--engine", "test123", "--data", str(write_jsonl(tmp_path / "esg.jsonl", rows)))


def test_a_pair_its_copy_and_the_lexicons_stand_side_by_side(esg_file, tmp_path, settings, capsys):
    models_dir = settings.MODELS_DIR = tmp_path / "models"
    make_pair(models_dir, "tiny", category=("E", "S", "G", "FIN", "기타"))
    call_command("optimize_models", "tiny")
    given = ("--engine", "tiny", "--data", str(esg_file), "--side-by-side")
    compared = json.loads(in_a_process(models_dir, *given, "--json").stdout)

    assert (compared["axis"], compared["texts"]) == ("category", 8)
    assert [one["name"] for one in compared["engines"]] == ["tiny", "tiny@int8", "keyword"]
    for one in compared["engines"]:
        assert one["labels"] == compared["labels"] == ["E", "S", "G", "none", "FIN"]
        assert sum(map(sum, one["confusion"])) == 8
        assert one["texts_per_second"] > 0
        assert one["memory_bytes"] > 100e6  # with the libraries that came with it
    _, copy, _ = compared["engines"]
    capsys.readouterr()
    assert run_json(capsys, esg_file, engine="tiny@int8")["confusion"] == copy["confusion"]

    (models_dir / "tiny@int8_category" / "model.safetensors").write_bytes(b"damaged")
    shown = in_a_process(models_dir, *given).stdout
    for word in ("tiny", "keyword", "F1 of FIN", "articles/s", "one text, p95", "memory taken", "true \\ said"):
        assert word in shown
    assert "tiny@int8: " in shown
    assert "truncated or damaged" in shown


def test_only_a_pair_stands_beside_the_lexicons(esg_file, tmp_path, settings):
    settings.MODELS_DIR = tmp_path / "models"

    assert "wants a pair" in refusal(esg_file, "--side-by-side")
    assert "nobody_category" in refusal(esg_file, "--side-by-side", engine="nobody")


def test_a_label_the_engine_does_not_know_can_be_allowed(capsys, esg_file):
    with esg_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"title": "금리 인하 기대", "esg": "FIN"}, ensure_ascii=False))

    assert "unknown label 'FIN'" in refusal(esg_file)
    assert run_json(capsys, esg_file, "--extra-label", "FIN")["labels"] == ["E", "S", "G", "none", "FIN"]


def test_a_model_that_is_not_there_is_named(esg_file):
    assert "nobody_category" in refusal(esg_file, engine="nobody")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no articles"),
        ("\n\n", "no articles"),
        ('{"title": "제목"}', "no column 'esg', only title"),
        ('{"headline": "제목", "esg": "E"}', "no column 'title', only headline, esg"),
        ('{"title": "제목", "esg": "F"}', "unknown label 'F', known are E, S, G, none, 기타"),
        ('{"title": "제목", "esg": null}', "unknown label 'None'"),
        ('{"title": "제목", "esg": "E"}\n{"title": "제목"}', "article 2: no column 'esg'"),
        ("title,esg", "not JSON: title,esg"),
        ("[1]", "not an object: [1]"),
    ],
)
def test_a_file_that_does_not_do_is_refused_in_words(tmp_path, content, said):
    path = tmp_path / "file.jsonl"
    path.write_text(content, encoding="utf-8")
    message = refusal(path)

    assert said in message
    assert str(path) in message


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "esg.csv"
    path.write_bytes("title,esg\n한빛전자,E\n".encode("cp949"))

    assert "not UTF-8" in refusal(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "nothing.jsonl")
