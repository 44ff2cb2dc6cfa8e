"""The lines operators have always looked for, in the output of the real service: with models, without, Redis lost."""

from __future__ import annotations

import re
import time
from pathlib import Path

import requests

from tests.models import make_pair
from tests.processes import COMPANY, MANAGE, asking, migrate, running
from tests.servers import wait_until

ANALYZE = f"{COMPANY}/analyze"


def test_with_a_pair_of_models(tmp_path, naver):
    make_pair(tmp_path / "models", "test222")
    variables = {**asking(naver), "MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test222"}
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        for _ in range(2):
            assert requests.post(service.url + ANALYZE, timeout=120).status_code == 200
        said = service.output()

    assert "News Service v2.0 시작 완료" in said
    for axis in ("category", "sentiment"):
        assert re.search(rf"모델 로드 완료: test222_{axis}@\w+, 디바이스: \S+", said)
    assert re.search(r"analysis '삼성전자' cache_hit=False", said)
    assert re.search(r"analysis '삼성전자' cache_hit=True", said)
    assert "키워드 기반 분석으로 대체됩니다" not in said


def test_without_models_and_with_a_redis_that_is_lost_and_comes_back(tmp_path, naver, redis):
    nowhere = str(Path(tmp_path, "no-models"))
    variables = {
        **asking(naver),
        "MODELS_DIR": nowhere,
        "REDIS_URL": redis.url,
        "BACKGROUND": "embedded",
        "MONITORED_COMPANIES": ",",
    }
    migrate(tmp_path, **variables)
    with running(tmp_path, [*MANAGE, "serve", "--no-analysis"], **variables) as service:
        requests.post(service.url + ANALYZE, timeout=60)
        redis.stop()
        requests.post(service.url + COMPANY, timeout=60)
        redis.start()
        time.sleep(2.1)

        def is_back() -> bool:
            requests.post(service.url + COMPANY, timeout=60)
            return "redis_connected=True" in service.output()

        wait_until(is_back)
        said = service.output()

    assert len(re.findall(r"키워드 기반 분석으로 대체됩니다 - \S.*no-models", said)) == 2  # once an axis
    assert "redis_connected=False" in said
