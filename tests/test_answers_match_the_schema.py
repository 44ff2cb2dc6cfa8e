"""The OpenAPI schema and the answers agree, the errors too."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.test_search_api import company_path


@pytest.fixture
def schema(client) -> dict[str, Any]:
    return client.get("/api/v1/schema").json()


def check(schema: dict[str, Any], response, path: str, method: str = "post") -> None:
    """Hold an answer against what the schema promises for its status."""
    responses = schema["paths"][path][method]["responses"]
    promised = responses.get(str(response.status_code), responses["default"])
    body = promised["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), _nullable({**body, "components": schema["components"]}))


def _nullable(node: Any) -> Any:
    """Say OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(node, list):
        return [_nullable(part) for part in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _nullable(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


NEWS, COMPANY = "/api/v1/search/news", "/api/v1/search/companies/{company}"
ANALYZE = "/api/v1/search/companies/{company}/analyze"


def test_every_route_is_in_the_schema(schema):
    assert set(schema["paths"]) >= {
        NEWS,
        COMPANY,
        ANALYZE,
        "/api/v1/search/batch",
        "/api/v1/search/trending",
        "/api/v1/system/health",
    }


def test_answers_are_as_the_schema_says(client, schema):
    check(schema, client.post(NEWS, {"query": "삼성전자"}, format="json"), NEWS)
    check(schema, client.post(company_path("삼성전자")), COMPANY)
    check(schema, client.post(company_path("삼성전자", "/analyze")), ANALYZE)
    check(schema, client.get("/api/v1/search/trending"), "/api/v1/search/trending", "get")
    check(schema, client.get("/api/v1/system/health"), "/api/v1/system/health", "get")
    batch = client.post("/api/v1/search/batch", [{"query": "삼성전자"}, {"query": ""}], format="json")
    check(schema, batch, "/api/v1/search/batch")


def test_errors_are_as_the_schema_says(client, schema, naver):
    naver.refuse(500, b"down")
    check(schema, client.post(NEWS, {}, format="json"), NEWS)
    check(schema, client.post(NEWS, {"query": "x"}, format="json"), NEWS)
    check(schema, client.post(company_path(" ")), COMPANY)


def test_the_documentation_pages_load_nothing_from_elsewhere(client):
    for path in ("/docs", "/redoc"):
        page = client.get(path, HTTP_ACCEPT="text/html").content.decode()
        assert "/static/" in page
        assert "https://" not in page
        assert "//cdn" not in page
