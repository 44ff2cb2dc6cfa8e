"""What Django's own page of an error may show in the embedded mode: where, and no value that was at hand."""

from __future__ import annotations

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class NoSecrets(SafeExceptionReporterFilter):
    """Addresses hold passwords here (DATABASE_URL, a cache's LOCATION), and variables hold headers."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|CLIENT_ID|_URL|LOCATION", flags=re.IGNORECASE
    )

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        return {}.items()
