"""What somebody brings along from News Service v2.0: the `.env` of its guide, a pair of models; docs/migrating.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.conf import settings

from system.checks import IGNORED
from tests.models import make_pair
from tests.processes import COMPANY, environment, running

MANAGE = [sys.executable, "manage.py"]
ROOT = Path(settings.BASE_DIR)
GUIDE = """\
# 네이버 API 설정
NAVER_CLIENT_ID={id}
NAVER_CLIENT_SECRET={secret}

# 모델 설정
MODEL_NAME=test222

LOG_LEVEL=INFO
REDIS_URL={redis}
HF_HOME=/app/models/.cache
TRANSFORMERS_CACHE=/app/models/.cache
TORCH_HOME=/app/models/.cache
"""
FIELD = """\
MONITORED_COMPANIES=삼성전자,LG전자
ANALYSIS_SCHEDULE_MINUTES=30
ANALYSIS_INTERVAL_MINUTES=30
CACHE_ENABLED=true
CACHE_TTL_HOURS=24
CACHE_EXPIRE_HOURS=24
HISTORY_MAX_COUNT=50
HISTORY_EXPIRE_DAYS=7
CELERY_BROKER_URL={redis}
CELERY_RESULT_BACKEND={redis}
WORKER_CONCURRENCY=1
WORKER_PREFETCH_MULTIPLIER=1
SIMILARITY_THRESHOLD=0.75
ML_BATCH_SIZE=16
INFERENCE_TIMEOUT=30
TORCH_NUM_THREADS=1
OMP_NUM_THREADS=1
SERVICE_PORT=8002
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """This project in a folder of its own, which a `.env` may lie in."""
    folder = tmp_path / "news-service"
    folder.mkdir()
    for name in ("manage.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "newsservice", folder / "newsservice", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dashboard", "locale", "mlcore", "search", "system", "templates"):
        (folder / name).symlink_to(ROOT / name)
    make_pair(folder / "models", "test222")
    return folder


def test_the_env_of_the_guide_starts_the_service_and_its_model_answers(project, naver, redis_server):
    env = GUIDE.format(id=naver.id, secret=naver.secret, redis=redis_server.url)
    (project / ".env").write_text(env, encoding="utf-8")
    data = project / "var"
    data.mkdir()
    variables = {"NEWS_PROVIDER": "auto", "NAVER_SEARCH_URL": f"{naver.url}/v1/search/news.json"}
    subprocess.run([*MANAGE, "migrate", "--verbosity", "0"], cwd=project, env=environment(data), check=True)

    with running(data, [*MANAGE, "serve"], cwd=project, **variables) as service:
        answer = requests.post(service.url + COMPANY + "/analyze", timeout=60).json()

    assert answer["analysis_metadata"]["ml_service_status"] == "local_model"
    assert answer["analysis_metadata"]["models"]["category"].startswith("test222_category@")
    assert answer["search_metadata"]["provider"] == "naver"


@pytest.mark.parametrize("by", ["a file", "the environment"])
def test_every_variable_of_the_field_is_heeded_or_named(by, project, redis_server):
    lines = (GUIDE + FIELD).format(id="an-id", secret="a-secret", redis=redis_server.url)
    given = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
    if by == "a file":
        (project / ".env").write_text(lines, encoding="utf-8")
    outcome = subprocess.run(
        [*MANAGE, "check"],
        cwd=project,
        env=environment(project / "var", **({} if by == "a file" else given)),
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    warned = re.findall(r"\((\w+\.[WE]\d+)\) (\w+)", outcome.stderr)
    assert sorted(name for check, name in warned if check == "system.W001") == sorted(IGNORED)
    assert {check for check, _ in warned} == {"system.W001", "system.W007"}  # the guide had no database to name
