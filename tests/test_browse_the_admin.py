"""The admin: companies, analyses, articles, what runs, the cache; in bounded queries, for those who may."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from html import unescape
from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from dashboard import services, workers
from dashboard.admin import record
from dashboard.history import recount
from dashboard.models import Analysis, Article, Company, JudgedArticle, Revision, Worker
from dashboard.records import Detail
from mlcore.types import Evidence, IssueTag, Judgement, Prediction
from search import services as search
from search import store, usage
from search.types import Relevance
from tests.histories import at_once
from tests.test_home_page import Page

pytestmark = pytest.mark.django_db

EVIL = "<script>alert('악')</script>"
LISTS = ["company", "analysis", "article", "worker"]
PAGES = [
    "/admin/",
    *(f"/admin/dashboard/{name}/" for name in LISTS),
    "/admin/dashboard/analysis/running/",
    "/admin/dashboard/analysis/cache/",
    "/admin/dashboard/analysis/models/",
    "/admin/django_celery_beat/periodictask/",
]
STORIES = 30
ASKED = search.Options(max_results=10)


def signed_in(user: User) -> Client:
    client = Client(SERVER_NAME="localhost", headers={"Accept": "text/html", "Accept-Language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def admin(admin_user: User) -> Client:
    return signed_in(admin_user)


@pytest.fixture
def alive() -> None:
    workers.say_alive(workers.own_name())


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("분석가", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def shown(client: Client, address: str, **query: object) -> str:
    answer = client.get(address, query or None)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def results(html: str) -> int:
    """Return how many rows a list has found, and see that its first page shows as many of them as go on one."""
    table = re.search(r'<table id="result_list">.*?</table>', html, re.S)
    rows = len(re.findall(r"<tr>\s*(?:<td|<th class)", table[0])) if table else 0
    (paginator,) = re.findall(r'<p class="paginator">(.*?)</p>', html, re.S)
    found = int(re.findall(r"\d+", strip_tags(paginator))[-1])
    assert rows == min(found, 25)
    return found


def messages_of(html: str) -> list[str]:
    block = re.search(r'<ul class="messagelist">(.*?)</ul>', html, re.S)
    return re.findall(r"<li[^>]*>(.*?)</li>", block[1], re.S) if block else []


def make_judged(number: int, revision: Revision, *, title: str = "") -> JudgedArticle:
    article, _ = Article.objects.get_or_create(
        identity=UUID(int=number),
        defaults={
            "url": f"https://news.example/{number}",
            "link": f"https://portal.example/{number}",
            "title": title or f"늘찬전자 {number}번째 소식",
            "publisher": "늘찬일보",
            "published_at": timezone.now() - timedelta(hours=number),
            "last_seen_at": timezone.now(),
        },
    )
    category = Prediction(
        label="E",
        scores={"E": 0.7, "S": 0.1, "G": 0.1, "none": 0.1},
        method="model",
        evidence=(Evidence(word="배출", start=0, end=2),),
        issue=IssueTag(code="SASB-110", name="온실가스 배출"),
    )
    sentiment = Prediction(
        label="negative", scores={"positive": 0.1, "neutral": 0.1, "negative": 0.8}, method="keyword"
    )
    detail = Detail(
        judgement=Judgement(category=category, sentiment=sentiment),
        keywords=("탄소",),
        relevance=Relevance(score=0.9, verdict="subject", evidence="늘찬"),
    )
    return JudgedArticle.objects.create(
        article=article,
        revision=revision,
        content=uuid4(),
        category="E",
        sentiment="negative",
        detail=msgspec.to_builtins(detail),
    )


def make_run(company: Company, *, stories: list[list[object]] | None = None, **fields: object) -> Analysis:
    now = timezone.now()
    sentiments = fields.pop("sentiments", {"positive": 10, "neutral": 15, "negative": 5})
    categories = fields.pop("categories", {"E": 4, "S": 6, "G": 0, "none": 20})
    defaults = {
        "trigger": "schedule",
        "status": "success",
        "queued_at": now,
        "run_after": now,
        "started_at": now,
        "finished_at": now,
        "total": STORIES,
        "found": {"original_count": 40, "duplicates_removed": 10, "query": {"similarity_threshold": 0.75}},
        "summary": {
            "total": STORIES,
            "left_out": 3,
            "categories": categories,
            "sentiments": sentiments,
            "top_keywords": ["탄소", "노조"],
        },
        "stories": stories or [],
    }
    return Analysis(company=company, **{**defaults, **fields})


@pytest.fixture
def history() -> list[Analysis]:
    """Ten companies, 300 analyses of them, 30 stories in each; two revisions; some runs failed, one waits."""
    companies = Company.objects.bulk_create([Company(name=f"늘찬{n:02d}", is_watched=True) for n in range(10)])
    old, new = (Revision.objects.create(category=f"모델@{n}", sentiment=f"모델@{n}") for n in (1, 2))
    judged = [make_judged(n, new) for n in range(STORIES)]
    make_judged(0, old)
    stories = [[row.pk, 2] for row in judged]
    runs = []
    for n in range(300):
        failed = {"status": "error", "error_code": "PROVIDER_ERROR", "summary": {}, "found": {}, "stories": []}
        at = timezone.now() - timedelta(minutes=30 * (300 - n))
        fields = failed if n % 50 == 49 else {"stories": stories, "revision": new}
        runs.append(make_run(companies[n % 10], **fields, queued_at=at, started_at=at, finished_at=at))
    Analysis.objects.bulk_create(runs)
    Analysis.objects.create(
        company=companies[0], trigger="api", queued_at=timezone.now(), run_after=timezone.now() + timedelta(hours=1)
    )
    return list(Analysis.objects.order_by("pk"))


# --- who may -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, "/admin/dashboard/analysis/cache/clear/"])
def test_a_stranger_is_asked_to_log_in(page):
    answer = Client(SERVER_NAME="localhost", headers={"Accept": "text/html"}).get(page)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
def test_a_user_who_is_no_staff_is_asked_to_log_in(page):
    assert signed_in(User.objects.create_user("손님")).get(page).status_code == 302


@pytest.mark.parametrize("page", PAGES[1:])
def test_staff_without_permission_are_refused(page):
    assert staff().get(page).status_code == 403


def test_a_reader_sees_the_cache_and_cannot_touch_it(history):
    search.search_news("태양광", ASKED)
    reader = staff("view_analysis", "view_company")
    page = shown(reader, "/admin/dashboard/analysis/cache/")
    assert "태양광" in page
    assert 'type="checkbox"' not in page
    (key,) = store.keys("news:")
    assert reader.post("/admin/dashboard/analysis/cache/", {"key": key}).status_code == 403
    assert reader.post("/admin/dashboard/analysis/cache/clear/").status_code == 403
    assert store.keys("news:") == [key]
    assert "analyze_now" not in shown(reader, "/admin/dashboard/company/")
    assert "unwatch" not in shown(reader, "/admin/dashboard/company/")


# --- every page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_opens_without_inline_script_or_style(admin, history, alive, language):
    search.search_news("태양광", ASKED)
    (key,) = store.keys("news:")
    run = history[0]
    pages = [
        *PAGES,
        "/admin/dashboard/company/add/",
        f"/admin/dashboard/company/{run.company_id}/change/",
        f"/admin/dashboard/company/{run.company_id}/delete/",
        f"/admin/dashboard/analysis/{run.pk}/change/",
        f"/admin/dashboard/analysis/{run.pk}/delete/",
        f"/admin/dashboard/article/{Article.objects.first().pk}/change/",
        f"/admin/dashboard/analysis/cache/entry/?key={key}",
        "/admin/dashboard/analysis/cache/clear/",
    ]
    for address in pages:
        answer = admin.get(address, headers={"Accept-Language": language})
        assert answer.status_code == 200, address
        page = Page(answer.content.decode())
        assert page.all("lang")[0] == language
        assert "style" not in {tag for tag, _ in page.tags}, address
        for tag, attributes in page.tags:
            assert not {name for name in attributes if name == "style" or name.startswith("on")}, address
            assert tag != "script" or attributes.get("src") or attributes.get("type") == "application/json", address


def test_a_title_that_is_a_script_is_shown_as_text_everywhere(admin, alive):
    company = Company.objects.create(name=EVIL[:40], is_watched=True)
    revision = Revision.objects.create(category=EVIL, sentiment=EVIL)
    judged = make_judged(1, revision, title=f"{EVIL} 늘찬전자")
    Article.objects.update(publisher=EVIL, url=f"javascript:{EVIL}", summary=EVIL)
    summary = {"total": 1, "left_out": 0, "categories": {EVIL: 1}, "sentiments": {EVIL: 1}, "top_keywords": [EVIL]}
    found = {"original_count": 1, "duplicates_removed": 0}
    fields = {"summary": summary, "found": found, "revision": revision, "worker": EVIL, "error_message": EVIL}
    run = make_run(company, stories=[[judged.pk, 1]], **fields, error_code=EVIL[:50])
    run.save()
    make_run(company, status="running", worker=EVIL, finished_at=None).save()
    Worker.objects.create(name=EVIL, seen_at=timezone.now())
    search.search_news(EVIL, ASKED)
    (key,) = store.keys("news:")
    told = [
        *PAGES,
        f"/admin/dashboard/company/{company.pk}/delete/",
        f"/admin/dashboard/analysis/{run.pk}/change/",
        f"/admin/dashboard/article/{judged.article_id}/change/",
        f"/admin/dashboard/analysis/cache/entry/?key={key}",
        f"/admin/dashboard/analysis/cache/?q={EVIL}",
        f"/admin/dashboard/article/?q={EVIL}&publisher={EVIL}",
    ]
    seen = [address for address in told if "&lt;script&gt;alert" in shown(admin, address)]
    for address in told:
        html = shown(admin, address)
        assert "<script>alert" not in html, address
        assert 'href="javascript:' not in html, address
    assert len(seen) >= 9


# --- bounded queries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "most"),
    [
        ("company/", 10),
        ("analysis/", 6),
        ("analysis/?company={company}", 8),
        ("analysis/?status=error&trigger=schedule&esg=E&sentiment=negative", 12),
        ("analysis/{run}/change/", 6),
        ("article/", 6),
        ("article/?q=소식&publisher=늘찬", 8),
        ("article/{article}/change/", 5),
        ("worker/", 6),
        ("analysis/running/", 7),
    ],
)
def test_a_page_of_300_analyses_asks_few_questions(admin, history, django_assert_max_num_queries, page, most):
    run = history[0]
    address = page.format(company=run.company_id, run=run.pk, article=Article.objects.first().pk)
    with django_assert_max_num_queries(most) as asked:
        shown(admin, f"/admin/dashboard/{address}")
    lists = [query["sql"] for query in asked if '"dashboard_analysis"."stories"' in query["sql"]]
    assert ("change" in page) or not lists  # a list leaves the stories where they are


def test_a_list_counts_no_further_than_it_reaches(admin, history, monkeypatch):
    monkeypatch.setattr(record, "REACH", 120)
    monkeypatch.setattr(record.RecordAdmin, "reach", 120)
    page = shown(admin, "/admin/dashboard/analysis/")
    assert re.search(r"at least\s+120 analyses", page)
    narrowed = shown(admin, "/admin/dashboard/analysis/", status="error")
    assert results(narrowed) == 3  # three of six are among the newest 120
    assert "Only the newest 120 were looked through" in messages_of(narrowed)[0]
    assert results(shown(admin, "/admin/dashboard/analysis/", status="error", company=history[9].company_id)) == 6


def test_a_filter_typed_into_the_address_does_not_walk_the_table(admin, history):
    for query in ({"error_message__contains": "x"}, {"company__name": "늘찬"}):
        assert admin.get("/admin/dashboard/analysis/", query).status_code == 400
    assert "Only" not in "".join(messages_of(shown(admin, "/admin/dashboard/analysis/", o="3")))


# --- companies -----------------------------------------------------------------------------------------------


def test_companies_are_watched_and_no_longer_watched_from_the_list(admin):
    companies = [Company.objects.create(name=name, is_watched=name == "늘찬은행") for name in ("늘찬전자", "늘찬은행")]
    form = {"_selected_action": [company.pk for company in companies]}

    def chosen(action: str) -> list[str]:
        return messages_of(admin.post("/admin/dashboard/company/", {**form, "action": action}, follow=True).text)

    assert chosen("watch") == ["Changed: 1"]  # the other is watched already, and waits for its own time
    first = Company.objects.get(name="늘찬전자")
    assert first.is_watched
    assert abs((first.next_run_at - timezone.now()).total_seconds()) < 30
    assert Company.objects.get(name="늘찬은행").next_run_at is None
    assert [entry.object_repr for entry in LogEntry.objects.all()] == ["늘찬전자"]

    assert chosen("unwatch") == ["Changed: 2"]
    assert list(Company.objects.values_list("is_watched", "next_run_at")) == [(False, None)] * 2


def test_an_interval_is_given_on_the_companys_page(admin):
    company = Company.objects.create(name="늘찬전자")
    path = f"/admin/dashboard/company/{company.pk}/change/"
    form = {"name": "늘찬전자", "is_watched": "on", "interval_minutes": 15}
    assert admin.post(path, form).status_code == 302
    company.refresh_from_db()
    assert (company.is_watched, company.interval_minutes) == (True, 15)
    assert abs((company.next_run_at - timezone.now()).total_seconds()) < 30
    for wrong in ("0", "-1", "10081", "x"):
        page = admin.post(path, {**form, "interval_minutes": wrong})
        assert page.status_code == 200
        assert "errorlist" in page.text
    company.refresh_from_db()
    assert company.interval_minutes == 15


def test_a_new_company_gets_its_normal_name(admin):
    form = {"name": "  ㈜늘찬   전자 ", "is_watched": "on", "stock_code": "005930", "aliases": "늘찬\r\n\r\nNC전자"}
    assert admin.post("/admin/dashboard/company/add/", form).status_code == 302
    company = Company.objects.get()
    assert company.name == search.normalize_company("  ㈜늘찬   전자 ")
    assert company.aliases == ["늘찬", "NC전자"]
    assert abs((company.next_run_at - timezone.now()).total_seconds()) < 30
    again = admin.post("/admin/dashboard/company/add/", form)
    assert "already exists" in again.content.decode()
    for field, wrong in {"name": "\u200b", "stock_code": "한글", "aliases": "가" * 51}.items():
        page = admin.post("/admin/dashboard/company/add/", {**form, "name": "다른회사", field: wrong})
        assert "errorlist" in page.content.decode(), field
    assert Company.objects.count() == 1


def act(admin: Client, companies: list[Company], *, action: str = "analyze_now") -> list[str]:
    form = {"action": action, "_selected_action": [company.pk for company in companies]}
    answer = admin.post("/admin/dashboard/company/", form, follow=True)
    return messages_of(answer.content.decode())


def test_analyse_now_says_of_each_company_what_happened(admin, alive):
    waiting, idle = (Company.objects.create(name=name) for name in ("늘찬가", "늘찬나"))
    services.request_analysis(waiting.name, trigger="schedule")
    assert act(admin, [waiting, idle]) == ["Under way already: 늘찬가", "Queued: 늘찬나"]
    assert Analysis.objects.filter(company=idle).values_list("trigger", "status").get() == ("admin", "queued")
    assert act(admin, [waiting, idle]) == ["Under way already: 늘찬가, 늘찬나"]
    assert Analysis.objects.count() == 2


def test_analyse_now_without_a_worker_says_so_and_queues_nothing(admin):
    companies = [Company.objects.create(name=name) for name in ("늘찬가", "늘찬나")]
    assert act(admin, companies) == ["No worker is there to run analyses."]
    assert not Analysis.objects.exists()


def test_the_list_of_companies_shows_what_was_found_last(admin, history):
    page = shown(admin, "/admin/dashboard/company/", q="늘찬09")
    assert results(page) == 1
    assert "PROVIDER_ERROR" in page  # the newest run failed …
    assert 'title="E environment">E 4' in page  # … and the newest success is still there
    (link,) = re.findall(r'href="(/admin/dashboard/analysis/\?company=\d+)"', page)
    assert results(shown(admin, link)) == 30


@contextmanager
def deleting(company: Company, *, before: str) -> Iterator[None]:
    """Delete a company, as somebody else does, just before the first statement that holds this."""
    waiting = [company]

    def watch(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if before in sql and waiting:
            Company.objects.filter(pk=waiting.pop().pk).delete()
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield
    assert not waiting


def test_a_company_deleted_meanwhile_is_not_there(admin):
    first, second, third = (Company.objects.create(name=name) for name in ("늘찬", "한빛", "가람"))
    with deleting(first, before='"dashboard_company"."name" = '):
        answer = admin.post(f"/admin/dashboard/company/{first.pk}/change/", {"name": "늘찬", "is_watched": "on"})
    assert answer.url == "/admin/"
    assert "deleted?" in messages_of(shown(admin, answer.url))[0]
    with deleting(second, before='"dashboard_company"."name" = '):
        assert act(admin, [second, third], action="watch") == ["Changed: 1"]
    with deleting(third, before='FROM "dashboard_analysis"'):
        page = shown(admin, "/admin/dashboard/company/")
    assert "늘찬" in page
    assert "가람" not in page


ADD = "/admin/dashboard/company/add/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("paths", "statement"),
    [
        ([ADD, ADD], 'INSERT INTO "dashboard_company"'),
        (["/admin/dashboard/company/{}/change/"] * 2, 'UPDATE "dashboard_company"'),
    ],
)
def test_of_two_who_give_one_name_at_once_the_second_sees_that_it_exists(admin_user, paths, statement):
    """Both have read that the name is free before either writes it."""
    if connection.vendor != "postgresql":
        pytest.skip("runs on PostgreSQL: test_what_is_run_and_shown_holds_on_postgres_too")  # a file has one writer
    companies = [Company.objects.create(name=name) for name in ("한빛", "가람")]
    both_have_read = threading.Barrier(2, timeout=30)

    def send(client: Client, path: str) -> HttpResponse:
        def wait(execute: Callable[..., object], sql: str, *rest: object) -> object:
            if sql.startswith(statement) and not waited:
                waited.append(both_have_read.wait())
            return execute(sql, *rest)

        waited: list[int] = []
        with connection.execute_wrapper(wait):
            return client.post(path, {"name": "늘찬", "stock_code": "005930"})

    works = [
        partial(send, signed_in(admin_user), path.format(company.pk))
        for path, company in zip(paths, companies, strict=True)
    ]
    saved, refused = sorted(at_once(*works), key=lambda answer: answer.status_code, reverse=True)

    assert (saved.status_code, refused.status_code) == (302, 200)
    assert "already exists" in refused.text
    assert 'value="005930"' in refused.text  # what was typed is still there
    assert Company.objects.filter(name="늘찬").count() == 1


def test_deleting_a_company_names_it_and_not_its_thousands_of_analyses(admin, history):
    company = history[0].company
    page = shown(admin, f"/admin/dashboard/company/{company.pk}/delete/")
    assert page.count(company.name) < 10
    with CaptureQueriesContext(connection) as asked:
        assert admin.post(f"/admin/dashboard/company/{company.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not [query for query in asked if re.match('SELECT.*"dashboard_analysis"."stories"', query["sql"])]
    assert Analysis.objects.count() == 270


# --- analyses ------------------------------------------------------------------------------------------------


def test_analyses_are_filtered(admin, history):
    def found(**query: object) -> int:
        return results(shown(admin, "/admin/dashboard/analysis/", **query))

    company = history[0].company
    make_run(company, trigger="api", categories={"E": 0, "S": 0, "G": 2, "none": 0}).save()
    make_run(company, trigger="api", sentiments={"positive": 2, "neutral": 0, "negative": 10}).save()
    assert found() == 303
    assert found(status="error") == 6
    assert found(status="queued") == 1
    assert found(status="running") == 0
    assert found(trigger="api", company=company.pk) == 3
    assert found(esg="G") == 1
    assert found(esg="S", company=company.pk) == 31
    assert found(sentiment="negative") == 1
    assert found(company=company.pk, status="success") == 32
    today = timezone.localdate()
    assert found(since=today, until=today, trigger="api") == 2
    assert found(until=today - timedelta(days=60)) == 0
    both = found(since=today - timedelta(days=3), until=today - timedelta(days=2), company=company.pk)
    assert 8 <= both <= 11  # every five hours for two days


def test_deleting_a_record_leads_back_to_the_list_it_was_found_in(admin, history):
    asked = f"status=error&company={history[9].company_id}"
    (link, *_) = re.findall(r'<th [^>]*><a href="([^"]+)"', shown(admin, f"/admin/dashboard/analysis/?{asked}"))
    record, filters = unescape(link).split("change/")
    answer = admin.post(f"{record}delete/{filters}", {"post": "yes"})
    assert answer.url == f"/admin/dashboard/analysis/?{asked}"


@pytest.mark.parametrize("query", [{"company": "x"}, {"company": "99999"}, {"since": "2026-13-01"}, {"p": "999"}])
def test_a_filter_that_makes_no_sense_falls_back_to_the_list(admin, history, query):
    answer = admin.get("/admin/dashboard/analysis/", query, follow=True)
    assert answer.redirect_chain == [("/admin/dashboard/analysis/?e=1", 302)]
    assert results(answer.content.decode()) == 301


@pytest.mark.parametrize("query", [{"status": "x"}, {"esg": "none"}, {"sentiment": "neutral"}, {"trigger": "'"}])
def test_a_choice_there_is_not_finds_nothing(admin, history, query):
    assert results(shown(admin, "/admin/dashboard/analysis/", **query)) == 0


def test_an_analysis_shows_its_stories_and_leads_to_their_articles(admin, history):
    run = history[0]
    page = shown(admin, f"/admin/dashboard/analysis/{run.pk}/change/")
    assert "Analysis of 늘찬00" in page
    links = re.findall(r'href="(/admin/dashboard/article/\d+/change/)"', page)
    assert len(links) == STORIES
    assert "30 stories judged, 3 of them not about the company; 40 articles found, 10 of them copies" in page
    assert "온실가스 배출" in page
    assert "탄소, 노조" in page
    assert 'name="_save"' not in page
    article = shown(admin, links[0])
    assert "모델@1 · 모델@1" in article
    assert "모델@2 · 모델@2" in article
    assert article.count('data-label="E"') == 2


def test_a_story_whose_article_was_deleted_is_said_to_be_gone(admin, history):
    article = Article.objects.first()
    assert admin.post(f"/admin/dashboard/article/{article.pk}/delete/", {"post": "yes"}).status_code == 302
    page = shown(admin, f"/admin/dashboard/analysis/{history[0].pk}/change/")
    assert page.count("no longer kept") == 1


def test_history_can_be_deleted_but_not_written(admin, history):
    run = history[0]
    recount()
    before = Company.objects.get(pk=run.company_id).successes
    assert admin.get("/admin/dashboard/analysis/add/").status_code == 403
    assert admin.post(f"/admin/dashboard/analysis/{run.pk}/change/", {"provider": "x"}).status_code == 403
    assert admin.post(f"/admin/dashboard/analysis/{run.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Analysis.objects.filter(pk=run.pk).exists()
    assert Company.objects.get(pk=run.company_id).successes == before - 1


def test_an_error_says_what_went_wrong(admin, history):
    run = make_run(
        history[1].company, status="error", error_code="X", error_message="할당량 초과", summary={}, found={}
    )
    run.save()
    page = shown(admin, f"/admin/dashboard/analysis/{run.pk}/change/")
    assert "할당량 초과" in page
    assert "No stories." in page


# --- articles ------------------------------------------------------------------------------------------------


def test_articles_are_found_by_title_publisher_and_day(admin, history):
    def found(**query: object) -> int:
        return results(shown(admin, "/admin/dashboard/article/", **query))

    Article.objects.filter(identity=UUID(int=3)).update(title="태양광 소식", publisher="한빛신문", published_at=None)
    assert found() == 30
    assert found(q="태양광") == 1
    assert found(q="소식 7번째") == 3
    assert found(publisher="한빛") == 1
    assert found(publisher="한빛", q="늘찬") == 0
    assert found(until=timezone.localdate() - timedelta(days=3)) == 0
    assert found(since=timezone.localdate() - timedelta(days=3)) == 29  # the one without a date is not among them


# --- what runs -----------------------------------------------------------------------------------------------


def test_running_analyses_show_progress_worker_and_what_waits(admin, history, alive):
    company = Company.objects.create(name="늘찬달리는")
    lost = Company.objects.create(name="늘찬잃은")
    fields = {"status": "running", "finished_at": None, "total": 40}
    make_run(company, **fields, done=10, worker=workers.own_name()).save()
    make_run(lost, **fields, done=0, worker="gone:1").save()
    page = shown(admin, "/admin/dashboard/analysis/running/")
    assert "10 / 40" in page
    assert page.count("not heard of") == 1
    assert "Waiting (1)" in page
    assert "No worker is there" not in page


def test_the_page_of_what_runs_says_when_nobody_works(admin):
    assert "No worker is there" in shown(admin, "/admin/dashboard/analysis/running/")


# --- the cache -----------------------------------------------------------------------------------------------

CACHE = "/admin/dashboard/analysis/cache/"


def keep(*subjects: str) -> list[str]:
    for subject in subjects:
        search.search_news(subject, ASKED)
    return store.keys("news:")


def test_the_cache_page_lists_what_is_kept_and_how_it_did(admin):
    keep("태양광", "노조")
    usage.record(is_hit=True, milliseconds=2)
    search.search_news("태양광", ASKED)
    page = re.sub(r"\s+", " ", shown(admin, CACHE))
    assert "<dt>Answers</dt><dd>2</dd>" in page
    assert "the memory of this process" in page
    hits = usage.last_day().hits
    assert f"<dt>Hits in 24 hours</dt><dd>{hits}</dd>" in page
    assert re.search(r"노조</a></th> <td>search</td>", page)
    assert re.search(r"<td>(1|2[0-9]) minutes?</td> <td>3 days</td>", page)  # fresh, then kept as stale


def test_the_cache_is_searched_and_paged(admin):
    keep(*(f"낱말{n}" for n in range(55)))
    assert shown(admin, CACHE).count('name="key"') == 50
    assert shown(admin, CACHE, p=2).count('name="key"') == 5
    assert shown(admin, CACHE, q="낱말5").count('name="key"') == 6
    assert "?q=%EB%82%B1%EB%A7%90&amp;p=2" in shown(admin, CACHE, q="낱말")


def test_an_entry_shows_its_json(admin):
    (key,) = keep("태양광")
    page = shown(admin, f"{CACHE}entry/", key=key)
    assert "&quot;subject&quot;: &quot;태양광&quot;" in page
    assert admin.get(f"{CACHE}entry/", {"key": "session:1"}).status_code == 404
    cache.delete(key)
    assert admin.get(f"{CACHE}entry/", {"key": key}).status_code == 404


def test_chosen_entries_are_deleted_and_nothing_else(admin):
    keep("태양광", "노조", "배당")
    cache.set("somebody-elses", 1)
    keys = store.keys("news:")
    answer = admin.post(CACHE, {"key": [keys[0], keys[1], "somebody-elses"]}, follow=True)
    assert messages_of(answer.content.decode()) == ["Deleted: 2"]
    assert store.keys("news:") == [keys[2]]
    assert cache.get("somebody-elses") == 1


def test_the_whole_cache_is_emptied_after_a_question(admin):
    keep("태양광", "노조")
    assert "All 2 answers go" in shown(admin, f"{CACHE}clear/")
    assert len(store.keys("news:")) == 2
    answer = admin.post(f"{CACHE}clear/", follow=True)
    assert messages_of(answer.content.decode())[0].startswith("Deleted: ")
    assert "Nothing is kept." in answer.content.decode()
    assert store.keys("news:") == []


def test_deleting_needs_the_token_of_the_form(admin_user):
    (key,) = keep("태양광")
    client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost", headers={"Accept": "text/html"})
    client.force_login(admin_user)
    assert client.post(CACHE, {"key": key}).status_code == 403
    assert client.post(f"{CACHE}clear/").status_code == 403
    assert store.keys("news:") == [key]


def test_the_cache_page_in_redis_tells_how_long_an_entry_stays_and_when_redis_is_gone(admin, redis):
    keep("태양광")
    page = shown(admin, CACHE)
    assert "<dd>Redis</dd>" in page
    assert re.search(r"<td>[23]\xa0days", page)
    redis.stop()
    page = shown(admin, CACHE)
    assert "Redis does not answer" in page
    assert "Nothing is kept." in page
