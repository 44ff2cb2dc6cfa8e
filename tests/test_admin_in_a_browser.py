"""A person at the admin, in a real browser that runs no script or style but the service's own files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright import sync_api as playwright

from dashboard import services, workers
from dashboard.models import Analysis, Company
from search import store

pytestmark = pytest.mark.django_db(transaction=True)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:"
COMPANY = "늘찬전자"


@pytest.fixture
def page(chromium: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[playwright.Page]:
    """A page whose every answer comes with a strict policy; at the end nothing may have complained."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop runs in the thread of the test
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900}).new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.route("**/*", _with_policy)
        yield page
        browser.close()
    assert complaints == []


def _with_policy(route: playwright.Route) -> None:
    answer = route.fetch(max_redirects=0)
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})


def run_what_waits() -> None:
    """Do the worker's work."""
    for run_id in Analysis.objects.filter(status="queued").values_list("pk", flat=True):
        services.run_analysis(run_id, worker=workers.own_name())


def test_a_person_analyses_a_company_and_clears_its_cache(page, live_server):
    User.objects.create_superuser("운영자", password="비밀번호-1234")
    Company.objects.create(name=COMPANY)
    workers.say_alive(workers.own_name())

    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", "운영자")
    page.fill("#id_password", "비밀번호-1234")
    page.click("input[type=submit]")

    page.click("nav.shortcuts >> text=Companies")
    page.check(f"tr:has-text('{COMPANY}') input.action-select")
    page.select_option("select[name=action]", "analyze_now")
    page.click("button[name=index]")
    assert page.inner_text(".messagelist") == f"Queued: {COMPANY}"
    page.click("nav.shortcuts >> text=Running")
    assert COMPANY in page.inner_text("#queued")

    run_what_waits()

    page.click("nav.shortcuts >> text=Analyses")
    page.click(".select2-selection")
    page.fill(".select2-search__field", "늘찬")
    page.click(f".select2-results__option:has-text('{COMPANY}')")
    page.click("details:has(#filter_company) button")
    playwright.expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert "success" in page.inner_text("#result_list")
    playwright.expect(page.locator("#result_list .bar")).to_have_count(2)
    page.click("#result_list tbody th a")
    assert COMPANY in page.inner_text("#stories tbody tr >> nth=0")
    page.click("#stories tbody a >> nth=0")
    assert "keyword@" in page.inner_text("#judgements")

    page.click("nav.shortcuts >> text=Cache")
    playwright.expect(page.locator("#entries tbody tr")).to_have_count(2)  # the search and the analysis
    page.click("tr:has-text('analysis') a")
    assert '"subject": "늘찬전자"' in page.inner_text("pre.json")
    page.go_back()
    page.check("tr:has-text('analysis') input[name=key]")
    page.click("text=Delete the chosen")
    assert page.inner_text(".messagelist") == "Deleted: 1"
    playwright.expect(page.locator("#entries tbody tr")).to_have_count(1)
    assert store.keys("analysis:") == []
