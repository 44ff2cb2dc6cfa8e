"""How history grows: what the API and the admin answer over a lot of it, ten times as much, and what it weighs.

python -m benchmarks.history [--quick | --year] [--json] [--database sqlite|postgres]

500 watched companies, an analysis of 100 stories every 30 minutes, a new story every 90, one run in 50 failed; the
first company's history is ten times as deep as the others'. The rows are written in bulk in SQLite (in a file, WAL)
and in a private PostgreSQL, timed, then added to until there are ten times as many, and timed again. Times are
server-side: Django's whole stack within this process, without a socket; `cpu` is this process's own, without
PostgreSQL's. The page cache is warm, and what the start left on the heap is out of the garbage collector's sight.
--year: a tenth of a year, then all of it, in one database after the other, each deleted before the next: some 28 GB
in the temporary directory. It says on stderr how far it is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.inputs.history import COMPANIES, LARGE_TABLES, Generator, query  # noqa: E402

A_YEAR = 48 * 365
RUNS = {"quick": 100, "": 2_000, "year": A_YEAR}  # of a company, at the larger size
REQUESTS = 40
API = "/api/v1/dashboard"

Json = dict[str, Any]
Query = tuple[str, Any]  # and what is bound to it


def weigh() -> Json:
    """Return rows of each large table, and the bytes of one, its indexes included."""
    weights = {}
    for table in LARGE_TABLES:
        [(rows,)] = query(f"SELECT count(*) FROM {table}")
        total, indexes = _bytes(table)
        weights[table] = {"rows": rows, "bytes_a_row": total / rows, "of_it_indexes": indexes / rows}
    return weights


def _bytes(table: str) -> tuple[int, int]:
    """Return the bytes of a table with its indexes, and of these alone."""
    from django.db import connection

    if connection.vendor == "postgresql":
        return query(f"SELECT pg_total_relation_size('{table}'), pg_indexes_size('{table}')")[0]
    names = dict(query(f"SELECT name, type FROM sqlite_schema WHERE tbl_name = '{table}'"))
    sizes = [
        (names[name], size) for name, size in query("SELECT name, sum(pgsize) FROM dbstat GROUP BY 1") if name in names
    ]
    return sum(size for _, size in sizes), sum(size for kind, size in sizes if kind == "index")


def calls() -> dict[str, Callable[[], str]]:
    """Return what is asked, and for each how the next path is made; companies are drawn by chance."""
    from django.urls import reverse

    from dashboard.models import Analysis, Company

    draw = random.Random(7)  # the same companies every time
    names = list(Company.objects.order_by("pk").values_list("name", flat=True))
    tasks = list(Analysis.objects.order_by("-pk").values_list("task_id", flat=True)[:200])
    [middle] = Analysis.objects.filter(company__name=names[0], status="success").order_by("pk")[_deepest() // 2 :][:1]
    day = urlencode({"from": middle.queued_at, "to": middle.queued_at + timedelta(days=1)})

    def of_one(rest: str) -> Callable[[], str]:
        return lambda: f"{API}/companies/{quote(draw.choice(names))}/{rest}"

    def always(path: str) -> Callable[[], str]:
        return lambda: path

    analyses, articles = (reverse(f"admin:dashboard_{name}_changelist") for name in ("analysis", "article"))
    deepest = f"{API}/companies/{quote(names[0])}/history"
    return {
        "latest": of_one("latest"),
        "history?limit=20": of_one("history?limit=20"),
        "history?limit=20&detail=full": of_one("history?limit=20&detail=full"),
        "history, the deepest, last page": always(f"{deepest}?offset={_deepest() - 20}"),
        "history, the deepest, one day": always(f"{deepest}?{day}"),
        "tasks/{id}": lambda: f"{API}/tasks/{draw.choice(tasks)}",
        "status": always(f"{API}/status"),
        "companies": always(f"{API}/companies"),
        "latest of all": always(f"{API}/latest"),
        "admin: analyses": always(analyses),
        "admin: analyses of a company": always(f"{analyses}?company=2"),
        "admin: analyses that failed": always(f"{analyses}?status=error"),
        "admin: analyses with stories of E": always(f"{analyses}?esg=E"),
        "admin: analyses, more negative": always(f"{analyses}?sentiment=negative"),
        "admin: an analysis": always(reverse("admin:dashboard_analysis_change", args=[middle.pk])),
        "admin: running": always(reverse("admin:dashboard_running")),
        "admin: articles": always(articles),
        "admin: articles by title": always(f"{articles}?{urlencode({'q': '공장'})}"),
        "admin: companies": always(reverse("admin:dashboard_company_changelist")),
    }


def _deepest() -> int:
    from dashboard.models import Analysis, Company

    return Analysis.objects.filter(company=Company.objects.order_by("pk")[0], status="success").count()


def measure() -> dict[str, Json]:
    """Return milliseconds, queries and plans of each call."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    gc.collect()
    gc.freeze()
    measured = {}
    for name, next_path in calls().items():
        size, queries = _look(client, next_path())
        times, cpu = zip(*(_time(client, next_path()) for _ in range(REQUESTS)), strict=True)
        measured[name] = {
            "p50_ms": round(statistics.median(times), 1),
            "p95_ms": round(sorted(times)[round(0.95 * (REQUESTS - 1))], 1),
            "cpu_ms": round(statistics.median(cpu), 1),
            "kilobytes": round(size / 1000),
            "queries": len(queries),
            **_plans(queries),
        }
    return measured


