"""A pair in the shape of klue/roberta-base, weights random, and articles of realistic length for it."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path
from statistics import NormalDist

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY = 12, 768, 3072, 12, 32_000
MEAN_TOKENS, SD_TOKENS, FEWEST, MOST = 70, 30, 16, 256
LABELS = {"category": ("E", "S", "G", "기타"), "sentiment": ("부정", "중립", "긍정")}
SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")  # klue's order


def set_up(models_dir: Path) -> None:
    """Configure Django for a process that measures models in a directory of its own."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "newsservice.settings",
        "DATA_DIR": str(models_dir.parent),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "MODELS_DIR": str(models_dir),
        "LOG_LEVEL": "ERROR",
    }
    import django

    django.setup()


def make_base_pair(models_dir: Path, name: str) -> None:
    """Write `{name}_category` and `{name}_sentiment`, 110 million parameters each, with one tokenizer made here."""
    import torch
    from transformers import RobertaConfig, RobertaForSequenceClassification

    tokenizer = _train_tokenizer()
    for seed, (axis, labels) in enumerate(LABELS.items()):
        directory = models_dir / f"{name}_{axis}"
        directory.mkdir(parents=True)
        torch.manual_seed(seed)
        config = RobertaConfig(
            vocab_size=VOCABULARY,
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=INNER,
            max_position_embeddings=514,
            type_vocab_size=1,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
        config.num_labels = len(labels)
        RobertaForSequenceClassification(config).save_pretrained(directory)
        tokenizer.save(str(directory / "tokenizer.json"))
        names = {str(index): label for index, label in enumerate(labels)}
        (directory / "label_encoder.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
        limits = {"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", "model_max_length": 512}
        (directory / "tokenizer_config.json").write_text(json.dumps(limits), encoding="utf-8")


def make_articles(models_dir: Path, name: str, count: int) -> list[str]:
    """Return invented articles whose lengths in tokens are lognormal, as real ones' are.

    The lengths are the distribution's quantiles, in an order in which any first few articles are a fair sample.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models_dir / f"{name}_category" / "tokenizer.json"))
    words = [word for sentence in _sentences() for word in sentence.split()]
    rng = random.Random(7)
    spread = math.sqrt(math.log(1 + (SD_TOKENS / MEAN_TOKENS) ** 2))
    normal = NormalDist(mu=math.log(MEAN_TOKENS) - spread**2 / 2, sigma=spread)
    golden = (math.sqrt(5) - 1) / 2  # its multiples fill the unit interval evenly, wherever one stops
    lengths = [round(math.exp(normal.inv_cdf((0.5 + number * golden) % 1))) for number in range(count)]
    return [_write(tokenizer, words, rng, tokens=min(MOST, max(FEWEST, length))) for length in lengths]


def count_operations(lengths: list[int]) -> float:
    """Return the multiplications and additions of the pair's matrix products over texts of these lengths in tokens."""
    dense = 2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER) * sum(lengths)
    attention = sum(4 * length * length * HIDDEN for length in lengths)
    return 2.0 * LAYERS * (dense + attention)


def _write(tokenizer, words: list[str], rng: random.Random, *, tokens: int) -> str:  # type: ignore[no-untyped-def]
    """Return words in any order, the last one cut, that make so many tokens, the two at the ends included."""
    text = ""
    while len((encoded := tokenizer.encode(text)).ids) < tokens:
        text = f"{text} {rng.choice(words)}".strip()
    return text[: encoded.offsets[tokens - 2][1]]


def _train_tokenizer():  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(_sentences(), trainer)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))
    )
    return tokenizer


def _sentences() -> list[str]:
    sample = Path(__file__).resolve().parents[2] / "search" / "providers" / "sample" / "articles.jsonl"
    articles = [json.loads(line) for line in sample.read_text(encoding="utf-8").splitlines()]
    return [str(value) for article in articles for value in article.values() if isinstance(value, str)]
