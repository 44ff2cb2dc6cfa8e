"""Another pair of models is switched to while the one before answers; a bad one is refused."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import torch
from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from dashboard import trial
from mlcore import choice, succession, transformer
from mlcore.engine import engine_revisions, engine_status, get_engine, reset_engine
from mlcore.models import Choice
from mlcore.network import Network
from mlcore.pair import Pair
from mlcore.registry import Model
from tests.models import TEXTS, edit_json, edit_weights, make_model, make_pair, write_json
from tests.processes import COMPANY, MANAGE, ROOT, Operator, environment, migrate, running
from tests.servers import wait_until

pytestmark = pytest.mark.django_db

REVERSED = ("기타", "G", "S", "E")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models_dir = tmp_path_factory.mktemp("models")
    make_pair(models_dir, "test123")
    make_pair(models_dir, "next", category=REVERSED)
    return models_dir


def switch(*arguments: str) -> str:
    printed = StringIO()
    call_command("switch_model", *arguments, stdout=printed, no_color=True)
    return printed.getvalue()


def names() -> set[str]:
    return {revision.partition("_")[0] for revision in engine_revisions().values()}


def test_a_switch_is_taken_up_and_rolled_back_at_once(models_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = get_engine().classify(TEXTS)
    switch("next")
    assert names() == {"test123"}  # not before a look
    get_engine().follow()
    after = get_engine().classify(TEXTS)
    assert names() == {"next"}
    assert after != before

    caplog.set_level(logging.INFO, logger="mlcore")
    caplog.clear()
    assert "test123 is active" in switch("--rollback")
    get_engine().follow()

    assert names() == {"test123"}
    assert get_engine().classify(TEXTS) == before
    assert "모델 로드 완료" not in caplog.text  # the former was still in memory
    switch("--rollback")  # and forth again
    assert choice.active_name() == "next"


def test_a_process_that_starts_later_keeps_the_choice(models_dir: Path) -> None:
    switch("next")
    reset_engine()

    assert names() == {"next"}
    get_engine().classify(TEXTS)
    assert names() == {"next"}


def test_who_began_with_a_pair_ends_with_it(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "FORMER_SECONDS", 0)
    with get_engine().pinned() as pin:
        first = pin.classify(TEXTS)
        revisions = pin.revisions
        switch("next")
        get_engine().follow()
        get_engine().follow()  # the former's time is over; the pin still holds it
        held = weakref.ref(pin._pair)
        assert pin.classify(TEXTS) == first
        assert pin.revisions == revisions
        assert names() == {"next"}
        assert held() is not None
    wait_until(lambda: get_engine().follow() or held() is None)  # given back, it is let go of


def test_a_pair_that_cannot_be_loaded_is_refused_and_nothing_changes(models_dir: Path) -> None:
    get_engine().classify(TEXTS)
    edit_weights(models_dir / "next_sentiment", lambda w: w["classifier.dense.weight"].fill_(float("nan")))

    for name, reason in [
        ("next", "its weights hold NaN"),
        ("nowhere", "there is no such directory"),
        ("../models/test123", "is not a model's name"),
    ]:
        with pytest.raises(CommandError, match=reason):
            switch(name)
    with translation.override("en"), pytest.raises(CommandError, match="no former"):
        switch("--rollback")

    assert not Choice.objects.exists()
    get_engine().follow()
    assert names() == {"test123"}


def test_where_a_running_process_cannot_load_it_the_pair_before_goes_on(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = get_engine().classify(TEXTS)
    switch("next")
    shutil.rmtree(models_dir / "next_category")
    get_engine().follow()
    get_engine().follow()

    assert get_engine().classify(TEXTS) == before
    assert "next was chosen but does not answer" in str(engine_status()[0].reason)
    assert [record.levelname for record in caplog.records if "test123 goes on" in record.message] == ["ERROR"]
    switch("--rollback")
    get_engine().follow()
    assert engine_status()[0].reason is None


class ShortMemory:
    """Has no room for a model of one directory as long as it is short."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, name: str, fault: Exception) -> None:
        self.is_short, self._name, self._fault = True, name, fault
        self._load = transformer.load_network
        monkeypatch.setattr(transformer, "load_network", self)

    def __call__(self, model: Model, *, stand_in: Model | None = None, precision: str) -> Network:
        if self.is_short and model.directory.name == self._name:
            raise self._fault
        return self._load(model, stand_in=stand_in, precision=precision)


