"""How fast two base models judge articles, against what the processor can multiply and against plainer ways.

python -m benchmarks.inference [--quick] [--json] [--trained DIR NAME]

Two random classifiers in the shape of klue/roberta-base and invented articles of 70 tokens on average. All ways take
turns on the same articles, round after round; seconds are those of the best round of each, since other processes can
only slow one down. `of floor` compares with the time that the pair's matrix products alone would take at the peak of
large products in the same numbers, measured right before; since processors change their pace, it and the ratios of
one way to another are the middle of the rounds'. The old service read one text at a time, in float32. Ways that take
minutes are timed on fewer articles, and it says so. bfloat16 is timed only where the processor multiplies it.
`default` is what a service with ML_PRECISION=auto computes in: where the processor multiplies int8, a copy that
agrees on 99 % of texts answers for its original; `uncopied` is that without a copy. Agreement on random weights is
the hard case; --trained measures it on a pair of one's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.inputs.models import count_operations, make_articles, make_base_pair, set_up  # noqa: E402

NAME = "base"
LATENCIES = (1, 10, 50, 100)
PRECISIONS = ("float32", "bfloat16", "int8")
FEW = {True: 2, False: 10}  # articles of the slowest ways
PEAK_SECONDS = 0.5
CALIBRATION = {True: 32, False: 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to judge articles with the pair, and how many of them it is timed on."""

    name: str
    judge: Callable[[Sequence[str]], object]
    articles: int
    precision: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one way took once, and how many operations a second the processor did for large products just before."""

    seconds: float
    peak: float


def measure(models_dir: Path, *, quick: bool, trained: tuple[Path, str] | None) -> dict[str, Any]:
    """Return everything, as one object."""
    articles = make_articles(models_dir, NAME, 16 if quick else 100)
    precisions = _precisions()
    quantize(models_dir, NAME, make_articles(models_dir, NAME, CALIBRATION[quick]))
    ways = _plain_ways(models_dir, articles, few=FEW[quick]) + _engine_ways(precisions, len(articles))
    lengths = _lengths(models_dir, articles)
    operations = {count: count_operations(lengths[:count]) for count in {len(articles), *(w.articles for w in ways)}}
    for way in ways:  # what is loaded or laid out once is not part of it
        way.judge(articles[:2])
    rounds: dict[str, list[Round]] = {way.name: [] for way in ways}
    for _ in range(2 if quick else 5):
        for way in ways:
            peak = _peak(way.precision)
            seconds = _time(lambda way=way: way.judge(articles[: way.articles]))
            rounds[way.name].append(Round(seconds=seconds, peak=peak))
    rows = [_describe(way, rounds[way.name], operations[way.articles]) for way in ways]
    return {
        "articles": len(articles),
        "tokens": sum(lengths),
        "operations_an_article": operations[len(articles)] / len(articles),
        "peak_operations_a_second": {
            precision: max(one.peak for way in ways if way.precision == precision for one in rounds[way.name])
            for precision in precisions
        },
        "ways": rows,
        "ratios": _ratios(ways, rounds, rows, precisions),
        "latency_seconds": {precision: _latencies(precision, articles) for precision in precisions},
        "processes": {p: _in_a_process(models_dir, p) for p in precisions if p != "bfloat16" or not quick},
        "agreement_random": _agreement(NAME, articles, precisions),
        "agreement_trained": _measure_trained(trained, articles, quick=quick) if trained else None,
    }


def quantize(models_dir: Path, name: str, texts: Sequence[str]) -> None:
    """Write the int8 copy of a pair."""
    from mlcore import registry
    from mlcore.quantize import quantize_model
    from mlcore.types import AXES

    for axis in AXES:
        target = models_dir / f"{name}@int8_{axis}"
        target.mkdir()
        quantize_model(registry.find_model(name, axis=axis), target, texts=texts)


def _precisions() -> tuple[str, ...]:
    from mlcore.precision import multiplies_bfloat16

    return tuple(p for p in PRECISIONS if p != "bfloat16" or multiplies_bfloat16())


def load(name: str, precision: str) -> Any:
    """Return a pair in memory, in the given numbers."""
    from django.conf import settings

    from mlcore.pair import Pair

    settings.ML_PRECISION = "auto" if precision == "int8" else precision
    pair = Pair(f"{name}@int8" if precision == "int8" else name)
    if pair.refused:
        raise SystemExit("; ".join(exc.message for exc in pair.refused.values()))
    return pair


_loaded: dict[tuple[str, str], Any] = {}


def _engine(precision: str, name: str = NAME) -> Any:
    if (name, precision) not in _loaded:
        _loaded[name, precision] = load(name, precision)
    return _loaded[name, precision]


def _engine_ways(precisions: Sequence[str], articles: int) -> list[Way]:
    return [
        Way(name=f"engine {precision}", judge=_engine(precision).classify, articles=articles, precision=precision)
        for precision in precisions
    ]


def _plain_ways(models_dir: Path, articles: Sequence[str], *, few: int) -> list[Way]:
    """Return the ways of transformers itself: in float32, as its defaults are."""
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

    pipes = []
    for axis in ("category", "sentiment"):
        directory = models_dir / f"{NAME}_{axis}"
        module = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
        pipes.append(pipeline("text-classification", model=module, tokenizer=tokenizer, device=-1, top_k=None))

    def run(**options: Any) -> Callable[[Sequence[str]], object]:
        return lambda texts: [pipe(list(texts), truncation=True, max_length=512, **options) for pipe in pipes]

    def one_by_one(texts: Sequence[str]) -> None:
        for text in texts:
            for pipe in pipes:
                pipe(text, truncation=True, max_length=512)

    some = min(len(articles), 3 * few)
    return [
        Way(name="old service: one at a time", judge=one_by_one, articles=len(articles)),
        Way(name="pipeline, batches of 16", judge=run(batch_size=16), articles=some),
        Way(name="padded to 512, batches of 8", judge=run(batch_size=8, padding="max_length"), articles=few),
    ]


def _peak(precision: str) -> float:
    """Return operations a second of one large product, the better of the layouts that there are.

    Held for as long as a way takes: for some milliseconds AMX runs at three times what it holds for a second.
    """
    import torch

    from mlcore.dense import HAS_VNNI, Int8Dense, OneDnnDense, PlainDense

    rows, inputs, outputs = 1024, 1024, 4096
    with torch.inference_mode(False), torch.no_grad():
        if precision == "int8":
            highest = 127 if HAS_VNNI else 63
            weights = torch.randint(-highest, highest, (outputs, inputs), dtype=torch.int8)
            scales = {"x.weight_scale": torch.ones(outputs), "x.input": torch.tensor([1.0, 0.0])}
            tensors = {
                "x.weight": weights,
                "x.bias": torch.zeros(outputs),
                "x.input_factor": torch.ones(inputs),
                **scales,
            }
            dense = Int8Dense(tensors, "x")
            bytes_in = torch.randint(0, 255, (rows, inputs)).to(torch.uint8)
            runs = [partial(dense.of_bytes, bytes_in)]
        else:
            dtype = getattr(torch, precision)
            tensors = {
                "x.weight": torch.randn(outputs, inputs, dtype=dtype),
                "x.bias": torch.zeros(outputs, dtype=dtype),
            }
            x = torch.randn(rows, inputs, dtype=dtype)
            runs = [partial(make(tensors, "x"), x) for make in (PlainDense, OneDnnDense)]
        fastest = min(runs, key=lambda run: min(_time(run) for _ in range(6)))
        return 2 * rows * inputs * outputs / _sustained(fastest)


def _sustained(run: Callable[[], object]) -> float:
    """Return seconds a run when it is repeated for as long as the ways take."""
    runs, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < PEAK_SECONDS:
        run()
        runs += 1
    return taken / runs


def _time(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _lengths(models_dir: Path, texts: Sequence[str]) -> list[int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models_dir / f"{NAME}_category" / "tokenizer.json"))
    return [len(tokenizer.encode(text).ids) for text in texts]


def _describe(way: Way, rounds: Sequence[Round], operations: float) -> dict[str, Any]:
    seconds = min(one.seconds for one in rounds)
    return {
        "way": way.name,
        "articles": way.articles,
        "seconds": seconds,
        "operations_a_second": operations / seconds,
        "of_floor": median(operations / one.seconds / one.peak for one in rounds),
    }


def _ratios(
    ways: Sequence[Way], rounds: dict[str, list[Round]], rows: Sequence[dict[str, Any]], precisions: Sequence[str]
) -> dict[str, float | None]:
    """Return the claims, of articles a second. The few that are padded to 512 all take the same time."""
    import torch

    from mlcore.precision import choose_precision

    articles = {way.name: way.articles for way in ways}
    floor = {row["way"]: row["of_floor"] for row in rows}
    cpu = torch.device("cpu")
    default, uncopied = (f"engine {choose_precision(cpu, wanted='auto', has_copy=copied)}" for copied in (True, False))
    old, padded = "old service: one at a time", "padded to 512, batches of 8"

    def compare(way: str, other: str) -> float:
        each = zip(rounds[way], rounds[other], strict=True)
        return median(theirs.seconds / ours.seconds for ours, theirs in each) * articles[way] / articles[other]

    return {
        **{f"{p}_of_floor": floor.get(f"engine {p}") for p in PRECISIONS},
        "default_vs_old": compare(default, old),
        "default_vs_padded_512": compare(default, padded),
        "uncopied_vs_old": compare(uncopied, old),
        "uncopied_vs_padded_512": compare(uncopied, padded),
        "int8_vs_old": compare("engine int8", old),
    }


def _latencies(precision: str, articles: Sequence[str]) -> dict[int, float]:
    return {
        n: min(_time(lambda n=n: _engine(precision).classify(articles[:n])) for _ in range(2))
        for n in LATENCIES
        if n <= len(articles)
    }


def _agreement(name: str, texts: Sequence[str], precisions: Sequence[str]) -> dict[str, float]:
    """Return the share of labels, both axes, that each precision gives as float32 does."""
    said = {precision: _engine(precision, name).classify(texts) for precision in precisions}
    pairs = {
        precision: [
            (getattr(one, axis).label, getattr(other, axis).label)
            for one, other in zip(said["float32"], said[precision], strict=True)
            for axis in ("category", "sentiment")
        ]
        for precision in precisions
    }
    return {precision: sum(a == b for a, b in found) / len(found) for precision, found in pairs.items()}


def _measure_trained(trained: tuple[Path, str], articles: Sequence[str], *, quick: bool) -> dict[str, float]:
    from django.conf import settings

    directory, name = trained
    here = Path(settings.MODELS_DIR)
    for source in directory.glob(f"{name}_*"):
        (here / source.name).symlink_to(source.resolve(), target_is_directory=True)
    quantize(here, name, articles)
    # bfloat16 too, however slow it is without instructions for it: these models are small.
    return _agreement(name, articles, PRECISIONS)


IN_A_PROCESS = """
import json, sys, time
from pathlib import Path
from benchmarks.inputs.models import set_up
set_up(Path(sys.argv[1]))
from benchmarks.inference import NAME, load

