"""A history of many companies, written in bulk as the schedule would have written it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

COMPANIES = 500
STORIES = 100  # of a run
RUNS_A_STORY = 3  # a story is new every so many runs
DEEP = 10  # times as many runs of the first company, in the same time
PORTION = 5_000  # runs written at once
EVERY = timedelta(minutes=30)
LARGE_TABLES = ("dashboard_analysis", "dashboard_article", "dashboard_judgedarticle")

Json = dict[str, Any]


class Generator:
    """Writes a history run by run, all companies abreast, as the schedule does."""

    def __init__(self) -> None:
        from dashboard.models import Company

        self.companies = list(Company.objects.order_by("pk").values_list("pk", flat=True))
        self.template = _template()
        self.start = datetime.now(UTC) - timedelta(days=400)
        self.last_ids = {"dashboard_article": 0, "dashboard_judgedarticle": 0, "dashboard_analysis": 0}
        self.shown: dict[int, list[str]] = {company: [] for company in self.companies}
        self.made = dict.fromkeys(self.companies, 0)

    def grow(self, runs: int) -> None:
        """Give each company runs until it has so many, the first one DEEP times as many."""
        from django.db import connection

        turns = self._turns(runs)
        with _without_indexes():
            while portion := list(islice(turns, PORTION)):
                new = [self._new_story(company) for company, number in portion for _ in range(self._wanted(number))]
                _insert("dashboard_article", ARTICLE, [article for article, _ in new])
                _insert("dashboard_judgedarticle", JUDGED, [judged for _, judged in new])
                self._place(portion, [judged[0] for _, judged in new])
                if self.last_ids["dashboard_analysis"] % 500_000 < PORTION:
                    print(f"{time.strftime('%H:%M:%S')} {self.last_ids['dashboard_analysis']:,} runs", file=sys.stderr)
        _count_successes()
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":  # as autovacuum does in time
                cursor.execute("VACUUM ANALYZE")

    def _turns(self, runs: int) -> Iterator[tuple[int, int]]:
        first = self.companies[0]
        while self.made[self.companies[1]] < runs:
            for company in (*[first] * DEEP, *self.companies[1:]):
                yield company, self.made[company]
                self.made[company] += 1

    def _wanted(self, number: int) -> int:
        return STORIES if number == 0 else int(number % RUNS_A_STORY == 0)

    def _next_id(self, table: str) -> int:
        self.last_ids[table] += 1
        return self.last_ids[table]

    def _new_story(self, company: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        pk, judged = self._next_id("dashboard_article"), self._next_id("dashboard_judgedarticle")
        title, summary, category, sentiment, detail = self.template["stories"][pk % len(self.template["stories"])]
        url = f"https://press{pk % 60}.example/news/view/2026/{pk:012d}"
        at = str(self.start + timedelta(seconds=pk))
        article = (pk, _spread(pk), url, url, title, summary, f"신문{pk % 60}", at, at)
        return article, (judged, pk, self.template["revision"], _spread(judged), category, sentiment, detail)

    def _place(self, portion: list[tuple[int, int]], new: list[int]) -> None:
        """Write the runs; each shows the newest stories of its company."""
        fresh, rows = iter(new), []
        for company, number in portion:
            stories = self.shown[company]
            stories += [f"[{pk},{1 + pk % 3}]" for pk in islice(fresh, self._wanted(number))]
            del stories[:-STORIES]
            rows.append(self._run(company, number, stories))
        _insert("dashboard_analysis", ANALYSIS, rows)

    def _run(self, company: int, number: int, stories: list[str]) -> tuple[Any, ...]:
        pk = self._next_id("dashboard_analysis")
        every = EVERY / DEEP if company == self.companies[0] else EVERY
        at = str(self.start + number * every + timedelta(seconds=company % 1800))
        is_ok = (number + company) % 50 != 49
        found, summary = (self.template["found"], self.template["summary"]) if is_ok else ("{}", "{}")
        outcome = ("success", "", self.template["revision"], f"[{','.join(stories)}]") if is_ok else FAILED
        status, code, revision, shown = outcome
        trigger = "admin" if number % 500 == 7 else "schedule"
        asked = (pk, _spread(pk), company, trigger, status, "{}", at, at, at, at)
        return (*asked, "host:1", 1, STORIES, STORIES, code, code, "naver", revision, found, summary, shown)


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Write without the large tables' indexes, and make them again afterwards: sorted once, not row by row.

    SQLite keeps those of constraints, which stand in its tables. PostgreSQL looks at no foreign key meanwhile.
    """
    from django.db import connection

    tables = ", ".join(f"'{table}'" for table in LARGE_TABLES)
    if connection.vendor == "postgresql":
        unique = query(
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            f" WHERE contype = 'u' AND conrelid::regclass::text IN ({tables})"
        )
        kept = "SELECT conname FROM pg_constraint"
        others = query(
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ({tables}) AND indexname NOT IN ({kept})"
        )
        before = [f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in unique]
        after = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in unique]
        before.append("SET session_replication_role = replica")
        after.append("SET session_replication_role = DEFAULT")
    else:
        others = query(
            f"SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name IN ({tables}) AND sql > ''"
        )
        before, after = [], []
    for statement in (*before, *(f"DROP INDEX {name}" for name, _ in others)):
        execute(statement)
    yield
    for statement in (*(definition for _, definition in others), *after):
        execute(statement)