def _time(client: Any, path: str) -> tuple[float, float]:
    """Return milliseconds of the clock and of this process's CPU."""
    started, cpu = time.perf_counter(), time.process_time()
    response = client.get(path)
    took = 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - cpu)
    if response.status_code != 200:
        raise RuntimeError(f"{path}: {response.status_code} {response.content[:200]!r}")
    return took


def _look(client: Any, path: str) -> tuple[int, list[Query]]:
    """Return an answer's bytes, and the queries it took with what was bound to them."""
    from django.db import connection

    queries: list[Query] = []

    def capture(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Json) -> Any:
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(capture):
        response = client.get(path)
    return len(response.content), queries


def _plans(queries: Iterable[Query]) -> Json:
    """Return which indexes the planner uses for the large tables, and which of these it reads whole.

    What is bound stays bound: SQLite uses no partial index for a value that it does not see.
    """
    from django.db import connection

    tables = "|".join(LARGE_TABLES)
    if connection.vendor == "postgresql":
        explain, index, whole = "EXPLAIN", r"(?:using|Bitmap Index Scan on) (\w+)", rf"Seq Scan on ({tables})"
    else:
        explain, index, whole = "EXPLAIN QUERY PLAN", r"INDEX (\w+)", rf"SCAN ({tables})$"
    used, read_whole = set(), set()
    for sql, params in queries:
        if sql.startswith("SELECT") and re.search(tables, sql):
            plan = "\n".join(str(row[-1]) for row in query(f"{explain} {sql}", params))
            used |= set(re.findall(index, plan))
            read_whole |= set(re.findall(whole, plan, re.MULTILINE))
    return {"indexes": sorted(used), "read_whole": sorted(read_whole)}


def measure_pruning(runs: int) -> Json:
    """Time deleting the oldest tenth of the runs by count, then nothing, then what expires, then a company."""
    from django.conf import settings
    from django.db.models import Max, Min

    from dashboard import companies
    from dashboard.history import prune
    from dashboard.models import Analysis, Company

    settings.HISTORY_EXPIRE_DAYS, settings.HISTORY_MAX_COUNT = 10_000, round(0.9 * runs)
    pruned, seconds = _clocked(prune)
    _, idle_seconds = _clocked(prune)
    span = Analysis.objects.aggregate(first=Min("finished_at"), last=Max("finished_at"))
    settings.HISTORY_EXPIRE_DAYS = (datetime.now(UTC) - span["first"] - (span["last"] - span["first"]) / 10).days
    expired, expiry_seconds = _clocked(prune)
    company = Company.objects.order_by("pk")[0]
    count = company.analyses.count()
    _, removal_seconds = _clocked(lambda: companies.remove(company.name))
    return {
        "runs": pruned.analyses,
        "seconds": seconds,
        "idle_seconds": idle_seconds,
        "expired": {"runs": expired.analyses, "seconds": expiry_seconds},
        "removed": {"runs": count, "seconds": removal_seconds},
    }


