"""Small random models in the shape of klue/roberta: RoBERTa weights, a BERT tokenizer, labels beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaModel

from mlcore.transformer import SMOKE_TEXT

CATEGORY_LABELS = ("E", "S", "G", "기타")
SENTIMENT_LABELS = ("부정", "중립", "긍정")
TEXTS = (
    "한빛전자가 재생에너지로 공장을 돌린다",
    "노조가 파업을 시작했다",
    "이사회가 사외이사를 새로 뽑았다",
    "주가가 크게 올랐다",
    "",
    "환경 규제를 어겨 과징금을 냈다 " * 40,
)
SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")  # klue's order: padding is 1, as RoBERTa wants it


def make_pair(models_dir: Path, name: str, *, category: Sequence[str] = CATEGORY_LABELS) -> None:
    """Write `{name}_category` and `{name}_sentiment`, two layers each, weights seeded by their labels."""
    make_model(models_dir / f"{name}_category", labels=category)
    make_model(models_dir / f"{name}_sentiment", labels=SENTIMENT_LABELS)


def make_model(directory: Path, *, labels: Sequence[str], seed: int = 1) -> None:
    """Write one model as training leaves it: generic id2label, real names in label_encoder.json."""
    directory.mkdir(parents=True)
    tokenizer = _make_tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    config = _config(tokenizer, hidden=32, layers=2, initializer_range=0.5)  # random, but not indifferent
    config.num_labels = len(labels)
    torch.manual_seed(seed + len(labels))
    RobertaForSequenceClassification(config).save_pretrained(directory)
    names = {str(index): label for index, label in enumerate(labels)}
    write_json(directory / "label_encoder.json", names)
    _describe_tokenizer(directory)


def make_base(
    directory: Path, texts: Iterable[str], *, hidden: int, layers: int, vocabulary: int = 8000, seed: int = 1
) -> None:
    """Write what is fine-tuned: an encoder without a head, random, with a tokenizer trained on these texts.

    A model trained from it knows the words of its labels and nothing of the language. That is enough to test with,
    and to measure what int8 does to weights that were really trained.
    """
    directory.mkdir(parents=True)
    tokenizer = _dress(Tokenizer(models.WordPiece(unk_token=SPECIAL[3])))
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    _end_texts(tokenizer)
    tokenizer.save(str(directory / "tokenizer.json"))
    torch.manual_seed(seed)
    # Not 0.02, made for much larger models: the first token would hear next to nothing of the others.
    config = _config(tokenizer, hidden=hidden, layers=layers, initializer_range=hidden**-0.5)
    RobertaModel(config, add_pooling_layer=False).save_pretrained(directory)
    _describe_tokenizer(directory)


def copy_pair(source: Path, target: Path) -> Path:
    """Copy a models directory for a test that damages it."""
    shutil.copytree(source, target)
    return target


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def edit_json(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)


def edit_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def to_bin(directory: Path) -> Path:
    """Rewrite model.safetensors as pytorch_model.bin."""
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    torch.save(weights, directory / "pytorch_model.bin")
    return directory / "pytorch_model.bin"


def to_vocab_txt(directory: Path) -> None:
    """Rewrite tokenizer.json as the vocab.txt of older directories."""
    vocabulary = Tokenizer.from_file(str(directory / "tokenizer.json")).get_vocab()
    (directory / "tokenizer.json").unlink()
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    (directory / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def _make_tokenizer() -> Tokenizer:
    letters = sorted({letter for letter in SMOKE_TEXT + "".join(TEXTS) if not letter.isspace()})
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = _dress(Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[3])))
    _end_texts(tokenizer)
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def _dress(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _end_texts(tokenizer: Tokenizer) -> None:
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)


def _config(tokenizer: Tokenizer, *, hidden: int, layers: int, initializer_range: float) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(2, hidden // 64),
        intermediate_size=4 * hidden,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=initializer_range,
    )


def _describe_tokenizer(directory: Path) -> None:
    write_json(
        directory / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512},
    )
