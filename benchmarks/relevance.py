"""Measure "is it about this company" and the naming of publishers on ../shared/data.

    python benchmarks/relevance.py [--quick] [--json] [--data DIR] [--confusions N]

headlines/: a pair is (article, company found for it); true where `mentions` has the company. The label was
made from whole articles, we read title and lead, so recall is also given over the pairs whose company stands
there. `strangers` are companies of other articles: how often is one taken to be named?
esg/: titles only; negative where the analysts flagged the article as not about the company.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from search import press, relevance  # noqa: E402
from search.types import Article, Relevance  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
NOT_ABOUT = ("관련 없", "연관 없", "해당기업 아님", "해당 기업 아님", "관련 없음", "구체성 떨어짐")
STRANGERS = 20  # other articles' companies tried on each headline

Judge = Callable[..., Relevance]  # (article, company=name)


@dataclass(slots=True)
class Gate:
    """Counts of one set of pairs, and the pairs judged otherwise than labelled."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    refused: int = 0
    confusions: list[str] = field(default_factory=list)

    def add(self, *, is_about: bool, found: Relevance, company: str, title: str) -> None:
        says_about = found.is_about
        if says_about:
            self.right, self.wrong = self.right + is_about, self.wrong + (not is_about)
        else:
            self.missed, self.refused = self.missed + is_about, self.refused + (not is_about)
        if says_about != is_about:
            label = "about" if is_about else "not about"
            self.confusions.append(f"{company} | {found.verdict} ({label}) | {found.evidence} | {title}")

    def figures(self) -> dict[str, float]:
        return {
            "pairs": self.right + self.wrong + self.missed + self.refused,
            "precision": round(self.right / max(1, self.right + self.wrong), 4),
            "recall": round(self.right / max(1, self.right + self.missed), 4),
            "refusal": round(self.refused / max(1, self.refused + self.wrong), 4),
        }


def measure_headlines(data: Path, *, judge: Judge = relevance.judge, strangers: int = STRANGERS) -> dict[str, Gate]:
    """Return the gates of all pairs, of those whose company stands in title or lead, and of strangers."""
    rows = list(_read_lines(data / "headlines" / "company_headlines_2022_dev.jsonl"))
    everyone = sorted({company for row in rows for company in row["companies"]})
    draw = random.Random(7)
    gates = {"all": Gate(), "named": Gate(), "strangers": Gate()}
    for row in rows:
        article = _article(row["title"], row["lead"])
        for company in row["companies"]:
            answer = {
                "found": judge(article, company=company),
                "is_about": company in row["mentions"],
                "company": company,
                "title": row["title"],
            }
            gates["all"].add(**answer)
            if company in article.text:
                gates["named"].add(**answer)
        for company in draw.sample(everyone, strangers):
            if company not in row["companies"]:
                found = judge(article, company=company)
                gates["strangers"].add(found=found, is_about=False, company=company, title=row["title"])
    return gates


def measure_esg(data: Path, *, judge: Judge = relevance.judge) -> dict[str, Gate]:
    gates = {"daishin": Gate(), "daishin_hr": Gate(), "kept": Gate()}
    for row in _read_lines(data / "esg" / "esg_daishin_dev.jsonl"):
        reason = row["removed_reason"] or ""
        is_about = not any(sign in reason for sign in NOT_ABOUT)
        found = judge(_article(row["title"], ""), company=row["company"])
        gates["daishin"].add(found=found, is_about=is_about, company=row["company"], title=row["title"])
        if row["kept"]:
            gates["kept"].add(found=found, is_about=True, company=row["company"], title=row["title"])
    for row in _read_lines(data / "esg" / "esg_daishin_hr_dev.jsonl"):
        found = judge(_article(row["title"], ""), company=row["company"])
        is_about = not row["irrelevant"]
        gates["daishin_hr"].add(found=found, is_about=is_about, company=row["company"], title=row["title"])
    return gates


def measure_gates(data: Path, *, judge: Judge = relevance.judge, strangers: int = STRANGERS) -> dict[str, Gate]:
    """Return the gates of all sets, by folder and set."""
    headlines = measure_headlines(data, judge=judge, strangers=strangers)
    gates = {f"headlines/{name}": gate for name, gate in headlines.items()}
    return gates | {f"esg/{name}": gate for name, gate in measure_esg(data, judge=judge).items()}


def measure_publishers(data: Path) -> dict[str, Any]:
    """Return the share of hosts, and of links, that get a name; hosts of a portal count by their office id."""
    links = list(_read_links(data))
    named = {url: press.publisher(url) not in {"", _host(url)} for url in links}
    hosts: dict[str, bool] = {}
    for url, has_name in named.items():
        hosts[_host(url)] = hosts.get(_host(url), False) or has_name
    return {
        "hosts": len(hosts),
        "hosts_named": round(sum(hosts.values()) / len(hosts), 4),
        "links_named": round(sum(named[url] for url in links) / len(links), 4),
        "unnamed": sorted(host for host, has_name in hosts.items() if not has_name),
    }


def measure_speed() -> dict[str, float]:
    """Return the milliseconds 100 articles take, the company's tables being warm."""
    summary = "한빛전자가 새 공장을 짓는다. 회사 관계자는 수요가 늘어 증설을 서둘렀다고 말했다. " * 3
    articles = [_article(f"한빛전자, {number}공장 착공", summary) for number in range(100)]
    relevance.judge(articles[0], company="한빛전자")
    began = time.perf_counter()
    for article in articles:
        relevance.judge(article, company="한빛전자")
    return {"judge_100_ms": round((time.perf_counter() - began) * 1000, 2)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="fewer strangers, no confusions")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--confusions", type=int, default=20, metavar="N", help="list at most N of each set")
    options = parser.parse_args(arguments)
    if not options.data.is_dir():
        sys.stderr.write(f"{options.data} is not there: nothing to measure.\n")
        return 0 if options.quick else 2
    gates = measure_gates(options.data, strangers=2 if options.quick else STRANGERS)
    report: dict[str, Any] = {
        "gate": {name: gate.figures() for name, gate in gates.items()},
        "publishers": measure_publishers(options.data),
        "speed": measure_speed(),
    }
    if options.json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
        return 0
    shown = 0 if options.quick else options.confusions
    _print_report(report, {name: gate.confusions[:shown] for name, gate in gates.items()})
    return 0


def _print_report(report: dict[str, Any], confusions: dict[str, list[str]]) -> None:
    lines = ["set                    pairs  precision  recall  refusal"]
    for name, row in report["gate"].items():
        lines.append(
            f"{name:<21} {row['pairs']:>6} {row['precision']:>10.3f} {row['recall']:>7.3f} {row['refusal']:>8.3f}"
        )
    for name, pairs in filter(lambda item: item[1], confusions.items()):
        lines += [f"\n{name}: company | verdict (label) | evidence | title", *pairs]
    lines += [f"\npublishers: {report['publishers']}", f"speed: {report['speed']}"]
    sys.stdout.write("\n".join(lines) + "\n")


def _read_links(data: Path) -> Iterator[str]:
    for file in sorted((data / "naver").glob("*.json")):
        for item in json.loads(file.read_text(encoding="utf-8"))["items"]:
            yield item["originallink"] or item["link"]
    for name in ("esg_daishin_dev", "esg_daishin_hr_dev"):
        for row in _read_lines(data / "esg" / f"{name}.jsonl"):
            if row.get("url"):
                yield row["url"]


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _article(title: str, summary: str) -> Article:
    return Article(url="", link="", title=title, summary=summary, publisher="", published_at=None)


if __name__ == "__main__":
    sys.exit(main())