def pass_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "RETRY_SECONDS", 0)


SHORT = [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), OSError(5, "Input/output error", "x")]


@pytest.mark.parametrize("fault", SHORT, ids=lambda fault: type(fault).__name__)
def test_a_model_that_short_memory_refused_is_loaded_once_there_is_some(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    memory = ShortMemory(monkeypatch, name="test123_category", fault=fault)
    assert get_engine().classify(TEXTS)[0].category.method == "keyword"
    memory.is_short = False
    get_engine().follow()
    assert get_engine().classify(TEXTS)[0].category.method == "keyword"  # not every second

    pass_a_minute(monkeypatch)
    get_engine().follow()

    judgement = get_engine().classify(TEXTS)[0]
    assert (judgement.category.method, judgement.sentiment.method) == ("model", "model")
    assert engine_status()[0].reason is None


def test_a_switch_that_short_memory_refused_is_tried_again(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ShortMemory(monkeypatch, name="next_sentiment", fault=torch.OutOfMemoryError("CUDA out of memory."))
    get_engine().classify(TEXTS)
    choice.choose("next")
    get_engine().follow()
    memory.is_short = False
    get_engine().follow()
    assert names() == {"test123"}
    assert "out of memory" in str(engine_status()[0].reason)

    pass_a_minute(monkeypatch)
    get_engine().follow()

    assert names() == {"next"}
    assert engine_status()[0].reason is None


def test_a_model_that_is_damaged_is_not_loaded_every_minute(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    edit_weights(models_dir / "test123_category", lambda w: w["classifier.dense.weight"].fill_(float("nan")))
    get_engine().classify(TEXTS)
    pass_a_minute(monkeypatch)
    for _ in range(3):
        get_engine().follow()

    assert caplog.text.count("키워드 기반 분석으로 대체됩니다") == 1


def test_no_third_pair_is_loaded_beside_two(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(models_dir / "next_category", models_dir / "third_category")
    shutil.copytree(models_dir / "next_sentiment", models_dir / "third_sentiment")
    alive: weakref.WeakSet[Pair] = weakref.WeakSet()
    most = 0

    class Counted(Pair):
        def __init__(self, name: str) -> None:
            nonlocal most
            super().__init__(name)
            alive.add(self)
            most = max(most, len(alive))

    monkeypatch.setattr(succession, "Pair", Counted)
    gone: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: gone.append(len(alive) == 1))
    get_engine().classify(TEXTS)
    for name in ("next", "third"):
        choice.choose(name)
        get_engine().follow()
        get_engine().classify(TEXTS)
        assert names() == {name}

    assert most == 2
    assert gone == [True]  # what the first took of a GPU was given back before the third was loaded


def test_other_files_under_the_same_name_are_taken_up_once_they_lie_still(models_dir: Path) -> None:
    get_engine().classify(TEXTS)
    before = engine_revisions()
    edit_weights(models_dir / "test123_sentiment", lambda w: w["classifier.dense.weight"].mul_(-1))
    get_engine().follow()
    assert engine_revisions() == before
    get_engine().follow()

    assert engine_revisions()["category"] == before["category"]
    assert engine_revisions()["sentiment"] != before["sentiment"]


def test_a_pair_whose_files_are_gone_goes_on_from_memory(models_dir: Path) -> None:
    before = get_engine().classify(TEXTS)
    shutil.rmtree(models_dir)
    for _ in range(3):
        get_engine().follow()

    assert get_engine().classify(TEXTS) == before


def test_a_copy_must_agree_with_its_original(models_dir: Path) -> None:
    for axis in ("category", "sentiment"):
        shutil.copytree(models_dir / f"test123_{axis}", models_dir / f"test123@int8_{axis}")
    with pytest.raises(CommandError, match=r"quantization\.json"):
        switch("test123@int8")
    for axis, agreement in (("category", 0.99), ("sentiment", 0.97)):
        write_json(models_dir / f"test123@int8_{axis}" / "quantization.json", {"agreement": agreement})
    with pytest.raises(CommandError, match=r"97\.00%.*98\.00%"):
        switch("test123@int8")
    edit_json(models_dir / "test123@int8_sentiment" / "quantization.json", lambda facts: facts.update(agreement=0.98))

    assert "test123@int8 is active" in switch("test123@int8")
    printed = StringIO()
    call_command("list_models", "--json", stdout=printed)
    listing = json.loads(printed.getvalue())
    assert [(pair["name"], pair["copy_of"], pair["active"]) for pair in listing["models"]] == [
        ("next", None, False),
        ("test123", None, False),
        ("test123@int8", "test123", True),
    ]
    assert listing["models"][1]["copies"] == ["test123@int8"]


def test_a_setting_that_is_not_heeded_is_said(models_dir: Path) -> None:
    assert not [message for message in run_checks() if message.id == "mlcore.W003"]
    switch("next")

    (warning,) = [message for message in run_checks() if message.id == "mlcore.W003"]
    assert "MODEL_NAME=test123 is not heeded" in warning.msg
    printed = StringIO()
    call_command("list_models", stdout=printed, no_color=True)
    assert "MODEL_NAME=test123 is not heeded" in printed.getvalue()


def test_a_database_that_is_away_costs_no_answer(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    switch("next")
    assert choice.active_name() == "next"

    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError

    monkeypatch.setattr(Choice.objects, "filter", fail)

    assert choice.active_name(is_fresh=True) == "next"


def test_warmup_loads_the_active_pair(models_dir: Path) -> None:
    printed = StringIO()
    switch("next")
    call_command("warmup_models", stdout=printed, no_color=True)

    assert "next_category@" in printed.getvalue()


def test_the_admin_lists_the_pairs_and_refuses_what_is_none(models_dir: Path, admin_client: Client) -> None:
    shutil.rmtree(models_dir / "next_sentiment")
    page = "/admin/dashboard/analysis/models/"
    headers = {"Accept-Language": "en", "Host": "localhost"}
    shown = admin_client.get(page, headers=headers).content.decode()

    assert "there is no such directory" in shown
    assert "test123_category@" in shown
    assert 'value="next"' not in shown  # what cannot be used is not offered
    answer = admin_client.post(page, {"name": "--rollback"}, headers=headers, follow=True).content.decode()
    assert "There is no such pair" in answer
    answer = admin_client.post(page, {"rollback": "1"}, headers=headers, follow=True).content.decode()
    assert "There is no former pair" in answer

    switch("test123")
    choice.choose("gone")
    answer = admin_client.post(page, {"rollback": "1"}, headers=headers, follow=True).content.decode()
    assert "Switched." in answer
    assert choice.active_name(is_fresh=True) == "test123"
    answer = admin_client.post(page, {"rollback": "1"}, headers=headers, follow=True).content.decode()
    assert "gone_category" in answer  # it cannot be gone back to
    assert choice.active_name(is_fresh=True) == "test123"


def test_a_switch_that_nobody_waits_for_any_more_is_not_made(models_dir: Path) -> None:
    trial.run("late", "next", language="en", until=time.time() - 1)

    assert "It took too long" in trial.wait_for("late")
    assert choice.active_name(is_fresh=True) == "test123"


def test_who_may_only_look_cannot_switch(models_dir: Path) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_analysis"))
    viewer = Client(SERVER_NAME="localhost", headers={"Accept-Language": "ko"})
    viewer.force_login(user)
    page = "/admin/dashboard/analysis/models/"
    shown = viewer.get(page).content.decode()

    assert "사용 중" in shown
    assert "test123_sentiment@" in shown
    assert 'value="next"' not in shown
    assert viewer.post(page, {"name": "next"}).status_code == 403
    user.user_permissions.clear()
    viewer.force_login(User.objects.get(pk=user.pk))
    assert viewer.get(page).status_code == 403
    assert choice.active_name(is_fresh=True) == "test123"


def test_a_running_service_switches_without_a_failed_request(tmp_path: Path, pristine: Path) -> None:
    """Requests in a stream, two switches at once in the middle of it, a restart, a rollback."""
    shutil.copytree(pristine, tmp_path / "models")
    make_model(tmp_path / "models" / "third_category", labels=("S", "기타", "E", "G"))
    shutil.copytree(tmp_path / "models" / "next_sentiment", tmp_path / "models" / "third_sentiment")
    variables = {"MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test123", "MONITORED_COMPANIES": ","}
    migrate(tmp_path, **variables)
    gunicorn = [sys.executable, "-m", "gunicorn"]

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MANAGE, *arguments],
            cwd=ROOT,
            env=environment(tmp_path, **variables),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    with running(tmp_path, gunicorn, until="시작 완료", **variables) as service:
        answers: list[tuple[int, frozenset[str]]] = []
        stopped = threading.Event()

        def ask(number: int) -> None:
            while not stopped.is_set():
                company = quote(["삼성전자", "LG전자"][number % 2])
                response = requests.post(
                    f"{service.url}/api/v1/search/companies/{company}/analyze",
                    json={"force_refresh": number == 0},
                    timeout=60,
                )
                found = response.json() if response.status_code == 200 else {}
                models = found.get("analysis_metadata", {}).get("models", {})
                answers.append((response.status_code, frozenset(one.partition("_")[0] for one in models.values())))
                time.sleep(0.1)  # leaves the processor to who switches

        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask, number) for number in range(3)]
            wait_until(lambda: len(answers) > 10)
            with ThreadPoolExecutor(2) as switching:
                done = list(switching.map(lambda name: manage("switch_model", name), ["next", "third"]))
            assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
            active = json.loads(manage("list_models", "--json").stdout)["active"]
            try:
                wait_until(lambda: answers[-1][1] == {active})
                count = len(answers)
                wait_until(lambda: len(answers) > count + 20)
            finally:
                stopped.set()
            for one in asking:
                one.result()

        assert {status for status, _ in answers} == {200}
        assert all(len(models) == 1 for _, models in answers), set(answers)  # one pair judged each
        assert {models for _, models in answers[count:]} == {frozenset({active})}
        assert {frozenset({"test123"}), frozenset({active})} <= {models for _, models in answers}

        refused = manage("switch_model", "nowhere")
        assert refused.returncode != 0
        assert "no such directory" in refused.stderr
        service.stop()

    former = {"next": "third", "third": "next"}[active]
    with running(tmp_path, gunicorn, until="시작 완료", **variables) as service:

        def judged_by() -> str:
            answer = requests.post(service.url + COMPANY + "/analyze", timeout=60).json()
            return answer["analysis_metadata"]["models"]["category"].partition("_")[0]

        assert judged_by() == active
        assert manage("switch_model", "--rollback").returncode == 0
        wait_until(lambda: judged_by() == former)


def test_a_person_switches_and_rolls_back_in_the_admin_of_a_running_service(tmp_path: Path, pristine: Path) -> None:
    shutil.copytree(pristine, tmp_path / "models")
    edit_weights(tmp_path / "models" / "next_category", lambda w: w["classifier.dense.weight"].fill_(float("nan")))
    make_model(tmp_path / "models" / "third_category", labels=("S", "기타", "E", "G"))
    shutil.copytree(tmp_path / "models" / "next_sentiment", tmp_path / "models" / "third_sentiment")
    (tmp_path / "models" / "half_sentiment").mkdir()
    variables = {"MODELS_DIR": str(tmp_path / "models"), "MODEL_NAME": "test123", "MONITORED_COMPANIES": ","}
    migrate(tmp_path, **variables)
    with running(tmp_path, [sys.executable, "-m", "gunicorn"], until="시작 완료", **variables) as service:
        operator = Operator(service.url, environment(tmp_path, **variables))
        page = "/admin/dashboard/analysis/models/"
        assert f'<a href="{page}">Models</a>' in operator.index

        shown = operator.read(page)
        assert "the directory is empty" in shown  # why not
        assert 'value="half"' not in shown
        for name in ("test123", "next", "third"):
            assert f"{name}_category@" in shown

        refused = operator.send(page, name="next")
        assert "its weights hold NaN" in refused
        assert "Nothing was changed" in refused
        company = f"{service.url}{COMPANY}/analyze"

        def judged_by() -> str:
            answer = requests.post(company, json={"force_refresh": True}, timeout=60).json()
            return answer["analysis_metadata"]["models"]["category"].partition("_")[0]

        assert judged_by() == "test123"
        assert "Switched." in operator.send(page, name="third")
        wait_until(lambda: judged_by() == "third")
        assert "MODEL_NAME=test123 is not heeded" in operator.read(page)
        assert "Switched." in operator.send(page, rollback="1")
        wait_until(lambda: judged_by() == "test123")
