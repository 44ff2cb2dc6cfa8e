"""Each log line of a request names the address it is counted under, not one that a header claims."""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import receiver
from django.http import HttpRequest
from django_structlog.signals import bind_extra_request_metadata

from system.addresses import client_address


@receiver(bind_extra_request_metadata)
def _name_the_address(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    structlog.contextvars.bind_contextvars(ip=client_address(request))
