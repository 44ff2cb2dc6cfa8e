"""A large file of a model is hashed once for all processes, and again whenever that could be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcore import digests, registry
from tests.models import copy_pair, edit_json, make_pair
from tests.processes import MANAGE, ROOT, environment

OLD = time.time() - 3600
PADDING = digests.LARGE


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair whose directory holds a file that is large, as weights are."""
    models_dir = tmp_path_factory.mktemp("models")
    make_pair(models_dir, "test123")
    (models_dir / "test123_category" / "notes.bin").write_bytes(os.urandom(PADDING))
    return models_dir


@pytest.fixture
def large(pristine: Path, tmp_path: Path, settings) -> Iterator[Path]:
    settings.MODELS_DIR = copy_pair(pristine, tmp_path / "models")
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    path = settings.MODELS_DIR / "test123_category" / "notes.bin"
    os.utime(path, (OLD, OLD))
    registry._digest.cache_clear()
    yield path
    registry._digest.cache_clear()


@pytest.fixture
def kept(large: Path, settings) -> Path:
    return settings.DATA_DIR / digests.FILE


def revision() -> str:
    """Return the revision as a process finds it that has hashed nothing yet."""
    registry._digest.cache_clear()
    return registry.find_model("test123", axis="category").revision


def opened(path: Path) -> int:
    """Return how often another process opens a file to list the models."""
    program = (
        "import sys; opened = []; sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None);"
        "from django.core.management import execute_from_command_line as run;"
        f"run(['manage.py', 'list_models']); print('opened', opened.count({str(path)!r}))"
    )
    variables = {"MODELS_DIR": str(path.parent.parent), "DJANGO_SETTINGS_MODULE": "newsservice.settings"}
    data_dir = path.parent.parent.parent / "data"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(data_dir, **variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "test123_category@" in done.stdout
    return int(done.stdout.rpartition("opened ")[2])


def test_a_second_process_does_not_hash_again(large, kept):
    subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment(kept.parent), check=True)
    assert opened(large) == 1
    assert opened(large) == 0
    assert len(json.loads(kept.read_text(encoding="utf-8"))) == 1  # small files are not kept
    os.utime(large, (OLD + 1, OLD + 1))
    assert opened(large) == 1
    assert opened(large) == 0


def test_the_revision_is_the_same_remembered_or_not(large, kept):
    first = revision()
    assert kept.is_file()
    assert revision() == first
    kept.unlink()
    assert revision() == first


def test_another_content_has_another_revision(large, kept):
    first = revision()
    large.write_bytes(os.urandom(PADDING))  # as long as it was

    assert revision() != first


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff", b"[1, 2]", b"null", b'{"a": 1}', b"[" * 100_000, b'{"1:2:/x": "abc"}'],
    ids=["empty", "binary", "a list", "null", "a number", "endless", "no digest"],
)
def test_a_damaged_file_costs_a_second_look_and_no_more(large, kept, content):
    first = revision()
    kept.write_bytes(content)

    assert revision() == first
    assert len(json.loads(kept.read_text(encoding="utf-8"))) == 1  # it is in order again


def test_an_entry_that_is_no_digest_is_not_believed(large, kept):
    first = revision()
    edit_json(kept, lambda entries: entries.update(dict.fromkeys(entries, "0" * 63)))

    assert revision() == first


def test_a_file_that_changed_just_now_is_not_remembered(large, kept):
    os.utime(large)
    revision()

    assert not kept.exists()


def test_where_nothing_can_be_kept_it_is_hashed_each_time(large, kept, settings):
    settings.DATA_DIR = settings.DATA_DIR / "nowhere"

    assert revision() == revision()
    assert not settings.DATA_DIR.exists()


def test_only_the_latest_are_remembered_and_nothing_lies_about(large, kept, monkeypatch):
    monkeypatch.setattr(digests, "MOST", 3)
    for hour in range(5):
        os.utime(large, (OLD - hour, OLD - hour))
        revision()

    entries = list(json.loads(kept.read_text(encoding="utf-8")))
    assert len(entries) == 3
    assert entries[-1].split(":")[1] == str(large.stat().st_mtime_ns)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
