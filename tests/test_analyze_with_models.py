"""An analysis by models: one deadline, what a model cannot read, what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from dashboard import services as dashboard
from dashboard.models import Analysis as Run
from dashboard.records import analysis_of
from mlcore import pair as pairs
from mlcore.engine import get_engine, reset_engine
from mlcore.errors import InferenceTimeout, TextRefused
from search import cache, services
from search.cache import Answer
from search.services import Options, analyze_company
from search.types import Analysis
from tests.servers import wait_until
from tests.stand_ins import NaverStandIn

pytestmark = pytest.mark.django_db

COMPANY = "한빛전자"


@pytest.fixture(autouse=True)
def _models(pristine: Path, settings: Settings, naver: NaverStandIn) -> None:
    settings.MODELS_DIR = pristine
    settings.MODEL_NAME = "test123"
    naver.items = naver.items[:8]
    reset_engine()


def analyze(**options: object) -> Answer[Analysis]:
    return analyze_company(COMPANY, Options(**{"max_results": 50, **options}))


def wrap_category(run: Callable[[Callable[..., torch.Tensor], Sequence[Sequence[int]]], torch.Tensor]) -> None:
    """Put something around the category model's network, once it is loaded."""
    get_engine().classify(["주가가 올랐다"])
    pair = get_engine()._pairs.current
    assert pair
    network = pair.models["category"]._network
    pair.models["category"]._network = replace(network, run=lambda texts: run(network.run, texts))


class Sick:
    """Gives NaN for texts longer than so many tokens, until it is well."""

    def __init__(self, *, longest: int) -> None:
        self.longest, self.is_well = longest, False
        wrap_category(self)

    def __call__(self, run: Callable[..., torch.Tensor], texts: Sequence[Sequence[int]]) -> torch.Tensor:
        logits = run(texts).clone()
        for row, text in enumerate(texts):
            if len(text) > self.longest and not self.is_well:
                logits[row] = float("nan")
        return logits


@pytest.fixture
def sick(naver: NaverStandIn) -> Sick:
    naver.items[3]["title"] = f"{COMPANY} 공장 " + "파업 노조 환경 " * 40
    return Sick(longest=110)


def methods(analysis: Analysis) -> list[str]:
    return [one.judgement.category.method for one in analysis.judged]


def let_stay_fresh_end(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    now = time.time
    monkeypatch.setattr(cache.time, "time", lambda: now() + seconds)


@pytest.mark.django_db(transaction=True)
def test_what_keywords_said_in_a_models_stead_is_not_kept_as_its_word(
    sick: Sick, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = analyze().value
    assert methods(first).count("keyword") == 1
    assert first.models["category"].startswith("test123_category@")
    assert analyze().is_hit  # for a while, or everybody would wait for the same
    sick.is_well = True

    assert analyze(sort="date").value.judged  # another question about the same texts
    assert set(methods(analyze(sort="date").value)) == {"model"}
    let_stay_fresh_end(monkeypatch, seconds=settings.EMPTY_CACHE_SECONDS)
    analyze()  # stale, and made anew
    wait_until(lambda: "keyword" not in methods(analyze().value))


def test_history_keeps_apart_what_keywords_said_in_a_models_stead(sick: Sick) -> None:
    first = analyze(mode="refresh").value
    sick.is_well = True
    second = analyze(mode="refresh").value

    kept = [analysis_of(Run.objects.get(pk=one.analysis_id)) for one in (first, second)]
    assert [methods(one).count("keyword") for one in kept] == [1, 0]


def test_without_fallback_a_text_without_numbers_is_left_out_and_costs_no_other(
    sick: Sick, settings: Settings, caplog: pytest.LogCaptureFixture, client: APIClient
) -> None:
    settings.MLCORE_FALLBACK = False
    found = analyze().value

    assert (len(found.found.stories), len(found.judged), found.refused) == (8, 7, 1)
    assert set(methods(found)) == {"model"}
    assert found.summary.total + found.summary.left_out == 7
    assert caplog.text.count("gives no numbers for a text") == 1
    assert analyze().is_hit
    answer = client.post(f"/api/v1/search/companies/{COMPANY}/analyze").json()
    assert answer["analysis_metadata"]["ml_service_status"] == "local_model"


def test_without_fallback_an_analysis_without_any_numbers_is_a_503(settings: Settings, client: APIClient) -> None:
    settings.MLCORE_FALLBACK = False
    Sick(longest=0)

    response = client.post(f"/api/v1/search/companies/{COMPANY}/analyze")
    assert (response.status_code, response.json()["error_code"]) == (503, "TEXT_REFUSED")
    with pytest.raises(TextRefused):
        get_engine().classify(["주가가 올랐다"])


def slow_down(seconds: float) -> list[int]:
    """Let each batch take so long; return where it is noted how many texts each had."""
    batches = []

    def run(network: Callable[..., torch.Tensor], texts: Sequence[Sequence[int]]) -> torch.Tensor:
        batches.append(len(texts))
        time.sleep(seconds)
        return network(texts)

    wrap_category(run)
    return batches


def test_an_analysis_waits_for_the_models_once_not_once_a_portion(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(0.2)
    settings.INFERENCE_TIMEOUT = 0.5  # enough for each portion
    monkeypatch.setattr(services, "PORTION", 2)
    with pytest.raises(InferenceTimeout) as caught:
        analyze()
    assert (caught.value.status, caught.value.details["seconds"]) == (503, "0.5")

    monkeypatch.setattr(services, "PORTION", 64)
    monkeypatch.setattr(pairs, "PORTION", 2)
    with pytest.raises(InferenceTimeout):
        analyze(sort="date", mode="bypass")


def test_a_run_that_waited_too_long_is_tried_again_and_goes_on_where_it_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = slow_down(0.5)
    settings.INFERENCE_TIMEOUT = 1.7  # for four portions of half a second
    monkeypatch.setattr(services, "PORTION", 2)
    run = dashboard.request_analysis(COMPANY, trigger="schedule")
    dashboard.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.status, run.error_code) == (Run.Status.QUEUED, "INFERENCE_TIMEOUT")
    assert timezone.now() < run.run_after < timezone.now() + timedelta(minutes=2)

    Run.objects.update(run_after=timezone.now())
    settings.INFERENCE_TIMEOUT = 60
    batches.clear()
    dashboard.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()
    assert (run.status, run.done) == (Run.Status.SUCCESS, 8)
    assert 0 < sum(batches) < 8


def test_an_answer_from_the_cache_loads_no_model(client: APIClient) -> None:
    first = client.post(f"/api/v1/search/companies/{COMPANY}/analyze").json()
    reset_engine()
    again = client.post(f"/api/v1/search/companies/{COMPANY}/analyze").json()

    assert first["analysis_metadata"]["ml_service_status"] == "local_model"
    assert again["analysis_metadata"]["cache_hit"] is True
    assert get_engine()._pairs.current is None
