"""The page at /: what this is, what it runs on, where to go; and the pages of documentation beside it."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright import sync_api as playwright

from dashboard import selectors, services, tasks, workers
from dashboard.models import Analysis
from mlcore.labels import KOREAN, LABELS
from search.services import Options, analyze_company
from search.types import Relevance, Verdict
from tests.servers import wait_until

ROOT = Path(settings.BASE_DIR)
SCRIPT = (ROOT / "system/static/system/home.js").read_text(encoding="utf-8")
STYLE = (ROOT / "system/static/system/home.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data.strip())

    def all(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [value for _, attributes in self.tags if (value := attributes.get(name))]


def get(path: str = "/", *, language: str = "") -> Page:
    headers = {"Accept-Language": language} if language else {}
    answer = Client(SERVER_NAME="localhost").get(path, headers=headers)
    assert answer.status_code == 200
    return Page(answer.content.decode())


def status_of(path: str) -> int:
    answer = Client(SERVER_NAME="localhost").get(path)
    answer.getvalue()  # a file is closed once it is read
    return answer.status_code


def test_the_page_is_korean_unless_english_is_asked_for():
    assert get().all("lang") == ["ko"]
    assert "실행 환경" in get().words
    assert get(language="en").all("lang") == ["en"]
    assert "What it runs on" in get(language="en-GB,en;q=0.9").words


def test_the_page_says_what_the_service_runs_on():
    words = get(language="en").words
    assert "archive (sample)" in words
    assert "local memory" in words
    assert any(word.startswith("keyword@") for word in words)
    assert any("invented" in word for word in words)


def test_the_page_is_shown_when_nothing_can_judge(settings):
    settings.MLCORE_FALLBACK = False
    assert any(word.startswith("none: ") for word in get().words)


def test_the_curl_of_the_page_has_a_key_where_one_is_needed(settings):
    [curl] = [word for word in get().words if word.startswith("curl -X POST")]
    assert curl.endswith("/analyze")
    settings.API_KEYS_REQUIRED = True
    assert f"{curl} -H 'X-API-Key: …'" in get().words


def test_every_link_of_the_page_is_answered():
    links = [link for link in get().all("href") if link.startswith(("/", "?"))]
    assert {"/docs", "/redoc", "/api/v1/schema", "/api/v1/system/health", "/admin/"} <= set(links)
    for link in links:
        wanted = 302 if link == "/admin/" else 200  # to the form that asks who one is
        assert status_of(link if link.startswith("/") else f"/{link}") == wanted, link


@pytest.mark.parametrize("path", ["/", "/redoc"])
def test_a_page_brings_no_script_or_style_along_and_nothing_from_elsewhere(path):
    page = get(path)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts
    assert all(attributes.get("src") for attributes in scripts)
    assert "style" not in {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}
    for address in [*page.all("src"), *page.all("href"), *page.all("action")]:
        assert not re.match(r"(https?:)?//", address), address
    (policy,) = (a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


def test_the_home_page_allows_no_inline_style():
    (policy,) = (a["content"] for _, a in get().tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "style-src 'self';" in policy


@pytest.mark.parametrize("path", ["/", "/redoc"])
def test_the_files_of_a_page_are_served(path):
    page = get(path)
    files = [address for address in [*page.all("src"), *page.all("href")] if address.startswith("/static/")]
    assert files
    for address in files:
        assert status_of(address) == 200, address


def test_the_script_finds_every_element_and_text_it_asks_for():
    page = get()
    ids = set(page.all("id"))
    assert set(re.findall(r'byId\("([\w-]+)"\)', SCRIPT)) <= ids
    (texts,) = (attributes for _, attributes in page.tags if attributes.get("id") == "texts")
    asked = set(re.findall(r"\btexts\.(\w+)", SCRIPT))
    assert {f"data-{name}" for name in asked} == set(texts) - {"id", "hidden"}


def test_every_label_has_a_word_and_a_colour():
    words = get().words
    for label in (KOREAN.get(code, code) for codes in LABELS.values() for code in codes):
        assert label in words
        assert f'[data-label="{label}"]' in STYLE or label == "기타"


def test_every_verdict_that_is_not_counted_has_words():
    counted = {verdict for verdict in get_args(Verdict) if Relevance(score=1, verdict=verdict).is_about}
    assert set(get_args(Verdict)) - counted <= set(get().words)
    assert not counted & set(get().words)


def test_the_script_puts_answers_in_as_text_only():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", SCRIPT)


def test_every_field_can_be_named_by_a_screen_reader():
    page = get()
    labelled = set(page.all("for"))
    for tag, attributes in page.tags:
        if tag in {"input", "select"}:
            assert attributes["id"] in labelled
    (status,) = (attributes for _, attributes in page.tags if attributes.get("id") == "status")
    assert status["role"] == "status"


@pytest.mark.django_db(transaction=True)
def test_a_browser_shows_an_analysis(chromium, live_server, tmp_path):
    address = f"{live_server.url}/?company=%EB%8A%98%EC%B0%AC%EC%A0%84%EC%9E%90&max_results=10"
    shown = browse(chromium, address, tmp_path)
    assert shown.count('class="story"') == 11  # ten, and the template
    assert re.search(r'<mark class="for-[^"]*"[^>]*>과징금', shown)
    assert re.search(r'id="error"[^>]* hidden', shown)


@pytest.mark.django_db(transaction=True)
def test_a_browser_shows_what_went_wrong(chromium, live_server, tmp_path):
    shown = browse(chromium, f"{live_server.url}/?company=%01", tmp_path)
    assert re.search(r'<p id="error"[^>]*role="alert">company: [^<]+</p>', shown)
    assert re.search(r'id="answer"[^>]* hidden', shown)


@pytest.mark.django_db(transaction=True)
def test_a_browser_marks_stories_that_are_not_about_the_company(chromium, live_server, tmp_path):
    answer = analyze_company("KT", Options(max_results=30)).value
    left_out = [judged for judged in answer.judged if not judged.story.relevance.is_about]
    assert 0 < len(left_out) == answer.summary.left_out < len(answer.judged)
    shown = browse(chromium, f"{live_server.url}/?company=KT&max_results=30", tmp_path)
    assert shown.count('class="story uncounted"') == len(left_out)
    assert len(re.findall(r'<span class="verdict">[^<]+</span>', shown)) == len(left_out)
    counts = re.search(r'id="answer-counts"[^>]*>([^<]*)<', shown)
    assert counts
    assert str(answer.summary.total) in counts[1]
    assert str(len(left_out)) in counts[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("succeeds", [True, False])
def test_a_browser_waits_for_a_worker(chromium, live_server, tmp_path, settings, monkeypatch, succeeds):
    monkeypatch.setattr(tasks.run_analysis, "delay", lambda run_id: None)  # nobody rings: the row is found
    settings.BACKGROUND, settings.ANALYZE_WAIT_SECONDS = "celery", 0
    workers.say_alive(workers.own_name())
    address = f"{live_server.url}/?company=%EB%8A%98%EC%B0%AC%EC%A0%84%EC%9E%90&max_results=10"
    with start_browser(chromium, address, tmp_path) as browser:
        wait_until(selectors.due_runs)
        (run,) = selectors.due_runs()  # the browser was told to wait
        if succeeds:
            services.run_analysis(run, worker=workers.own_name())
        else:
            Analysis.objects.filter(pk=run).update(
                status="error", error_code="PROVIDER_ERROR", error_message="no news"
            )
        shown = browser.communicate(timeout=300)[0]
    if succeeds:
        assert shown.count('class="story"') == 11
        assert re.search(r'id="error"[^>]* hidden', shown)
    else:
        assert re.search(r'<p id="error"[^>]*role="alert">no news</p>', shown)
    assert Analysis.objects.count() == 1


def browse(chromium: str, address: str, profile: Path) -> str:
    """Return the page as a browser has it once the script has run."""
    with start_browser(chromium, address, profile) as browser:
        shown = browser.communicate(timeout=300)[0]
    assert browser.returncode == 0
    return shown


def start_browser(chromium: str, address: str, profile: Path) -> subprocess.Popen[str]:
    """Start a browser that prints the page after ten minutes of its own, fast-forwarded, time."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command = [chromium, *options, "--virtual-time-budget=600000", "--dump-dom", address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.django_db(transaction=True)
def test_who_is_signed_in_asks_from_the_page_where_keys_are_needed(chromium, live_server, settings, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop runs in the thread of the test
    settings.API_KEYS_REQUIRED = True
    User.objects.create_superuser("operator", password="a-long-word-1234")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{live_server.url}/?company=%EC%82%BC%EC%84%B1%EC%A0%84%EC%9E%90")
        page.wait_for_selector("#error:not([hidden])")  # nobody knows who asks
        page.click("a[href^='/admin/login/']")
        page.fill("#id_username", "operator")
        page.fill("#id_password", "a-long-word-1234")
        page.click("[type=submit]")
        page.wait_for_selector("#ask")
        page.fill("#company", "삼성전자")
        page.click("#ask button")
        page.wait_for_selector("#stories li")
        browser.close()
