"""Every error is the one envelope; nothing it says is a secret or an internal."""

from __future__ import annotations

import pytest

from tests.stand_ins import NaverStandIn

ENVELOPE = {"error_code", "message", "details", "timestamp", "request_id"}
NEWS, COMPANY = "/api/v1/search/news", "/api/v1/search/companies/한빛전자"


def refused(response, status: int, code: str) -> dict:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == ENVELOPE
    assert body["error_code"] == code
    assert body["message"]
    assert body["request_id"] == response["X-Request-ID"] != ""
    assert body["timestamp"].endswith("Z")
    return body


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/search/news", "/nothing", "/api/v1/search/news/"])
def test_an_unknown_route_is_a_404(client, path):
    assert "/docs" in refused(client.get(path), 404, "NOT_FOUND")["message"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/api/v1/news/search", "POST /api/v1/search/news"),
        ("/api/v1/search", "POST /api/v1/search/news"),
        ("/search", "POST /api/v1/search/news"),
        ("/companies/한빛전자", "POST /api/v1/search/companies/한빛전자"),
        ("/api/v1/companies/한빛전자/analyze", "POST /api/v1/search/companies/한빛전자/analyze"),
        ("/api/v1/analyze", "POST /api/v1/search/companies/{company}/analyze"),
        ("/api/v1/batch", "POST /api/v1/search/batch"),
        ("/api/v1/trending", "GET /api/v1/search/trending"),
    ],
)
def test_an_old_route_names_its_successor(client, old, new):
    for call in (client.get, client.post):
        assert new in refused(call(old), 404, "NOT_FOUND")["message"]


@pytest.mark.parametrize("path", [NEWS, COMPANY, f"{COMPANY}/analyze", "/api/v1/search/batch"])
def test_another_method_is_a_405(client, path):
    for method in ("get", "put", "patch", "delete"):
        response = getattr(client, method)(path)
        refused(response, 405, "METHOD_NOT_ALLOWED")
        assert "POST" in response["Allow"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"{'query': 1}", b"\xff\xfe", b'{"query": NaN}', b'{"query": "\xed\xa0\x80"}', b"[" * 100_000, b"1 2"],
    ids=["cut", "quotes", "bytes", "nan", "surrogate", "deep", "two"],
)
def test_malformed_json_is_a_400(client, body):
    for path in (NEWS, COMPANY, "/api/v1/search/batch"):
        refused(client.generic("POST", path, body, content_type="application/json"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [[1], "text", 7, True, ["a"]])
def test_json_that_is_no_object_is_a_400(client, body):
    for path in (NEWS, COMPANY, f"{COMPANY}/analyze"):
        refused(client.post(path, body, format="json"), 400, "VALIDATION_ERROR")


def test_another_content_type_is_a_415(client):
    for type_ in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png"):
        response = client.generic("POST", NEWS, b"query=1", content_type=type_)
        refused(response, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_of_ten_megabytes_is_a_413(client):
    body = b'{"query": "' + b"a" * 10_000_000 + b'"}'
    refused(client.generic("POST", NEWS, body, content_type="application/json"), 413, "PAYLOAD_TOO_LARGE")


def test_a_host_that_is_not_ours_is_refused(client):
    refused(client.get("/api/v1/system/health", SERVER_NAME="evil.example"), 400, "VALIDATION_ERROR")


def test_what_nobody_foresaw_tells_the_log_and_not_the_client(client, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("the database password is hunter2")

    monkeypatch.setattr("search.services.search_news", fail)
    body = refused(client.post(NEWS, {"query": "한빛전자"}, format="json"), 500, "INTERNAL_ERROR")

    assert "hunter2" not in str(body)
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    ("status", "said", "code", "http", "retry"),
    [
        (401, {"errorCode": "024", "errorMessage": "Authentication failed"}, "PROVIDER_AUTH_ERROR", 502, False),
        (429, {"errorCode": "010", "errorMessage": "quota"}, "PROVIDER_QUOTA_EXCEEDED", 503, True),
        (429, {"errorCode": "012", "errorMessage": "speed"}, "PROVIDER_QUOTA_EXCEEDED", 503, True),
        (400, {"errorCode": "SE01", "errorMessage": "query"}, "PROVIDER_ERROR", 502, False),
        (503, b"busy", "PROVIDER_ERROR", 502, False),
        (200, b"<html>", "PROVIDER_ERROR", 502, False),
    ],
)
def test_a_refusal_of_the_provider_keeps_its_meaning(client, naver: NaverStandIn, status, said, code, http, retry):
    naver.refuse(status, said)
    for path in (NEWS, COMPANY, f"{COMPANY}/analyze"):
        response = client.post(path, {"query": "한빛전자"}, format="json")
        body = refused(response, http, code)
        assert ("Retry-After" in response) is retry
        assert (str(body["details"].get("retry_after")) == response.get("Retry-After")) is retry
        assert naver.secret not in response.content.decode()


def test_a_provider_too_slow_is_a_504(client, naver, settings):
    settings.PROVIDER_READ_SECONDS = 0.2
    naver.delay = 5
    refused(client.post(NEWS, {"query": "한빛전자"}, format="json"), 504, "PROVIDER_TIMEOUT")


def test_messages_are_in_the_language_asked_for(client):
    korean = client.post(NEWS, {"query": ""}, format="json", HTTP_ACCEPT_LANGUAGE="ko").json()
    english = client.post(NEWS, {"query": ""}, format="json", HTTP_ACCEPT_LANGUAGE="en").json()
    default = client.post(NEWS, {"query": ""}, format="json").json()

    assert english["message"] == "The request is not valid; see details."
    assert korean["message"] == default["message"] != english["message"]
    assert any("가" <= letter <= "힣" for letter in korean["message"])


def test_a_request_id_is_the_same_in_the_answer_and_the_log(client, caplog):
    response = client.post(NEWS, {"query": "한빛전자"}, format="json")

    assert response["X-Request-ID"]