def _clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work returns, and its seconds."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def measure_database(runs: int) -> Json:
    """Generate and measure both sizes in the database of the environment."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from dashboard.models import Analysis, Company

    call_command("migrate", verbosity=0)
    if connection.vendor == "sqlite":  # until it is closed; the indexes of a year are larger than its usual cache
        for pragma in ("cache_size = -1000000", "journal_mode = OFF", "synchronous = OFF"):
            query(f"PRAGMA {pragma}")
    Company.objects.bulk_create(Company(name=f"회사{number:03d}", is_watched=True) for number in range(COMPANIES))
    generator, sizes = Generator(), []
    for a_company in (runs // 10, runs):
        started = time.perf_counter()
        generator.grow(a_company)
        seconds = time.perf_counter() - started
        print(f"{time.strftime('%H:%M:%S')} generated in {seconds:.0f} s, measuring", file=sys.stderr)
        connection.close()  # and measured as the service would, with its own settings
        sizes.append({"runs": Analysis.objects.count(), "generated_in_s": seconds, "calls": measure()})
    return {
        "database": connection.vendor,
        "deepest": _deepest(),
        "sizes": sizes,
        "weights": weigh(),
        "pruning": measure_pruning(runs) if runs < A_YEAR else None,  # a tenth of a year would be an hour's work
    }


@contextmanager
def database(kind: str, directory: str) -> Iterator[str]:
    from tests.servers import postgres

    file = nullcontext(f"sqlite:///{directory}/news.sqlite3")
    with file if kind == "sqlite" else postgres() as url:
        yield url


def measure_in_a_process(kind: str, *, runs: int) -> Json:
    """Measure a database in a process of its own, since settings are read once."""
    with tempfile.TemporaryDirectory(prefix="news-service-bench-") as directory, database(kind, directory) as url:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "newsservice.settings", "DATABASE_URL": url}
        environment |= {"DATA_DIR": directory, "REDIS_URL": "", "LOG_LEVEL": "CRITICAL", "NEWS_PROVIDER": "archive"}
        command = [sys.executable, "-m", "benchmarks.history", "--runs", str(runs)]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


COLUMNS = f" {'cpu':>6} {'p50':>6} {'p95 ms':>7}"


def render(report: Json) -> str:
    small, large = report["sizes"]
    a_year = COMPANIES * A_YEAR
    weights = report["weights"]
    lines = [
        f"== {report['database']}: {small['runs']:,}, then {large['runs']:,} runs of {COMPANIES} companies, "
        f"{report['deepest']:,} successes of the deepest. A year would be {a_year:,}, {A_YEAR:,} of a company.",
        f"{'':<32} {'':>5} {'':>7} {'fewer runs':>21} {'ten times as many':>21}",
        f"{'call':<32} {'kB':>5} {'queries':>7}{2 * COLUMNS} {'cpu, times':>10}",
    ]
    lines += [_line(name, small["calls"][name], call) for name, call in large["calls"].items()]
    lines.append("\nindexes of the large tables that the planner uses:")
    lines += [f"  {name}: {', '.join(call['indexes'])}" for name, call in large["calls"].items()]
    lines.append("")
    lines += [
        f"{table}: {weight['rows']:,} rows of {weight['bytes_a_row']:,.0f} bytes, {weight['of_it_indexes']:,.0f} of "
        f"them indexes"
        for table, weight in weights.items()
    ]
    gigabytes = a_year * weights["dashboard_analysis"]["bytes_a_row"] / 1e9
    lines.append(
        f"the runs of a year, at this weight: {gigabytes:.1f} GB; articles and what is said of them come on top"
    )
    if pruning := report["pruning"]:
        idle, expired, removed = pruning["idle_seconds"], pruning["expired"], pruning["removed"]
        lines.append(
            f"pruning {pruning['runs']:,} runs: {pruning['seconds']:.1f} s; nothing: {idle:.2f} s; "
            f"{expired['runs']:,} by their days: {expired['seconds']:.1f} s; "
            f"deleting a company with {removed['runs']:,}: {removed['seconds']:.1f} s"
        )
    return "\n".join(lines)


def _line(name: str, before: Json, call: Json) -> str:
    faults = [f"reads {table} whole" for table in call["read_whole"]] + ["over 50 ms"] * (call["p95_ms"] > 50)
    times = f"{before['cpu_ms']:>6} {before['p50_ms']:>6} {before['p95_ms']:>7}"
    times += f" {call['cpu_ms']:>6} {call['p50_ms']:>6} {call['p95_ms']:>7} {call['cpu_ms'] / before['cpu_ms']:>10.2f}"
    return f"{name:<32} {call['kilobytes']:>5} {call['queries']:>7} {times}  {', '.join(faults)}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    short = "a twentieth as many runs, in all under two minutes"
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="", help=short)
    size.add_argument("--year", dest="size", action="store_const", const="year", help="8.8 million runs")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--database", choices=["sqlite", "postgres"], help="this one alone")
    parser.add_argument("--runs", type=int, help=argparse.SUPPRESS)  # measure here: the environment names the database
    options = parser.parse_args()
    if options.runs:
        print(json.dumps(measure_database(options.runs)))
        return
    kinds = [options.database] if options.database else ["sqlite", "postgres"]
    reports = [measure_in_a_process(kind, runs=RUNS[options.size]) for kind in kinds]
    print(json.dumps(reports) if options.json else "\n\n".join(map(render, reports)))


if __name__ == "__main__":
    main()
