"""Signing in to the admin: who guesses waits, by an address nobody can make up; and which other sites may ask."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from system import throttles

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
PASSWORD = "a-long-word-1234"
HERE, THERE = "192.0.2.1", "192.0.2.2"
STATUS = "/api/v1/dashboard/status"
APP = "https://app.example.com"


@pytest.fixture(autouse=True)
def _operator(settings):
    User.objects.create_superuser("operator", password=PASSWORD)


def sign_in(password: str, *, name: str = "operator", address: str = HERE, **headers: str):
    client = Client(SERVER_NAME="localhost")
    form = {"username": name, "password": password}
    return client.post(LOGIN, form, REMOTE_ADDR=address, headers=headers)


def guess(times: int, **where: str) -> list[int]:
    return [sign_in("wrong", **where).status_code for _ in range(times)]


def test_who_guesses_waits_even_with_the_right_word_then():
    assert guess(5) == [200, 200, 200, 200, 429]
    locked = sign_in(PASSWORD, Accept="text/html")
    assert locked.status_code == 429
    assert locked.headers["Retry-After"] == "900"
    assert "비밀번호를 너무 여러 번 틀렸습니다" in locked.content.decode()
    assert (
        "Too many wrong passwords"
        in sign_in(PASSWORD, **{"Accept": "text/html", "Accept-Language": "en"}).content.decode()
    )


def test_the_operator_elsewhere_is_not_locked_out():
    guess(6)
    assert sign_in(PASSWORD, address=THERE).status_code == 302


def test_a_made_up_address_gives_no_new_tries():
    tries = [sign_in("wrong", **{"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in range(6)]
    assert tries[-1] == 429
    assert guess(1, address="2001:db8::1") == [200]


def test_addresses_of_one_ipv6_network_are_one():
    tries = [guess(1, address=f"2001:db8::{n}")[0] for n in range(1, 7)]
    assert tries[-1] == 429


def test_a_success_forgets_the_failures_before():
    guess(4)
    assert sign_in(PASSWORD).status_code == 302
    assert guess(4) == [200] * 4


def test_the_lock_ends(settings):
    guess(5)
    settings.AXES_COOLOFF_TIME = timedelta(0)
    assert sign_in(PASSWORD).status_code == 302


@pytest.mark.parametrize("command", [["axes_reset"], ["axes_reset_username", "operator"]])
def test_a_command_opens_the_door(command):
    guess(5)
    call_command(*command, stdout=StringIO())
    assert sign_in(PASSWORD).status_code == 302


def test_a_script_that_asks_is_told_nothing_more():
    guess(5)
    answer = sign_in(PASSWORD, **{"X-Requested-With": "XMLHttpRequest", "Origin": APP})
    assert answer.status_code == 429
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_address_that_tries_many_names_waits_too(settings, monkeypatch):
    settings.RATE_LIMITS, settings.RATE_PER_ADDRESS = True, 3
    monkeypatch.setattr(throttles.time, "time", lambda: 1_800_000_010.0)  # no minute ends within a test
    names = [f"name{number}" for number in range(5)]
    assert [sign_in("wrong", name=name).status_code for name in names] == [200, 200, 200, 429, 429]
    waits = sign_in(PASSWORD, Accept="text/html")
    assert (waits.status_code, waits.headers["Retry-After"]) == (429, "50")
    assert "비밀번호를 너무 여러 번 틀렸습니다" in waits.content.decode()
    assert Client(SERVER_NAME="localhost").get(LOGIN).status_code == 200
    assert sign_in(PASSWORD, address=THERE).status_code == 302
    monkeypatch.setattr(throttles.time, "time", lambda: 1_800_000_060.0)
    assert sign_in(PASSWORD).status_code == 302


@pytest.mark.parametrize("weak", ["short1!", "password123", "135792468013", "operator2024"])
def test_a_weak_password_is_not_taken(weak, admin_client):
    def taken(password: str) -> bool:
        operator = User.objects.get(username="operator")
        form = {"usable_password": "true", "password1": password, "password2": password}
        admin_client.post(f"/admin/auth/user/{operator.pk}/password/", form)
        operator.refresh_from_db()
        return operator.check_password(password)

    assert not taken(weak)
    assert taken("a-longer-word-12345")


# --- other sites ---------------------------------------------------------------------------------------------


def preflight(client, path: str = STATUS):
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    return client.options(path, headers=asked)


def test_by_default_no_other_site_may_ask(client):
    assert "Access-Control-Allow-Origin" not in preflight(client).headers
    assert "Access-Control-Allow-Origin" not in client.get(STATUS, headers={"Origin": APP}).headers


def test_a_site_that_is_named_may_ask_with_a_key_and_without_cookies(client, settings):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.API_KEYS_REQUIRED = True
    allowed = preflight(client)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == APP
    assert "x-api-key" in allowed.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert client.get(STATUS, headers={"Origin": APP}).status_code == 401
    assert "Access-Control-Allow-Origin" not in preflight(client, "/admin/login/").headers


def test_in_the_open_mode_a_site_that_is_named_may_ask(client, settings):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": APP}
    assert client.post("/api/v1/search/news", {"query": "한빛전자"}, format="json", headers=headers).status_code == 200
