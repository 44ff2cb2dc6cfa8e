"""What sharing the models costs and brings: callers of five texts each, alone, eight and thirty-two at a time.

python -m benchmarks.concurrency [--quick] [--json]

Two random base models (benchmarks/inputs/models.py), in the numbers this processor gets by default. `shared`:
callers' texts are read in common batches, as the service does. `in turn`: each caller's five are a batch of their
own, one caller at a time. Both take turns, round after round; throughput is that of the best round. `of batch`
compares with one caller who brings all texts at once. Callers ask again as soon as they are answered, ROUNDS times
each on average (--quick: once).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.inputs.models import make_articles, make_base_pair, set_up  # noqa: E402

CALLERS = (1, 8, 32)
TEXTS = 5
ROUNDS = 4  # requests of a caller
NAME = "base"

Judge = Callable[[Sequence[str]], object]


def measure(models_dir: Path, *, quick: bool) -> dict[str, Any]:
    """Return everything, as one object."""
    from mlcore.pair import Pair

    pair = Pair(NAME)
    turn = threading.Lock()

    def in_turn(texts: Sequence[str]) -> None:
        tokens = pair._tokenise(texts)
        with turn:
            pair._infer(tokens)

    articles = make_articles(models_dir, NAME, TEXTS * (16 if quick else 32))
    pair.classify(articles[:TEXTS])
    in_turn(articles[:TEXTS])
    rows: list[dict[str, Any]] = []
    batch = 0.0
    for _ in range(1 if quick else 3):
        started = time.perf_counter()
        pair.classify(articles)
        batch = max(batch, len(articles) / (time.perf_counter() - started))
        for callers in CALLERS:
            requests = _requests(articles, callers * (1 if quick else ROUNDS))
            rows += [{"way": "shared", **_run(pair.classify, requests, callers)}]
            rows += [{"way": "in turn", **_run(in_turn, requests, callers)}]
    best = _best(rows)
    return {
        "batch_texts_a_second": batch,
        "rows": [{**row, "of_batch": row["texts_a_second"] / batch} for row in best],
    }


def _requests(articles: Sequence[str], wanted: int) -> list[Sequence[str]]:
    """Return as many requests as wanted, at least so many that every article is read once."""
    once = [articles[start : start + TEXTS] for start in range(0, len(articles), TEXTS)]
    return once * max(1, math.ceil(wanted / len(once)))


def _run(judge: Judge, requests: Sequence[Sequence[str]], callers: int) -> dict[str, Any]:
    """Let callers come at once, each asking again as soon as it is answered, until no request is left."""

    def ask(texts: Sequence[str]) -> float:
        started = time.perf_counter()
        judge(texts)
        return time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=callers) as pool:
        waits = sorted(pool.map(ask, requests))
    seconds = time.perf_counter() - started
    return {
        "callers": callers,
        "texts_a_second": TEXTS * len(requests) / seconds,
        "mean_seconds": statistics.mean(waits),
        "p95_seconds": waits[round(0.95 * (len(waits) - 1))],
    }


def _best(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the fastest round of each way and number of callers."""
    kinds = dict.fromkeys((row["callers"], row["way"]) for row in rows)
    same = {kind: [row for row in rows if (row["callers"], row["way"]) == kind] for kind in kinds}
    return [max(found, key=lambda row: float(row["texts_a_second"])) for found in same.values()]


def render(found: dict[str, Any]) -> str:
    """Return what was measured as lines of text."""
    lines = [
        f"one batch of all: {found['batch_texts_a_second']:.2f} texts/s",
        "callers  way       texts/s  of batch  mean s   p95 s  p95/mean",
    ]
    lines += [
        f"{row['callers']:7}  {row['way']:8} {row['texts_a_second']:8.2f} {row['of_batch']:9.2f}"
        f" {row['mean_seconds']:7.2f} {row['p95_seconds']:7.2f} {row['p95_seconds'] / row['mean_seconds']:9.2f}"
        for row in found["rows"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer texts and rounds, in all under two minutes")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="news-service-concurrency-") as folder:
        set_up(Path(folder) / "models")
        make_base_pair(Path(folder) / "models", NAME)
        found = measure(Path(folder) / "models", quick=options.quick)
    print(json.dumps(found) if options.json else render(found))
