"""Swagger UI and ReDoc work in a real browser under the service's own content security policy."""

from __future__ import annotations

import pytest
from playwright import sync_api as playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/", "#ask"),
        ("/docs", ".opblock-summary-path"),
        ("/redoc", "h1, [data-section-id]"),
        ("/admin/login/", "#id_username"),
    ],
)
def test_a_page_works_under_its_policy(chromium, live_server, monkeypatch, path, shows):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop runs in the thread of the test
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # asked for where a page names none
        answer = page.goto(live_server.url + path)
        page.wait_for_selector(shows, timeout=40_000)
        browser.close()

    assert answer
    assert "content-security-policy" in answer.headers
    # ReDoc's bundle asks for its maker's logo; that nothing is loaded from elsewhere is what the policy is for.
    assert [said for said in complaints if "cdn.redoc.ly/redoc/logo-mini.svg" not in said] == []
