"""A process that judges nothing pays for no model: a fresh interpreter starts; what has it imported?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_urls_check_migrate_and_status_import_no_model_library(tmp_path: Path) -> None:
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "MODELS_DIR": str(tmp_path / "models"),
        "LOG_LEVEL": "ERROR",
    }

    done = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
