"""A secret is never told: not in logs, answers, errors, or a traceback on a terminal."""

from __future__ import annotations

import io
import logging

import pytest
import structlog

from newsservice import logs
from search.errors import ProviderError
from search.providers.naver import NaverProvider


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("as_text", [True, False])
def test_a_traceback_in_the_log_does_not_show_the_keys(naver, settings, as_text):
    settings.NAVER_SEARCH_URL = "http://127.0.0.1:9/refused"
    written = Terminal()
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=logs._rendering(as_text), foreign_pre_chain=logs.SHARED_PROCESSORS
        )
    )
    logger = logging.Logger("a-terminal")
    logger.addHandler(handler)
    with pytest.raises(ProviderError) as caught:
        next(NaverProvider().pages("한빛전자", sort="sim", start=1))
    logger.error("it failed", exc_info=caught.value.__cause__)

    assert "Traceback" in written.getvalue()
    assert naver.secret not in written.getvalue()


def test_neither_answers_nor_logs_show_the_keys(client, naver, caplog):
    caplog.set_level(logging.DEBUG)
    naver.refuse(401, {"errorCode": "024", "errorMessage": f"bad key {naver.secret}"})
    answers = [
        client.post("/api/v1/search/news", {"query": "한빛전자"}, format="json"),
        client.post("/api/v1/search/companies/한빛전자/analyze"),
        client.get("/api/v1/system/health"),
        client.get("/api/v1/schema"),
        client.get("/"),
    ]

    assert naver.secret not in caplog.text
    assert all(naver.secret not in answer.content.decode() for answer in answers)
