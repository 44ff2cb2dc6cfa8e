"""A process that judges nothing pays for no model: a fresh interpreter starts; what has it imported?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.models import make_pair

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "kiwipiepy")
START = f"""
import importlib, json, sys
import django
from django.conf import settings
django.setup()
importlib.import_module(settings.ROOT_URLCONF)
from django.core.management import call_command
call_command("check", verbosity=0)
call_command("migrate", verbosity=0)
from mlcore.engine import device_name, engine_revisions, engine_status
engine_revisions(), engine_status(), device_name()
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""

# What 2 s of transformers' import and 120 MB go to.
HEAVY_OF_TRANSFORMERS = ("transformers.modeling_utils", "torch._dynamo", "accelerate")
JUDGE = f"""
import json, sys
import django
django.setup()
from mlcore.pair import Pair
judgement, = Pair("test123").classify(["삼성전자가 공장을 돌린다"])
assert {{judgement.category.method, judgement.sentiment.method}} == {{"model"}}
print(json.dumps([name for name in {HEAVY_OF_TRANSFORMERS!r} if name in sys.modules]))
"""


def test_urls_check_migrate_and_status_import_no_model_library(tmp_path: Path) -> None:
    assert imported(START, tmp_path) == []


def test_a_known_architecture_is_read_without_the_modules_of_transformers(tmp_path: Path) -> None:
    make_pair(tmp_path / "models", "test123")

    assert imported(JUDGE, tmp_path) == []


def imported(program: str, directory: Path) -> list[str]:
    environment = os.environ | {
        "DATA_DIR": str(directory),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "MODELS_DIR": str(directory / "models"),
        "LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found
