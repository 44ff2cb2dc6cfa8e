"""What the documents say is true: every curl is asked again, every link, command and setting exists."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.http import HttpResponse
from django.test import Client

from dashboard import selectors, selftest, services, workers
from dashboard.schedules import sync_schedule
from newsservice import api
from newsservice.env import SETTINGS
from newsservice.errors import DomainError
from system.checks import IGNORED

ROOT = Path(settings.BASE_DIR)
SERVICE = "http://127.0.0.1:8002"
READMES = ["README.md", "README.ko.md"]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file()
)
# What is written in both languages, English first.
PAIRS = [(name.replace(".ko.md", ".md"), name) for name in DOCUMENTS if name.endswith(".ko.md")]
FOLDERS = "benchmarks|dashboard|docs|locale|mlcore|newsservice|requirements|search|system|templates|tests"
NAME_OF_SETTING = re.compile(r"(?<![\w/])[A-Z]+(?:_[A-Z]+)+(?![\w/])")
OF_OTHERS = {"OMP_NUM_THREADS", "OTEL_EXPORTER_OTLP_HEADERS"}  # variables that libraries read
LEFT_OUT = "…"  # last in a list, or a field: the document does not show the rest

# Another one with every request.
VOLATILE = {
    "analysis_id",
    "analysis_time",
    "analyzed_at",
    "avg_response_time_ms",
    "cache_hit_rate",
    "cache_size_kb",
    "cache_size_mb",
    "deleted_keys",
    "duration_ms",
    "estimated_completion",
    "finished_at",
    "hit_count",
    "hit_rate_24h",
    "hits_24h",
    "last_analysis_at",
    "last_cached",
    "last_updated",
    "misses_24h",
    "next_analysis_at",
    "processing_time_ms",
    "queued_at",
    "request_id",
    "response_time_ms",
    "retrieved_at",
    "run_after",
    "search_time",
    "started_at",
    "timestamp",
    "ttl_seconds",
}
# What word lists and their weights decide: its shape is compared.
JUDGED = {
    "confidence",
    "count",
    "detail",
    "engine",
    "esg_distribution",
    "evidence",
    "keyword",
    "keywords",
    "models",
    "reasoning",
    "relevance_score",
    "score",
    "scores",
    "sentiment_distribution",
    "top_keywords",
    "worker",
}


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str]]:
    """Return the (language, content) of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", read(document), re.MULTILINE | re.DOTALL)


def code_of(document: str) -> list[str]:
    """Return what stands in back quotes, and the lines of bash blocks."""
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    lines = [line for language, content in blocks(document) if language == "bash" for line in content.splitlines()]
    return [*re.findall(r"`([^`\n]+)`", prose), *lines]


