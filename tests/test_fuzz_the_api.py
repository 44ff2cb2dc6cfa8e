"""Every operation of the OpenAPI schema is sent what it promises to take, and what it does not.

No answer is a 5xx, and each is as the schema says: in the open mode, and with a key where keys are asked for; without
one all is closed there. The suite sends each operation a little. More than 5,000 cases in all take some minutes: make
fuzz.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import schemathesis
from django.conf import settings as configured
from django.urls import resolve
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from dashboard import selftest, workers
from dashboard.models import Company
from newsservice.wsgi import application
from system import keys

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)

WITHOUT_A_KEY = {"health", "ready"}
CLOSED = [(401, "AUTHENTICATION_ERROR"), (403, "PERMISSION_DENIED")]
NOWHERE = (404, "NOT_FOUND")
MAKE_FUZZ = int(re.findall(r"^FUZZ_EXAMPLES \?= (\d+)$", Path("Makefile").read_text(), re.MULTILINE)[0])

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60 + 2 * EXAMPLES)]
schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application)
sent: list[int] = []


def sending(*, examples: int, phases: list[Phase]) -> settings:
    """Return how much is sent to an operation."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=EXAMPLES < 50,  # the suite sends the same every time; the long form looks for what is new
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def _counted() -> Iterator[None]:
    yield
    sys.stdout.write(f"\n{len(sent)} cases were sent\n")


@pytest.fixture(autouse=True)
def _worker() -> Iterator[None]:
    """Somebody who takes up the self tests, as the thread of the embedded mode does: the integration test waits."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.02):
            selftest.run_waiting()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


@pytest.fixture
def served() -> None:
    """A company that is watched, and somebody to analyse it."""
    later = timezone.now() + timedelta(hours=1)
    Company.objects.create(name="새벽소프트", is_watched=True, next_run_at=later)
    workers.say_alive(workers.own_name())


@pytest.fixture
def key(served: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key that may do all, and a service that asks for one."""
    monkeypatch.setattr(configured, "API_KEYS_REQUIRED", True)
    keys.forget()
    return keys.create("fuzz", scope="admin").token


@schema.parametrize()
@sending(examples=EXAMPLES, phases=[Phase.explicit, Phase.generate, Phase.shrink])
def test_every_answer_is_as_the_schema_says(case: schemathesis.Case, served: None) -> None:
    sent.append(1)
    response = case.call()
    case.validate_response(response, checks=list(CHECKS))


@schema.parametrize()
@sending(examples=max(3, EXAMPLES // 10), phases=[Phase.generate, Phase.shrink])
def test_with_a_key_it_is_so_too_and_without_all_is_closed(case: schemathesis.Case, key: str) -> None:
    sent.append(1)
    response = case.call(headers={"X-API-Key": key})
    case.validate_response(response, checks=list(CHECKS))
    assert response.status_code not in {401, 403}

    refused = case.call()  # what it may hold for a key is made up
    route = resolve(unquote(urlsplit(refused.request.url).path)).url_name
    if route not in WITHOUT_A_KEY:
        assert (refused.status_code, refused.json()["error_code"]) in ([NOWHERE] if route == "unknown" else CLOSED)


@pytest.mark.skipif(EXAMPLES < MAKE_FUZZ, reason="so many are sent by make fuzz")
def test_more_than_5000_cases_were_sent() -> None:
    assert len(sent) > 5000
