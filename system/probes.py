"""Is everything there? Each probe asks one dependency, says what it found, and ends within its own time.

`/system/ready`, `/system/test/integration` and `manage.py doctor` ask the same ones. A probe that fails says why and
stops no other; one that hangs is left behind when its time is over.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache as once
from typing import Literal

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django_redis.exceptions import ConnectionInterrupted

from dashboard import selftest, tasks, workers
from dashboard.errors import WorkerUnavailable
from mlcore.engine import engine_status, get_engine, known_engine
from mlcore.errors import InferenceTimeout, ModelsUnavailable, TextRefused
from search.providers import current_provider, naver, rss
from search.quota import Quota
from search.services import provider_quota

logger = logging.getLogger(__name__)

State = Literal["ok", "model", "keyword_fallback", "partial_fallback", "not_used", "failed"]

CONNECT_SECONDS = 2  # the least libpq takes
BROKER_SECONDS = 1.0
SHARED_SECONDS = 1.0
LOOK_SECONDS = 0.05
SENTENCE = selftest.SENTENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a probe found. `detail` is for an operator and holds no secret.

    `cause`: the words of what failed, which name hosts and users; for the log alone.
    """

    state: State
    detail: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    name: str
    ask: Callable[[], Finding]
    seconds: float  # how long it may take
    is_needed: bool = False  # without it the service cannot serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    name: str
    state: State
    detail: str
    duration_ms: float
    is_needed: bool

    @property
    def has_failed(self) -> bool:
        return self.state == "failed"


def quick_probes() -> list[Probe]:
    """Return what tells whether to send requests here: no task, no inference, no call to a provider."""
    return [
        Probe(name="database", ask=ask_database, seconds=4, is_needed=True),
        Probe(name="cache", ask=ask_cache, seconds=2),
        Probe(name="broker", ask=ask_broker, seconds=3),
        Probe(name="workers", ask=ask_workers, seconds=4),
        Probe(name="models", ask=ask_models, seconds=4, is_needed=True),
        Probe(name="provider", ask=ask_credentials, seconds=6),
    ]


def thorough_probes() -> list[Probe]:
    """Return what tries every part once: a round trip through cache, broker and worker, a sentence judged."""
    judging = ask_worker if settings.BACKGROUND == "celery" else ask_engine
    return [
        Probe(name="database", ask=ask_database, seconds=4, is_needed=True),
        Probe(name="cache", ask=ask_cache, seconds=2),
        Probe(name="broker", ask=ask_broker, seconds=3),
        Probe(name="worker", ask=ask_worker, seconds=30),
        Probe(name="models", ask=judging, seconds=60, is_needed=True),
        Probe(name="provider", ask=reach_provider, seconds=10),
    ]


def is_ready(reports: Sequence[Report]) -> bool:
    """Whether everything is there that is needed to serve at all."""
    return not any(report.has_failed and report.is_needed for report in reports)


def run(probes: Sequence[Probe]) -> list[Report]:
    """Ask all at once; return what each found, in order, within the longest of their times."""
    answers: list[queue.SimpleQueue[Report]] = []
    started = time.monotonic()
    for probe in probes:
        answer: queue.SimpleQueue[Report] = queue.SimpleQueue()
        context, language = contextvars.copy_context(), get_language()
        # Daemons: one that hangs must hold up neither the answer nor the end of the process.
        arguments = (_ask, probe, answer, language)
        threading.Thread(target=context.run, args=arguments, name=probe.name, daemon=True).start()
        answers.append(answer)
    return [_await(probe, answer, started=started) for probe, answer in zip(probes, answers, strict=True)]


