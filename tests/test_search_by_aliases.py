"""Aliases of a company: they widen relevance, are asked of the provider, and ask for the company."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.utils import timezone

from dashboard import known, services, workers
from dashboard.models import Analysis, Company
from search import inventory
from search.companies import find
from search.services import Options, analyze_company, search_company
from search.types import KnownCompany
from tests.stand_ins import Exchange, NaverStandIn, news_item

pytestmark = pytest.mark.django_db

DASHBOARD = "/api/v1/dashboard"
SEARCH = "/api/v1/search/companies"
NAMED = news_item(1)  # gives the name, 한빛전자
ALIASED = news_item(2, title="볕들, 태양광 신제품 공개", description="볕들이 새 태양광 패널을 내놓았다.")


def answer_by_phrase(naver: NaverStandIn, shelves: dict[str, list[dict[str, str]]]) -> None:
    """Have each phrase answered with articles of its own."""

    def search(exchange: Exchange) -> None:
        naver.items = shelves[exchange.call.params["query"]]
        naver.search(exchange)

    naver.handler = search


@pytest.fixture
def press(naver: NaverStandIn) -> NaverStandIn:
    """A provider that answers each phrase with the article that gives it."""
    answer_by_phrase(naver, {'"한빛전자"': [NAMED], '"볕들"': [ALIASED], '"HBE"': []})
    return naver


@pytest.fixture
def company() -> Company:
    later = timezone.now() + timedelta(minutes=9)
    return Company.objects.create(name="한빛전자", aliases=["볕들"], is_watched=True, next_run_at=later)


@pytest.fixture(autouse=True)
def _database_at_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(known, "_away_until", 0.0)
    yield
    known._last.clear()


def verdicts(name: str = "한빛전자") -> dict[str, str | None]:
    """Return the verdict on each story found, by its title."""
    stories = search_company(name, Options(max_results=10)).value.stories
    return {story.article.title: story.relevance.verdict for story in stories}


def test_an_article_that_gives_an_alias_alone_is_found_and_is_about_the_company(press, company):
    assert verdicts() == {'한빛전자, 반도체 1호 계약 "체결"': "subject", "볕들, 태양광 신제품 공개": "subject"}
    assert [call.params["query"] for call in press.calls] == ['"한빛전자"', '"볕들"']


def test_without_the_alias_the_same_article_is_not_about_it(naver):
    naver.items = [NAMED, ALIASED]
    assert verdicts()["볕들, 태양광 신제품 공개"] == "unrelated"
    assert len(naver.calls) == 1


def test_aliases_are_no_keywords(press, company):
    answer = analyze_company("한빛전자", Options(max_results=10))
    assert answer.value.summary.total == 2
    assert "볕들" not in {word for one in answer.value.judged for word in one.keywords}


def test_an_alias_asks_for_the_company_one_answer_one_history(client, press, company):
    by_name = client.post(f"{SEARCH}/{quote('한빛전자')}/analyze").json()
    calls = len(press.calls)
    by_alias = client.post(f"{SEARCH}/{quote('볕들')}/analyze").json()

    assert by_alias["analysis_metadata"]["company"] == "한빛전자"
    assert by_alias["analysis_metadata"]["cache_hit"] is True
    assert by_alias["analysis_metadata"]["analysis_id"] == by_name["analysis_metadata"]["analysis_id"]
    assert by_alias["search_metadata"]["query"] == '"한빛전자" | "볕들"'
    assert len(press.calls) == calls
    assert list(Company.objects.values_list("name", flat=True)) == ["한빛전자"]
    latest = client.get(f"{DASHBOARD}/companies/{quote('볕들')}/latest").json()
    assert latest["company"] == "한빛전자"
    assert latest["analyzed_news"] == by_name["analyzed_news"]


def test_changed_aliases_are_asked_anew_and_old_answers_are_not_served(client, press, company):
    assert len(verdicts()) == 2
    path = f"{DASHBOARD}/companies/{quote('한빛전자')}"
    assert client.patch(path, {"aliases": []}, format="json").status_code == 200
    assert len(verdicts()) == 1
    calls = len(press.calls)
    client.patch(path, {"aliases": ["볕들"]}, format="json")  # as before: so is its answer, which is still fresh
    assert len(verdicts()) == 2
    assert len(press.calls) == calls


def test_the_order_of_aliases_changes_no_answer(press, company):
    Company.objects.update(aliases=["볕들", "HBE"])
    verdicts()
    calls = len(press.calls)
    Company.objects.update(aliases=["HBE", "볕들"])
    verdicts()
    assert len(press.calls) == calls


def test_clearing_by_alias_clears_the_company(client, press, company):
    verdicts()
    assert client.delete(f"{DASHBOARD}/cache/{quote('볕들')}").json()["deleted_keys"] == 1
    assert inventory.entries() == []


def test_a_run_asked_for_by_alias_is_the_companys(press, company):
    workers.say_alive(workers.own_name())
    run = services.request_analysis("볕들", trigger="manual")
    services.run_analysis(run.pk, worker="here:1")
    run.refresh_from_db()

    assert (run.company, run.status, run.total) == (company, Analysis.Status.SUCCESS, 2)
    assert run.found["query"]["aliases"] == ["볕들"]


def test_a_watched_companys_own_name_goes_before_an_alias(press, company):
    Company.objects.create(name="볕들", is_watched=True)
    assert search_company("볕들", Options(max_results=10)).value.query.text == "볕들"


def test_an_alias_goes_before_the_name_of_one_nobody_watches(press, company):
    Company.objects.create(name="볕들", is_watched=False)
    assert search_company("볕들", Options(max_results=10)).value.query.text == "한빛전자"


@pytest.mark.parametrize("asked", ["hbe", "H B E"])
def test_blanks_and_capitals_of_an_alias_do_not_matter(press, company, asked):
    Company.objects.update(aliases=["HBE"])
    assert search_company(asked, Options(max_results=10)).value.query.text == "한빛전자"


def test_pages_of_several_names_are_put_side_by_side(naver, company):
    ours = [news_item(number) for number in range(0, 300, 2)]
    theirs = [news_item(number, description=f"볕들 {number}") for number in range(1, 41, 2)]
    answer_by_phrase(naver, {'"한빛전자"': ours, '"볕들"': theirs})
    found = search_company("한빛전자", Options(max_results=1000, remove_duplicates=False)).value
    newest = search_company("한빛전자", Options(max_results=1000, remove_duplicates=False, sort="date")).value

    numbers = [int(story.article.url.rpartition("/")[2]) for story in found.stories]
    assert numbers[:6] == [0, 1, 2, 3, 4, 5]
    assert len(numbers) == found.original_count == found.total_found == 170
    assert found.is_exhausted
    assert len(naver.calls) == 2 * 3  # two pages of the name, one of the alias
    times = [story.article.published_at for story in newest.stories[:100]]
    assert times == sorted(times, reverse=True)


def test_while_the_database_is_away_aliases_are_as_last_known_and_it_is_left_alone(press, company, monkeypatch):
    verdicts()
    calls, asked = len(press.calls), []

    def fail(name: str) -> None:
        asked.append(name)
        raise OperationalError("gone")

    monkeypatch.setattr("dashboard.selectors.company_named", fail)
    assert len(verdicts()) == 2
    assert len(verdicts("볕들")) == 1  # it was never asked for by this name: nobody knows whose it is
    assert asked == ["한빛전자"]
    assert len(press.calls) == calls + 1


def test_what_is_known_last_is_forgotten_with_the_aliases(company):
    assert known.company("한빛전자") == KnownCompany(name="한빛전자", aliases=("볕들",))
    Company.objects.update(aliases=[])
    assert known.company("한빛전자") is None
    assert known._last == {}


def test_aliases_count_as_the_tables_names_do():
    found = find("한빛중공업", ("볕들자동차",))
    assert found.names[0] == "한빛중공업"
    assert "볕들차" in found.names  # as newspapers shorten it
    assert found.own >= {"한빛중공업", "볕들자동차"}


@pytest.mark.parametrize("wrong", ["가", "  ", "가\x00나", '"가"'])
def test_an_alias_that_would_stand_in_every_text_is_refused(client, company, wrong):
    response = client.patch(f"{DASHBOARD}/companies/{quote('한빛전자')}", {"aliases": ["볕들", wrong]}, format="json")
    assert response.status_code == 400
    assert list(response.json()["details"]) == ["aliases"]
    company.refresh_from_db()
    assert company.aliases == ["볕들"]


def test_aliases_are_kept_composed_and_once(client, company):
    body = {"aliases": [" ＨＢＥ ", "HBE", "볕  들"]}
    changed = client.patch(f"{DASHBOARD}/companies/{quote('한빛전자')}", body, format="json").json()
    assert changed["aliases"] == ["HBE", "볕 들"]
