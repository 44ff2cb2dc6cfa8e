"""How fast the service answers: cached and live, alone and under load, with and without Redis; de-duplication.

python benchmarks/search.py [--quick] [--json]

A real gunicorn (the project's configuration), driven over loopback at 1, 8 and 32 clients. The provider is a
stand-in that answers at once, 100 articles unlike any before, so `live` is our own work: walk, clean, group,
classify by keywords, sum up, keep as history. `cached` repeats one company. Client, server and stand-in share
the machine's cores: read the ratios between rows, not the milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import dedup  # noqa: E402
from tests.servers import RedisServer, free_port, wait_until  # noqa: E402
from tests.stand_ins import NaverStandIn  # noqa: E402

CLIENTS = (1, 8, 32)
STAND_IN = "from benchmarks.search import serve_provider; serve_provider()"

Row = dict[str, float | int | str]


def serve_provider() -> None:
    """Run the stand-in in this process: every query has 100 articles of its own. Prints its address."""
    from search.text import strip_markup

    articles = [(article.title, article.summary) for article in dedup.write_articles(100, seed=1)]

    def answer(exchange) -> None:  # type: ignore[no-untyped-def]
        query = strip_markup(exchange.call.params["query"]).strip('"')
        items = [
            {
                "title": f"<b>{query}</b> {title}",
                "originallink": f"https://press.example/{quote(query)}/{number}",
                "link": f"https://n.news.naver.com/mnews/article/001/{number:010d}",
                "description": f"{summary} {query} 관계자가 말했다...",
                "pubDate": "Fri, 20 Nov 2026 09:00:00 +0900",
            }
            for number, (title, summary) in enumerate(articles)
        ]
        exchange.reply(200, {"total": 100, "start": 1, "display": 100, "items": items})

    stand_in = NaverStandIn()
    stand_in.handler = answer
    with stand_in.running():
        print(stand_in.url, flush=True)
        sys.stdin.read()


@contextmanager
def provider() -> Iterator[str]:
    """Run the stand-in in a process of its own; yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAND_IN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


@contextmanager
def service(provider_url: str, *, redis_url: str) -> Iterator[int]:
    """Run gunicorn as the project configures it; yield its port."""
    port, directory = free_port(), tempfile.mkdtemp(prefix="news-service-bench-")
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "DATA_DIR": directory,
        "REDIS_URL": redis_url,
        "WEB_WORKERS": "2" if redis_url else "1",
        "NEWS_PROVIDER": "naver",
        "NAVER_SEARCH_URL": f"{provider_url}/v1/search/news.json",
        "NAVER_CLIENT_ID": NaverStandIn.id,
        "NAVER_CLIENT_SECRET": NaverStandIn.secret,
        "NAVER_CALLS_PER_SECOND": "1000",
        "LOG_LEVEL": "ERROR",
        "BACKGROUND": "embedded",
        "MONITORED_COMPANIES": ",",
    }
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: analyze(HTTPConnection("127.0.0.1", port), "데우기"), seconds=60)
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def analyze(connection: HTTPConnection, company: str) -> float:
    """Ask for an analysis of 50 stories; return the seconds it took."""
    started = time.perf_counter()
    connection.request("POST", f"/api/v1/search/companies/{quote(company)}/analyze")
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{company}: {response.status} {body[:200]!r}")
    return time.perf_counter() - started


def drive(port: int, *, clients: int, seconds: float, companies: Iterator[str]) -> Row:
    """Let clients ask one after the other for some seconds; return latencies and throughput."""
    deadline = time.perf_counter() + seconds

    def client(_: int) -> list[float]:
        connection = HTTPConnection("127.0.0.1", port)
        taken = []
        while time.perf_counter() < deadline:
            taken.append(analyze(connection, next(companies)))
        connection.close()
        return taken

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        times = sorted(taken for share in pool.map(client, range(clients)) for taken in share)
    elapsed = time.perf_counter() - started
    return {
        "clients": clients,
        "requests": len(times),
        "p50_ms": round(1000 * statistics.median(times), 1),
        "p95_ms": round(1000 * times[int(0.95 * (len(times) - 1))], 1),
        "per_second": round(len(times) / elapsed, 1),
    }


def measure_answers(*, seconds: float) -> list[Row]:
    """Measure every combination of cache, kind of answer, and number of clients."""
    rows: list[Row] = []
    with ExitStack() as stack:
        provider_url = stack.enter_context(provider())
        redis = RedisServer()
        redis.start()
        stack.callback(redis.stop)
        for cache, redis_url in (("local memory", ""), ("redis", redis.url)):
            with service(provider_url, redis_url=redis_url) as port:
                for clients in CLIENTS:
                    same = iter(lambda: "한빛전자", None)
                    analyze(HTTPConnection("127.0.0.1", port), "한빛전자")
                    rows.append(_row(cache, "cached", drive(port, clients=clients, seconds=seconds, companies=same)))
                    new = map(f"회사{clients}번 {{}}".format, count())
                    rows.append(_row(cache, "live", drive(port, clients=clients, seconds=seconds, companies=new)))
    return rows


def _row(cache: str, kind: str, measured: Row) -> Row:
    return {"cache": cache, "answer": kind, **measured}


def render(rows: list[Row], speed: list[dict[str, float | bool]]) -> str:
    lines = ["cache         answer   clients   p50 ms   p95 ms   requests/s"]
    lines += [
        f"{row['cache']:<13} {row['answer']:<8} {row['clients']:>7} "
        f"{row['p50_ms']:>8} {row['p95_ms']:>8} {row['per_second']:>12}"
        for row in rows
    ]
    for cache in ("local memory", "redis"):
        alone = {row["answer"]: float(row["p50_ms"]) for row in rows if row["cache"] == cache and row["clients"] == 1}
        lines.append(f"{cache}: a cached answer takes 1/{alone['live'] / alone['cached']:.0f} of a live one")
    lines.append("\nde-duplication, seconds (python benchmarks/dedup.py for more)")
    lines += ["  " + "  ".join(f"{name} {value}" for name, value in row.items()) for row in speed]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter runs, in all under two minutes")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    options = parser.parse_args()
    rows = measure_answers(seconds=3 if options.quick else 15)
    speed = dedup.measure_speed(quick=options.quick)
    print(json.dumps({"answers": rows, "dedup": speed}) if options.json else render(rows, speed))


if __name__ == "__main__":
    main()
