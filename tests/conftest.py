"""Fixtures all tests share. What is real in production is real here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db.models import Count
from rest_framework.test import APIClient

from dashboard.models import Analysis, Company
from mlcore import choice
from mlcore.engine import reset_engine
from newsservice.settings import redis_cache
from search import cache as answers
from search import providers, store
from system import probes
from tests.cluster import Cluster, create_database, make_tables, running_cluster
from tests.servers import RedisServer, ServerMissing, postgres
from tests.stand_ins import NaverStandIn, news_item


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-servers", action="store_true", help="Fail where Redis or PostgreSQL is missing.")


# Files that take a minute and more, the longest first: the others fill in beside them.
LONGEST = (
    "test_lose_a_process.py",
    "test_keep_history.py",
    "test_containers.py",
    "test_run_on_workers.py",
    "test_run_the_service.py",
    "test_switch_models.py",
    "test_train_model.py",
    "test_outlast_a_frozen_database.py",
    "test_run_on_threads.py",
    "test_optimize_models.py",
    "test_evaluate_model.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_xdist_setupnodes() -> None:
    """Let each worker make a directory of its own (tests/settings.py): what it counts and spends is no other's."""
    for name in ("DATA_DIR", "PROMETHEUS_MULTIPROC_DIR"):
        del os.environ[name]


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Begin each test as a process begins: nothing cached, nothing loaded, no provider chosen.

    That nobody chose a pair of models counts as read, so that a test without a database needs none; reset_engine()
    has it read.
    """
    choice._memo.read_at = choice._memo.read_again_at = float("inf")
    yield
    # What refreshes a stale answer behind the reader's back would else answer the next test's same question.
    answers._refreshing.shutdown(wait=True)
    answers._refreshing = ThreadPoolExecutor(max_workers=2)
    cache.clear()
    reset_engine()
    store._breaker._closed_until = 0.0
    providers._naver.cache_clear()
    providers._rss.cache_clear()
    providers._feeds = providers._Feeds()
    probes._shared.clear()


@pytest.fixture
def successes_are_counted(db: None) -> Iterator[None]:
    """Whatever a test does, each company's number of successes is how many there are."""
    yield
    kept = Analysis.objects.filter(status="success").order_by().values_list("company__name").annotate(Count("pk"))
    assert dict(Company.objects.exclude(successes=0).values_list("name", "successes")) == dict(kept)


@pytest.fixture
def client() -> APIClient:
    """A client as of the embedded mode: JSON, nobody signed in."""
    return APIClient(SERVER_NAME="localhost")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of one small pair of models, `test123`, to be left as it is."""
    from tests.models import make_pair  # brings torch, which most tests do without

    directory = tmp_path_factory.mktemp("models")
    make_pair(directory, "test123")
    return directory


@pytest.fixture
def models_dir(pristine: Path, tmp_path: Path, settings) -> Path:
    """A copy of it, whose pair is chosen."""
    from tests.models import copy_pair

    settings.MODELS_DIR = copy_pair(pristine, tmp_path / "models")
    settings.MODEL_NAME = "test123"
    reset_engine()
    return settings.MODELS_DIR


@pytest.fixture
def naver(settings) -> Iterator[NaverStandIn]:
    """A stand-in for Naver with 30 items of its own, and a service that asks it."""
    stand_in = NaverStandIn([news_item(number) for number in range(30)])
    with stand_in.running():
        settings.NEWS_PROVIDER = "naver"
        settings.NAVER_SEARCH_URL = f"{stand_in.url}/v1/search/news.json"
        settings.NAVER_CLIENT_ID, settings.NAVER_CLIENT_SECRET = stand_in.id, stand_in.secret
        settings.NAVER_CALLS_PER_SECOND = 1000
        settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS = 5.0, 10.0
        yield stand_in


@contextmanager
def required(request: pytest.FixtureRequest) -> Iterator[None]:
    """A server that is missing is said loudly; CI does not go on without."""
    try:
        yield
    except ServerMissing as exc:
        if request.config.getoption("--require-servers"):
            pytest.fail(f"{exc} is not on this machine.")
        pytest.skip(f"DID NOT RUN: {exc} is not on this machine; see tests/install_servers.sh")


@pytest.fixture(scope="session")
def _redis_process(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with required(request):
        server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(_redis_process: RedisServer) -> Iterator[RedisServer]:
    """A real Redis, with nothing in it that another test kept."""
    _redis_process.empty()
    yield _redis_process
    _redis_process.thaw()
    if _redis_process.process.poll() is not None:
        _redis_process.start()


@pytest.fixture
def redis(redis_server: RedisServer, settings) -> RedisServer:
    """The service's cache in a real Redis, empty."""
    settings.REDIS_URL = redis_server.url
    settings.CACHES = {"default": redis_cache(redis_server.url)}
    return redis_server


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> str:
    """The program of a real browser."""
    with required(request):
        if not (program := shutil.which("chromium")):
            raise ServerMissing("chromium")
    return program


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with required(request):
        from tests.servers import _postgres_programs

        _postgres_programs()
    with postgres() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """An empty database of the test's own: what another test's service watched would be analysed too."""
    return create_database(postgres_url, f"own{uuid4().hex}")


@pytest.fixture(scope="session")
def tables(tmp_path_factory, postgres_url: str) -> str:
    return make_tables(tmp_path_factory.mktemp("tables"), postgres_url)


@pytest.fixture
def cluster(tmp_path, naver, redis_server, postgres_url, tables) -> Iterator[Cluster]:
    database_url = create_database(postgres_url, f"cluster{uuid4().hex}", template=tables)
    with running_cluster(tmp_path, naver, redis_server, database_url) as cluster:
        yield cluster