class Shared:
    """What the quick probes find, for all who ask within SHARED_SECONDS: they cost threads and connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: list[Report] = []
        self._fresh_until = float("-inf")

    def reports(self) -> list[Report]:
        """Return them; who asks while they are asked waits for that answer, not for one of its own."""
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._reports = run(quick_probes())
                self._fresh_until = time.monotonic() + SHARED_SECONDS
            return self._reports


_shared: defaultdict[str | None, Shared] = defaultdict(Shared)  # by language, which details are written in


def readiness() -> list[Report]:
    """Return what the quick probes found, at most SHARED_SECONDS ago, in the language that is active."""
    return _shared[get_language()].reports()


def _ask(probe: Probe, answer: queue.SimpleQueue[Report], language: str | None) -> None:
    started = time.monotonic()
    try:
        with override(language):
            finding = probe.ask()
    except Exception as exc:  # whatever it is, it is what this probe found
        logger.warning("probe %s failed", probe.name, exc_info=exc)
        finding = Finding(state="failed", detail=type(exc).__name__)
    finally:
        connection.close()
    if finding.cause:
        logger.warning("probe %s failed: %s", probe.name, finding.cause)
    answer.put(_report(probe, finding, started=started))


def _await(probe: Probe, answer: queue.SimpleQueue[Report], *, started: float) -> Report:
    try:
        return answer.get(timeout=max(0.0, started + probe.seconds - time.monotonic()))
    except queue.Empty:
        late = _("no answer within %(seconds)g seconds") % {"seconds": probe.seconds}
        return _report(probe, Finding(state="failed", detail=late), started=started)


def _report(probe: Probe, finding: Finding, *, started: float) -> Report:
    return Report(
        name=probe.name,
        state=finding.state,
        detail=finding.detail,
        duration_ms=round(1000 * (time.monotonic() - started), 1),
        is_needed=probe.is_needed,
    )


# --- the probes ----------------------------------------------------------------------------------------------


def ask_database() -> Finding:
    """A connection of its own, outside the pool: its time is bounded also where the server hangs."""
    own = connection.copy()
    is_sqlite = own.vendor == "sqlite"
    options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
    limit = {"timeout": 1} if is_sqlite else {"connect_timeout": CONNECT_SECONDS}
    own.settings_dict["OPTIONS"] = options | limit
    own.settings_dict["CONN_HEALTH_CHECKS"] = False
    try:
        missing = _known_migrations() - _applied_migrations(own)
    except DatabaseError as exc:
        return _unconnected(exc)
    finally:
        own.close()
    if missing:
        said = _("%(count)d migrations are missing: manage.py migrate") % {"count": len(missing)}
        return Finding(state="failed", detail=said)
    return Finding(state="ok", detail=own.vendor)


@once
def _known_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


def _applied_migrations(own: BaseDatabaseWrapper) -> set[tuple[str, str]]:
    if not MigrationRecorder(own).has_table():
        return set()
    with own.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return set(cursor.fetchall())


def ask_cache() -> Finding:
    """A value there and back, past the breaker: it tells what is, not what was two seconds ago."""
    if not settings.CACHE_ENABLED:
        return Finding(state="not_used", detail="CACHE_ENABLED=false")
    kind = "redis" if settings.REDIS_URL else _("memory of this process")
    key, value = f"probe:{uuid.uuid4()}", uuid.uuid4().hex
    try:
        cache.set(key, value, timeout=10)
        is_back = cache.get(key) == value
        cache.delete(key)
    except (ConnectionInterrupted, redis.RedisError, OSError) as exc:
        return _unconnected(exc)
    return Finding(state="ok", detail=kind) if is_back else Finding(state="failed", detail=_("a value was not kept"))


def ask_broker() -> Finding:
    if settings.BACKGROUND == "embedded":
        return Finding(state="not_used", detail=_("embedded: the queue is in the database"))
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS
    )
    try:
        client.ping()
    except (redis.RedisError, OSError) as exc:
        return _unconnected(exc)
    finally:
        client.close()
    return Finding(state="ok", detail="redis")


def ask_workers() -> Finding:
    """Who has said lately that it lives. The database is probed first: a hanging one would hold this thread."""
    if (database := ask_database()).state == "failed":
        return Finding(state="failed", detail=_("the database does not say: %(reason)s") % {"reason": database.detail})
    alive = workers.alive()
    if not alive:
        return Finding(state="failed", detail=_("no worker lives"))
    return Finding(state="ok", detail=", ".join(sorted(alive)))


def ask_models() -> Finding:
    """What would judge a text, by the look of its files; loads nothing.

    Where the database, which knows the pair that was chosen, is away: by what was read last, without waiting for it.
    """
    statuses = known_engine()[0] if ask_database().state == "failed" else engine_status()
    said = "; ".join(f"{status.axis}: {status.revision or status.reason}" for status in statuses)
    return Finding(state=_state_of([status.method for status in statuses]), detail=said)


def ask_engine() -> Finding:
    """Judge a fixed sentence in this process; loads the models it needs."""
    try:
        [judgement] = get_engine().classify([SENTENCE])
    except (ModelsUnavailable, TextRefused, InferenceTimeout) as exc:
        return Finding(state="failed", detail=exc.message)
    said = (judgement.category, judgement.sentiment)
    return Finding(state=_state_of([one.method for one in said]), detail=", ".join(one.label for one in said))


def ask_worker() -> Finding:
    """Have a worker judge the sentence: the task goes there by the broker, the result comes back by the cache."""
    try:
        task_id = tasks.start_self_test().task_id
    except WorkerUnavailable:
        return Finding(state="failed", detail=_("the broker takes no task"))
    while (test := selftest.result(task_id)) is None or test.status == "queued":
        time.sleep(LOOK_SECONDS)  # its time is bounded by run(), and this thread by the same
        if test is None or time.time() > test.queued_at + selftest.GIVEN_UP_SECONDS:
            return Finding(state="failed", detail=_("no worker took up the task"))
    if test.status == "error":
        return Finding(state="failed", detail=test.error)
    return Finding(state=_state_of(list(test.methods.values())), detail=test.worker)


def ask_credentials() -> Finding:
    """Which provider is asked, and whether it has the keys it needs; asks it nothing."""
    name = current_provider().name
    if quota := provider_quota():
        return Finding(state="ok", detail=_("naver, keys are set; %(left)s") % {"left": _calls_left(quota)})
    return Finding(state="ok", detail=_("%(provider)s, needs no keys") % {"provider": name})


def reach_provider() -> Finding:
    """Whether the provider's host answers, without a search: no call of the day's quota is spent."""
    name = current_provider().name
    if name == "rss":
        reached = rss.can_be_reached()
    elif name == "naver":
        reached = naver.can_be_reached()
    else:
        return Finding(state="ok", detail=name)
    if not reached:
        return Finding(state="failed", detail=_("no connection: %(fault)s") % {"fault": name})
    quota = provider_quota()
    return Finding(state="ok", detail=f"{name}; {_calls_left(quota)}" if quota else name)


def _unconnected(exc: Exception) -> Finding:
    said = _("no connection: %(fault)s") % {"fault": type(exc).__name__}
    return Finding(state="failed", detail=said, cause=str(exc))


def _calls_left(quota: Quota) -> str:
    return _("%(remaining)d of the day's %(limit)d calls are left") % {
        "remaining": quota.remaining,
        "limit": quota.limit,
    }


def _state_of(methods: Sequence[str | None]) -> State:
    if None in methods:
        return "failed"
    by_model = [method == "model" for method in methods]
    return "model" if all(by_model) else "partial_fallback" if any(by_model) else "keyword_fallback"