def _count_successes() -> None:
    """Keep with each company how many it has, as the service does with every run that ends."""
    from django.db.models import Count

    from dashboard.models import Analysis, Company

    successes = Analysis.objects.filter(status="success").order_by().values_list("company").annotate(Count("pk"))
    for company, count in successes:
        Company.objects.filter(pk=company).update(successes=count)


def _spread(pk: int) -> str:
    """Return an identity as digests are: all over the index."""
    return f"{pk * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


FAILED = ("error", "PROVIDER_ERROR", None, "[]")
ARTICLE = "id identity url link title summary publisher published_at last_seen_at"
JUDGED = "id article_id revision_id content category sentiment detail"
ANALYSIS = (
    "id task_id company_id trigger status options queued_at run_after started_at finished_at worker attempts done "
    "total error_code error_message provider revision_id found summary stories"
)


def _template() -> Json:
    """Keep one real analysis; what its rows hold is what the generated ones hold."""
    from dashboard import services
    from dashboard.models import Analysis, Article, JudgedArticle

    run = Analysis.objects.get(pk=services.record_analysis(_analysis(), trigger="command"))
    stories = [
        (row.article.title, row.article.summary, row.category, row.sentiment, _dump(row.detail))
        for row in JudgedArticle.objects.select_related("article")
    ]
    made = {"stories": stories, "revision": run.revision_id, "found": _dump(run.found), "summary": _dump(run.summary)}
    run.company.delete()
    JudgedArticle.objects.all().delete()
    Article.objects.all().delete()
    return made


def _dump(value: object) -> str:
    from dashboard.models import CompactEncoder

    return json.dumps(value, cls=CompactEncoder)


def _insert(table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    from django.db import connection, transaction

    names = columns.replace(" ", ", ")
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["?"] * len(columns.split()))  # past Django's cursor, which looks at every value
            connection.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)


def _analysis() -> Any:
    """An analysis of invented news as search would make it, with the lexicons' judgements."""
    from benchmarks.dedup import COMPANIES as INVENTED
    from benchmarks.dedup import write_articles
    from mlcore.engine import engine_revisions, get_engine
    from search import pipeline, types

    query = types.SearchQuery(text=INVENTED[0], is_company=True)
    articles = write_articles(2 * STORIES)
    judgements = get_engine().classify([article.text for article in articles])
    relevance = types.Relevance(score=0.85, verdict="subject", evidence=INVENTED[0])
    judged = tuple(
        types.JudgedStory(
            story=types.Story(article=article, mention_count=1, relevance=relevance),
            judgement=judgement,
            keywords=tuple(article.title.split()[:8]),
        )
        for article, judgement in zip(articles, judgements, strict=True)
    )
    found = types.SearchResult(
        query=query,
        provider="naver",
        searched_at=datetime.now(UTC),
        total_found=12_345,
        original_count=2 * STORIES,
        duplicates_removed=STORIES,
        stories=(),
        is_exhausted=False,
    )
    return types.Analysis(
        company=query.text,
        analysis_id=None,
        analyzed_at=datetime.now(UTC),
        models=engine_revisions(),
        found=found,
        judged=judged,
        summary=pipeline.summarize(judged[:STORIES]),
    )


def query(sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def execute(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