def memory(kind):
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[kind].split()[0]) * 1024 / 1e6

started = time.perf_counter()
pair = load(NAME, sys.argv[2])
found = {"load_seconds": time.perf_counter() - started}
for model in pair.models.values():
    model.predict(["삼성전자가 재생에너지로 공장을 돌린다 " * 6] * 50)
found |= {"resident_mb": memory("VmRSS"), "peak_mb": memory("VmHWM")}
pair.classify(["삼성전자가 재생에너지로 공장을 돌린다 " * 6] * 50)
print(json.dumps(found | {"with_morphemes_mb": memory("VmRSS")}))
"""


def _in_a_process(models_dir: Path, precision: str) -> dict[str, float]:
    """Load the pair in a process of its own and judge 50 articles: seconds of loading with imports, and memory.

    First the models alone, then with the morphemes that name the evidence, which the service needs without models too.
    """
    command = [sys.executable, "-c", IN_A_PROCESS, str(models_dir), precision]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def render(found: dict[str, Any]) -> str:
    """Return what was measured as lines of text."""
    peaks = ", ".join(f"{name} {value / 1e9:,.0f}" for name, value in found["peak_operations_a_second"].items())
    an_article = found["operations_an_article"] / 1e9
    lines = [
        f"{found['articles']} articles, {found['tokens']} tokens, {an_article:.1f} G operations each",
        f"peak of large products, G operations/s: {peaks}",
        f"{'':30} articles  seconds  articles/s  of floor",
    ]
    lines += [
        f"{row['way']:30} {row['articles']:8} {row['seconds']:8.2f} {row['articles'] / row['seconds']:11.2f}"
        f" {row['of_floor']:9.2f}"
        for row in found["ways"]
    ]
    lines += [f"latency, {precision}: {seconds}" for precision, seconds in found["latency_seconds"].items()]
    lines += [f"process, {precision}: {facts}" for precision, facts in found["processes"].items()]
    lines += [f"{kind}: {found[kind]}" for kind in ("agreement_random", "agreement_trained")]
    return "\n".join([*lines, "ratios: " + json.dumps(found["ratios"])])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer articles and rounds, in all under two minutes")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--trained", nargs=2, metavar=("DIR", "NAME"), help="measure agreement on this pair too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="news-service-inference-") as folder:
        set_up(Path(folder) / "models")
        make_base_pair(Path(folder) / "models", NAME)
        given = (Path(options.trained[0]), options.trained[1]) if options.trained else None
        found = measure(Path(folder) / "models", quick=options.quick, trained=given)
    print(json.dumps(found) if options.json else render(found))
