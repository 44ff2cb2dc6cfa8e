"""JSON in and out. Apart from api.py: REST framework's views import these while they are being imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import exceptions, parsers, renderers


class PayloadTooLarge(exceptions.APIException):
    status_code = 413

    def __init__(self) -> None:
        super().__init__(_("The body is longer than %(limit)d bytes.") % {"limit": settings.MAX_BODY_BYTES})


class JSONParser(parsers.BaseParser):
    """JSON within MAX_BODY_BYTES; anything else is a 400 or 413 before a byte too many is read."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise PayloadTooLarge
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise exceptions.ParseError(_("The body is not valid JSON: %(reason)s") % {"reason": exc}) from exc


class JSONRenderer(renderers.BaseRenderer):
    """UTF-8 JSON, as msgspec writes it: times in ISO-8601, `Z` for UTC."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)
