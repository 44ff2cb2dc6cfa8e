"""Keys of the API: made and shown once, asked for in production, bounded by scope, time and revocation."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dashboard.models import Company
from system import keys
from system.models import ApiKey

pytestmark = pytest.mark.django_db

COMPANIES = "/api/v1/dashboard/companies"
CLEAR = "/api/v1/dashboard/cache/all"
NEWS = "/api/v1/search/news"
OPEN = ["/health", "/api/v1/health", "/api/v1/system/health", "/api/v1/system/ready"]


@pytest.fixture(autouse=True)
def _required(settings):
    settings.API_KEYS_REQUIRED = True
    keys.forget()


def made(scope: str = "read", **fields: object) -> str:
    """Make a key by the command; return it."""
    out = StringIO()
    call_command("create_api_key", f"{scope} key", scope=scope, stdout=out, stderr=StringIO(), **fields)
    return out.getvalue().strip()


def bearing(token: str) -> APIClient:
    return APIClient(SERVER_NAME="localhost", headers={"X-API-Key": token})


def test_without_a_key_only_the_probes_answer(client):
    schema = bearing(made("admin")).get("/api/v1/schema").json()
    asked = [
        getattr(client, method)(path.replace("{company}", "한빛전자").replace("{task_id}", str(UUID(int=7))))
        for path, operations in schema["paths"].items()
        for method in operations
        if path not in OPEN
    ]

    assert len(asked) >= 17
    assert {answer.status_code for answer in asked} == {401}
    assert {answer.json()["error_code"] for answer in asked} == {"AUTHENTICATION_ERROR"}
    assert {answer.headers["WWW-Authenticate"] for answer in asked} == {"Bearer"}
    for path in ("/api/v1/schema", "/api/v1/system/metrics", "/docs", "/redoc"):
        assert client.get(path).status_code == 401, path
    assert all(client.get(path).status_code in {200, 503} for path in OPEN)


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "clears"),
    [("read", 200, 403, 403), ("write", 200, 201, 403), ("admin", 200, 201, 200)],
)
def test_a_scope_opens_what_it_says_and_no_more(scope, reads, writes, clears):
    client = bearing(made(scope))

    assert client.get(COMPANIES).status_code == reads
    assert client.post(NEWS, {"query": "한빛전자"}, format="json").status_code == reads
    assert client.get("/api/v1/system/metrics").status_code == reads
    changed = client.post(COMPANIES, {"name": "한빛전자"}, format="json")
    assert changed.status_code == writes
    assert client.delete(CLEAR).status_code == clears
    if writes == 403:
        assert changed.json()["error_code"] == "PERMISSION_DENIED"
        assert not Company.objects.exists()


def test_fields_that_are_not_offered_change_nothing():
    sent = {"name": "한빛전자", "id": 777, "created_at": "2001-01-01T00:00:00Z", "next_run_at": "2099-01-01T00:00:00Z"}
    assert bearing(made("write")).post(COMPANIES, sent, format="json").status_code == 201
    company = Company.objects.get()
    assert company.pk != 777
    assert company.created_at.year > 2001
    assert company.next_run_at
    assert company.next_run_at.year < 2099


def test_either_header_carries_a_key(client):
    token = made()
    assert client.get(COMPANIES, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get(COMPANIES, headers={"X-API-Key": token}).status_code == 200
    for headers in ({"Authorization": f"Basic {token}"}, {"X-API-Key": token[:-1]}, {"X-API-Key": "한글"}):
        assert client.get(COMPANIES, headers=headers).status_code == 401


def test_a_key_is_kept_as_a_hash_alone():
    token = made()
    row = ApiKey.objects.get()
    assert token.startswith(row.prefix)
    assert len(token) - len(row.prefix) >= 36  # characters nobody can read off
    assert token not in str([getattr(row, field.name) for field in ApiKey._meta.fields])


def test_an_expired_or_revoked_key_is_refused():
    token = made(expires=1)
    client = bearing(token)
    assert client.get(COMPANIES).status_code == 200
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    keys.forget()
    assert client.get(COMPANIES).status_code == 401
    ApiKey.objects.update(expires_at=None)
    keys.forget()
    assert client.get(COMPANIES).status_code == 200
    call_command("revoke_api_key", "read key", stdout=StringIO())
    keys.forget()
    assert client.get(COMPANIES).status_code == 401
    with pytest.raises(CommandError):
        call_command("revoke_api_key", "read key")


def test_a_revocation_elsewhere_is_heard_within_seconds(monkeypatch):
    monkeypatch.setattr(keys, "KNOWN_SECONDS", 0.0)  # as if they had passed
    client = bearing(made())
    assert client.get(COMPANIES).status_code == 200
    ApiKey.objects.update(revoked_at=timezone.now())  # by another process
    assert client.get(COMPANIES).status_code == 401


def test_a_key_that_ends_while_it_is_remembered_is_refused():
    token = made(expires=1)
    known = keys.recognise(token)
    assert known
    ((digest, (read_at, key)),) = keys._known.items()
    keys._known[digest] = (read_at, keys.Key(pk=key.pk, prefix=key.prefix, scope="read", expires_at=timezone.now()))
    assert keys.recognise(token) is None


def test_a_key_costs_a_query_once_in_a_while_and_its_use_is_noted_once_a_minute(django_assert_num_queries):
    token = made()
    with django_assert_num_queries(2):  # the key, its use
        keys.recognise(token)
    noted = ApiKey.objects.get().last_used_at
    assert noted
    with django_assert_num_queries(0):
        keys.recognise(token)
    keys.forget()
    with django_assert_num_queries(1):
        keys.recognise(token)
    assert ApiKey.objects.get().last_used_at == noted
    ApiKey.objects.update(last_used_at=noted - timedelta(seconds=61))
    keys.forget()
    with django_assert_num_queries(2):
        keys.recognise(token)


def test_made_up_keys_fill_no_memory():
    for number in range(20):
        assert keys.recognise(f"nsk_{number}") is None
    assert not keys._known


def test_the_command_refuses_what_makes_no_sense():
    made()
    for arguments in (["read key"], [""], ["other", "--expires", "0"], ["other", "--expires", "99999999"]):
        with pytest.raises(CommandError):
            call_command("create_api_key", *arguments, stdout=StringIO(), stderr=StringIO())
    assert ApiKey.objects.count() == 1


# --- people --------------------------------------------------------------------------------------------------


def signed_in(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user("operator", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    client.force_login(user)
    return client


def test_who_is_signed_in_to_the_admin_asks_with_its_rights_there():
    client = signed_in("view_analysis", "change_company")
    token = client.get("/").context["csrf_token"]

    assert client.get(COMPANIES).status_code == 200
    asked = {"data": {"query": "한빛전자"}, "content_type": "application/json"}
    assert client.post(NEWS, **asked).status_code == 403  # from another site: no token
    assert client.post(NEWS, **asked, headers={"X-CSRFToken": str(token)}).status_code == 200
    assert client.delete(CLEAR, headers={"X-CSRFToken": str(token)}).status_code == 200


def test_who_may_only_look_there_only_looks_here():
    client = signed_in("view_analysis")
    token = str(client.get("/").context["csrf_token"])
    assert client.get(COMPANIES).status_code == 200
    assert client.delete(CLEAR, headers={"X-CSRFToken": token}).status_code == 403


def test_an_account_outside_the_admin_opens_nothing():
    client = signed_in("view_analysis", is_staff=False)
    assert client.get(COMPANIES).status_code == 401


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_browser_is_sent_to_sign_in(client, path):
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/admin/login/?next={path}"
    assert signed_in("view_analysis").get(path, headers={"Accept": "text/html"}).status_code == 200


def test_the_home_page_says_where_to_sign_in(client, settings):
    assert "/admin/login/?next=/" in client.get("/").content.decode()
    assert "/admin/login/?next=/" not in signed_in("view_analysis").get("/").content.decode()
    settings.API_KEYS_REQUIRED = False
    assert "/admin/login/?next=/" not in client.get("/").content.decode()


def test_the_admin_makes_a_key_and_shows_it_once(admin_client):
    answer = admin_client.post(
        "/admin/system/apikey/add/", {"name": "대시보드", "scope": "write"}, SERVER_NAME="localhost"
    )

    token = answer.context["key"]
    assert token in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert keys.recognise(token)
    for path in ("", f"{ApiKey.objects.get().pk}/change/", f"{ApiKey.objects.get().pk}/history/"):
        page = admin_client.get(f"/admin/system/apikey/{path}", SERVER_NAME="localhost")
        assert page.status_code == 200
        assert token not in page.content.decode()
        assert ApiKey.objects.get().digest not in page.content.decode()
    chosen = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    admin_client.post("/admin/system/apikey/", chosen, SERVER_NAME="localhost")
    keys.forget()
    assert keys.recognise(token) is None


# --- the open mode -------------------------------------------------------------------------------------------


def test_the_open_mode_asks_for_nothing_but_hears_no_other_site(client, settings):
    settings.API_KEYS_REQUIRED = False
    assert client.get(COMPANIES, headers={"X-API-Key": "made up"}).status_code == 200
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}
    refused = client.post(f"{COMPANIES}/한빛전자/trigger", headers=elsewhere)
    assert refused.status_code == 403
    assert refused.json()["error_code"] == "PERMISSION_DENIED"


def test_the_schema_tells_of_keys(settings):
    schema = bearing(made()).get("/api/v1/schema").json()
    assert schema["components"]["securitySchemes"]["apiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schema["paths"][NEWS]["post"]["security"] == [{"apiKey": []}, {"bearer": []}, {"signedIn": []}]
    assert schema["paths"]["/api/v1/system/health"]["get"]["security"] == [{}]
    assert schema["paths"]["/api/v1/system/ready"]["get"]["security"][-1] == {}  # a key is for the details alone
    settings.API_KEYS_REQUIRED = False
    schema = APIClient(SERVER_NAME="localhost").get("/api/v1/schema").json()
    assert {} in schema["paths"][NEWS]["post"]["security"]