def slugs(document: str) -> set[str]:
    """Return the anchors of a document's headings."""
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command of a document sends."""

    method: str
    path: str
    headers: dict[str, str]
    content_type: str
    body: str


def read_curl(command: str) -> tuple[Asked, bool]:
    """Return what a curl command sends, and whether it prints the status too."""
    curl = argparse.ArgumentParser(prog="curl", exit_on_error=False)
    curl.add_argument("-X", dest="method", default="GET")
    curl.add_argument("-H", dest="headers", action="append", default=[])
    curl.add_argument("-d", dest="data", default="")
    curl.add_argument("-w", dest="write_out", choices=["%{http_code}"])
    curl.add_argument("url")
    asked = curl.parse_args(shlex.split(command.replace("\\\n", " "))[1:])
    headers = dict(header.split(": ", 1) for header in asked.headers)
    content_type = headers.pop("Content-Type", "application/x-www-form-urlencoded" if asked.data else "")
    return _asked(asked, headers=headers, content_type=content_type, body=asked.data), bool(asked.write_out)


def read_powershell(command: str) -> Asked:
    """Return what Invoke-RestMethod sends. A text in single quotes means the same to PowerShell as to a shell."""
    (headers,) = re.findall(r" -Headers @\{(.*?)\}", command) or [""]
    invoke = argparse.ArgumentParser(prog="Invoke-RestMethod", exit_on_error=False)
    invoke.add_argument("-Method", dest="method", choices=["Get", "Post", "Delete"], default="Get")
    invoke.add_argument("-ContentType", dest="content_type", default="")
    invoke.add_argument("-Body", dest="body", default="")
    invoke.add_argument("url")
    name, *arguments = shlex.split(command.replace(f" -Headers @{{{headers}}}", ""))
    assert name == "Invoke-RestMethod"
    asked = invoke.parse_args(arguments)
    given = dict(re.findall(r"'([^']+)' = '([^']+)'", headers))
    return _asked(asked, headers=given, content_type=asked.content_type, body=asked.body)


def _asked(read: argparse.Namespace, *, headers: dict[str, str], content_type: str, body: str) -> Asked:
    assert read.url.startswith(f"{SERVICE}/")
    path = read.url.removeprefix(SERVICE)
    return Asked(method=read.method.upper(), path=path, headers=headers, content_type=content_type, body=body)


def send(asked: Asked, client: Client) -> HttpResponse:
    return client.generic(asked.method, asked.path, asked.body, content_type=asked.content_type, headers=asked.headers)


def ask_curl(command: str, client: Client) -> Any:
    """Send what a curl command of a document sends; return the JSON it brings."""
    asked, with_status = read_curl(command)
    answer = send(asked, client)
    return json.loads(answer.content + (str(answer.status_code).encode() if with_status else b""))


def answers_of(document: str) -> list[tuple[str, Any]]:
    """Return each curl of a document with the answer shown after it."""
    found = blocks(document)
    return [
        (content, json.loads(shown))
        for (language, content), (next_language, shown) in pairwise(found)
        if language == "bash" and content.startswith("curl ") and next_language == "json"
    ]


def work() -> None:
    """Run what is queued, as the worker of a living service would by now."""
    for run_id in selectors.due_runs():
        services.run_analysis(run_id, worker=workers.own_name())
    judge_waiting()


def judge_waiting() -> None:
    with _testing:
        selftest.run_waiting()


_testing = threading.Lock()


def tasks_named(answer: Any) -> list[str]:
    return [answer["task_id"]] if isinstance(answer, dict) and "task_id" in answer else []


def differences(shown: Any, real: Any, *, whole: bool, at: str = "answer", loose: bool = False) -> Iterator[str]:
    """Yield what a shown answer has wrong.

    `whole`: it leaves nothing out without saying so. `loose`: kinds alone have to agree.
    """
    if isinstance(shown, dict) and isinstance(real, dict):
        whole_here = whole and LEFT_OUT not in shown
        shown = {name: value for name, value in shown.items() if name != LEFT_OUT}
        yield from (f"{at}.{name} is not in the answer" for name in shown.keys() - real.keys())
        yield from (f"{at}.{name} is left out" for name in real.keys() - shown.keys() if whole_here)
        for name in shown.keys() & real.keys():
            is_loose = loose or name in JUDGED | VOLATILE
            yield from differences(shown[name], real[name], whole=whole, at=f"{at}.{name}", loose=is_loose)
    elif isinstance(shown, list) and isinstance(real, list):
        whole_here = whole and LEFT_OUT not in shown[-1:]
        shown = [value for value in shown if value != LEFT_OUT]
        if not loose and (len(shown) > len(real) or (whole_here and len(shown) < len(real))):
            yield f"{at} has {len(real)} entries, not {len(shown)}"
        for number, pair in enumerate(zip(shown, real, strict=False)):
            yield from differences(*pair, whole=whole, at=f"{at}[{number}]", loose=loose)
    elif kind(shown) != kind(real) or (not loose and shown != real):
        yield f"{at} is {real!r}, not {shown!r}"


def kind(value: object) -> str:
    return "number" if type(value) in {int, float} else type(value).__name__


@pytest.fixture
def started_service(transactional_db) -> Iterator[Client]:
    """A client of a service as it is once `make run` has analysed what is watched."""
    sync_schedule()
    workers.say_alive(workers.own_name())
    services.schedule_due_companies()
    work()
    ended = threading.Event()
    worker = threading.Thread(target=_test_itself, args=(ended,))
    worker.start()
    yield Client(SERVER_NAME="localhost")
    ended.set()
    worker.join()


def _test_itself(ended: threading.Event) -> None:
    """Do what the embedded worker does between two analyses."""
    while not ended.wait(0.02):
        judge_waiting()


@pytest.mark.parametrize("document", [*READMES, "docs/api.md"])
def test_every_curl_brings_the_answer_that_is_shown(document, started_service):
    shown = answers_of(document)
    assert shown
    tasks: dict[str, str] = {}  # of the document -> of this run
    for command, answer in shown:
        real = ask_curl(_renamed(command, tasks), started_service)
        tasks |= dict(zip(tasks_named(answer), tasks_named(real), strict=True))
        expected = json.loads(_renamed(json.dumps(answer), tasks))
        wrong = list(differences(expected, real, whole=document == "docs/api.md"))
        assert not wrong, f"{command}\n" + "\n".join(wrong)
        work()


@pytest.mark.parametrize("document", ["docs/migrating.md", "docs/migrating.ko.md"])
def test_powershell_asks_what_curl_asks(document, started_service):
    (shown,) = (content for language, content in blocks(document) if language == "powershell")
    (above,) = (content for language, content in blocks(document) if content.count("curl ") > 1)
    calls = [read_powershell(line) for line in shown.splitlines()]
    curls = [read_curl(line)[0] for line in above.splitlines()]
    in_utf8 = {"application/json": "application/json; charset=utf-8", "": ""}
    assert calls == [replace(curl, content_type=in_utf8[curl.content_type]) for curl in curls]
    for call in calls:
        answer = send(call, started_service)
        assert answer.status_code < 300, (call, answer.content.decode())


def _renamed(text: str, names: dict[str, str]) -> str:
    for shown, real in names.items():
        text = text.replace(shown, real)
    return text


def test_every_call_of_the_schema_is_on_the_api_page():
    page = read("docs/api.md")
    for path, calls in Client(SERVER_NAME="localhost").get("/api/v1/schema").json()["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", r"[^/\\s]+", re.escape(path))
        for method in (name.upper() for name in calls):
            verb = f"-X {method} " if method != "GET" else ""
            assert re.search(rf"^curl {verb}'?{SERVICE}{pattern}[\s?]", page, re.MULTILINE), f"{method} {path}"


def test_every_curl_of_the_api_page_shows_an_answer():
    curls = [content for language, content in blocks("docs/api.md") if language == "bash"]
    assert len(curls) == len(answers_of("docs/api.md"))


def test_a_wrong_answer_would_be_noticed():
    real = {"items": [{"title": "a", "count": 3}], "provider": "naver"}
    assert not list(differences({"items": [{"title": "a", "count": 7}], "provider": "naver"}, real, whole=True))
    assert list(differences({"items": [{"title": "b", "count": 3}], "provider": "naver"}, real, whole=True))
    assert list(differences({"items": [], "provider": "naver"}, real, whole=True))
    assert list(differences({"items": [{"title": "a", "count": 3}]}, real, whole=True))
    assert list(differences({"origin": "naver"}, real, whole=False))
    assert list(differences({"items": [{"title": "a", "count": "3"}]}, real, whole=False))
    assert not list(differences({"items": ["…"], "…": "…"}, real, whole=True))
    assert not list(differences({"items": [{"title": "a", "…": "…"}, "…"], "provider": "naver"}, real, whole=True))
    assert list(differences({"items": [{"title": "b", "…": "…"}, "…"], "provider": "naver"}, real, whole=True))
    assert list(differences({"items": ["…"], "origin": "naver", "…": "…"}, real, whole=True))


@pytest.mark.parametrize("readme", READMES)
def test_the_table_of_the_command_line_is_the_real_one(readme, capsys, monkeypatch):
    command, table = next(
        (content, blocks(readme)[number + 1][1])
        for number, (_, content) in enumerate(blocks(readme))
        if "manage.py analyze" in content
    )
    monkeypatch.setenv("COLUMNS", "120")
    call_command(*shlex.split(command)[2:])
    printed = capsys.readouterr().out
    headlines = [line.split("│")[1].strip() for line in table.splitlines() if line.startswith("│")]
    assert len(headlines) == 6
    for headline in headlines:
        assert headline in printed
    assert re.search(r"\d+ stories of \d+ articles", table).group() in printed


@pytest.mark.parametrize("readme", READMES)
def test_the_articles_of_ones_own_can_be_imported(readme, tmp_path, settings, capsys):
    settings.ARCHIVE_PATH = tmp_path / "archive.sqlite3"
    (content,) = (content for language, content in blocks(readme) if language == "jsonl")
    (tmp_path / "articles.jsonl").write_text(content, encoding="utf-8")
    call_command("import_articles", str(tmp_path / "articles.jsonl"))
    assert "2 new, 0 known" in capsys.readouterr().out
    answer = ask_curl(f"curl -X POST {SERVICE}/api/v1/search/companies/가상전자", Client(SERVER_NAME="localhost"))
    assert answer["search_metadata"]["provider"] == "archive"
    assert answer["search_metadata"]["returned_count"] == 2


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)|<(http[^>\s]+)>", prose)
    for target in (inline or bare for inline, bare in targets):
        if target.startswith(SERVICE):
            page = Client(SERVER_NAME="localhost").get(target.removeprefix(SERVICE), follow=True)
            assert page.status_code == 200, target
        elif not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            linked = ((ROOT / document).parent / path).resolve() if path else ROOT / document
            assert linked.exists(), target
            assert not anchor or unquote(anchor) in slugs(str(linked.relative_to(ROOT))), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_named_is_there(document):
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE))
    named = {target for code in code_of(document) for target in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z]+)", code)}
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_management_command_named_takes_what_it_is_given(document):
    apps = get_commands()
    for code in code_of(document):
        if not (match := re.search(r"manage\.py (\w+)([^>|…]*)", code)):
            continue
        name, arguments = match[1], shlex.split(match[2])
        assert name in apps, code
        app = apps[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        if arguments:
            command.create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_is_there(document):
    for code in code_of(document):
        for name in re.findall(rf"(?:^|\s)((?:{FOLDERS})/[\w./-]*)", code):
            assert (ROOT / name).exists(), name
        for module in re.findall(r"python -m (benchmarks\.\w+)", code):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_named_is_read(document):
    known = {name for setting in SETTINGS.values() for name in (setting.name, *setting.aliases)}
    known |= {f"{name}_FILE" for name in known} | {"NAME_FILE"}
    known |= set(re.findall(r"^([A-Z_]+) \??:?=", read("Makefile"), re.MULTILINE))
    known |= set(re.findall(r"\$\{([A-Z_]+)", read("docker-compose.yml")))
    known |= {"NEWS_API_KEY"}  # of tests/containers_trial.py
    said = {*api.CODES.values(), *_codes(DomainError), "WORKER_LOST"}
    if document.startswith("docs/migrating"):
        said |= {*IGNORED}
    lines = [line for language, content in blocks(document) if language == "ini" for line in content.splitlines()]
    assert {line.partition("=")[0] for line in lines} <= known
    if not document.startswith("docs/configuration."):  # names what is ignored, too
        named = {name for code in code_of(document) for name in NAME_OF_SETTING.findall(code)}
        assert named <= known | said | OF_OTHERS


def _codes(error: type[DomainError]) -> set[str]:
    return {error.code}.union(*(_codes(kind) for kind in error.__subclasses__()))


@pytest.mark.parametrize("name", ["PORT", "NEWS_PROVIDER", "NAVER_CLIENT_ID", "REDIS_URL", "MODEL_NAME"])
def test_the_settings_a_newcomer_needs_are_explained(name):
    for readme in READMES:
        assert name in read(readme)


# --- two languages -------------------------------------------------------------------------------------------


def outline(document: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(#+) ", prose, re.MULTILINE)


def commands(document: str) -> list[tuple[str, str]]:
    """Return the blocks that are the same in every language: commands, settings, answers, data."""
    return [(language, content) for language, content in blocks(document) if language != "text"]


def inline_commands(document: str) -> set[str]:
    """Return the commands that stand in sentences."""
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    return set(
        re.findall(r"`((?:[A-Z_]+=\S+ )*(?:\.venv/|\./|docker |curl |make |manage\.py |python )[^`\n]+)`", prose)
    )


def tables(document: str) -> list[list[tuple[str, ...]]]:
    """Return each table as its rows, a row as the code that each of its cells names."""
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE)
    return [[_named(row) for row in table.splitlines()] for table in found]


def _named(row: str) -> tuple[str, ...]:
    """Return what a row names in back quotes, in any order: a sentence of another language has its own."""
    return tuple(sorted(re.findall(r"`([^`]+)`", row)))


def relative_links(document: str) -> set[str]:
    """Return the files a document links, pictures too, each by the name of its English form."""
    prose = re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)
    paths = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose))
    return {re.sub(r"\.ko(\.\w+)$", r"\1", path) for path in paths if path and "://" not in path}


def test_what_operators_and_clients_read_is_there_in_korean():
    pages = ("api", "configuration", "migrating", "models", "operations", "security")
    read_by_all = {"README.md", *(f"docs/{page}.md" for page in pages)}
    assert read_by_all <= {english for english, _ in PAIRS}


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_have_the_same_sections(english, korean):
    assert outline(english) == outline(korean)


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_show_the_same_commands_settings_and_answers(english, korean):
    assert commands(english) == commands(korean)
    assert inline_commands(english) == inline_commands(korean)


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_name_the_same_things_in_tables(english, korean):
    assert tables(english) == tables(korean)


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_link_the_same_documents_and_each_other(english, korean):
    assert relative_links(english) == relative_links(korean)
    assert f"[한국어]({Path(korean).name})" in read(english)
    assert f"[English]({Path(english).name})" in read(korean)


def test_the_licence_is_mit():
    assert read("LICENSE").startswith("MIT License\n")
    assert "News Service contributors" in read("LICENSE")
