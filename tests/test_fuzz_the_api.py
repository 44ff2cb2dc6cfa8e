"""Every operation of the OpenAPI schema is sent what it promises to take, and what it does not.

No answer is a 5xx, and each is as the schema says. The suite sends each operation a little. More than 5,000 cases in
all take some minutes: make fuzz.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
import schemathesis
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from dashboard import workers
from dashboard.models import Company
from newsservice.wsgi import application

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(60 + EXAMPLES)]
# The integration test waits for a worker of another process: tests/test_ask_whether_all_is_there.py has one.
INTEGRATION = "/api/v1/system/test/integration"
schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application).exclude(path=INTEGRATION)
sent: list[int] = []


@pytest.fixture(scope="module", autouse=True)
def _counted() -> Iterator[None]:
    yield
    sys.stdout.write(f"\n{len(sent)} cases were sent\n")


@pytest.fixture
def served() -> None:
    """A company that is watched, and somebody to analyse it."""
    later = timezone.now() + timedelta(hours=1)
    Company.objects.create(name="새벽소프트", is_watched=True, next_run_at=later)
    workers.say_alive(workers.own_name())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 50,  # the suite sends the same every time; the long form looks for what is new
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_schema_says(case: schemathesis.Case, served: None) -> None:
    sent.append(1)
    response = case.call()
    case.validate_response(response, checks=list(CHECKS))
