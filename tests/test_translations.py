"""Korean: every message of the code is in the catalogue, translated, with its placeholders, and compiled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.test import Client
from django.utils.translation.template import templatize
from rest_framework import exceptions, fields, serializers

from newsservice.api import CODES
from newsservice.env import SETTINGS
from system.checks import IGNORED

ROOT = Path(settings.BASE_DIR)
CATALOGUE = ROOT / "locale/ko/LC_MESSAGES/django.po"
APPS = ["newsservice", "mlcore", "search", "dashboard", "system"]
GETTEXT = {"_", "gettext", "gettext_lazy"}
PHRASES = {HTTPStatus(status).phrase for status in CODES}
PLACEHOLDER = re.compile(r"%\(\w+\)(?:\.\d)?[sdf]|\{\w+\}")


def messages_in_code() -> Iterator[str]:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GETTEXT:
                    message = node.args[0]
                    if isinstance(message, ast.Constant):
                        yield message.value


def messages_in_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*.html"):
        code = templatize(path.read_text(encoding="utf-8"))
        for literal in re.findall(r"gettext\((u'(?:[^'\\]|\\.)*'|u\"(?:[^\"\\]|\\.)*\")\)", code):
            yield ast.literal_eval(literal)


def framework_messages() -> set[object]:
    """Return every constant of the REST framework's modules that speak to callers."""
    texts: set[object] = set()
    for module in (exceptions, fields, serializers):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        texts |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return texts


def messages_of_settings() -> set[str]:
    """Return what settings say of themselves, which `describe_settings` looks up."""
    helps = {setting.help for setting in SETTINGS.values()}
    return helps | {setting.section for setting in SETTINGS.values()} | set(IGNORED.values())


@pytest.fixture(scope="module")
def catalogue() -> dict[str, polib.POEntry]:
    return {entry.msgid: entry for entry in polib.pofile(str(CATALOGUE)) if not entry.obsolete}


def test_the_code_has_messages():
    assert len(set(messages_in_code())) > 20
    assert len(set(messages_in_templates())) > 30
    assert len(messages_of_settings()) > len(SETTINGS)


def test_every_message_is_translated(catalogue):
    wanted = {*messages_in_code(), *messages_in_templates(), *messages_of_settings(), *PHRASES}
    assert wanted - catalogue.keys() == set()
    assert {message for message, entry in catalogue.items() if not entry.translated()} == set()


def test_no_translation_outlives_its_message(catalogue):
    ours = {*messages_in_code(), *messages_in_templates(), *messages_of_settings()}
    known = {*ours, *PHRASES, *framework_messages()}
    assert catalogue.keys() - known == set()


def test_a_translation_keeps_its_placeholders(catalogue):
    for message, entry in catalogue.items():
        assert sorted(PLACEHOLDER.findall(entry.msgstr)) == sorted(PLACEHOLDER.findall(message)), message


def test_a_translation_is_korean(catalogue):
    words = {message: PLACEHOLDER.sub("", entry.msgstr) for message, entry in catalogue.items()}
    assert {message for message, word in words.items() if not re.search("[가-힣]", word)} <= {
        "API",
        "ESG",
        "News Service",
    }


def test_the_compiled_catalogue_is_this_one(catalogue):
    compiled = {entry.msgid: entry.msgstr for entry in polib.mofile(str(CATALOGUE.with_suffix(".mo")))}
    assert compiled == {message: entry.msgstr for message, entry in catalogue.items()}


@pytest.mark.parametrize(
    ("language", "message", "detail"),
    [
        ("", "요청이 올바르지 않습니다. details를 확인하세요.", "정수여야 합니다."),
        ("ko-KR", "요청이 올바르지 않습니다. details를 확인하세요.", "정수여야 합니다."),
        ("en", "The request is not valid; see details.", "A valid integer is required."),
        ("fr", "요청이 올바르지 않습니다. details를 확인하세요.", "정수여야 합니다."),
    ],
)
def test_an_error_speaks_the_language_of_the_caller(language, message, detail):
    answer = Client(SERVER_NAME="localhost").post(
        "/api/v1/search/companies/한빛전자",
        {"max_results": "ten"},
        content_type="application/json",
        headers={"Accept-Language": language} if language else {},
    )
    assert answer.status_code == 400
    assert answer.json()["message"] == message
    assert answer.json()["details"] == {"max_results": [detail]}
