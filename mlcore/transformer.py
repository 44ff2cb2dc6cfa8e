"""Fine-tuned classifiers on torch: load, tokenise, infer, name the classes.

The only module that imports torch and transformers, and only the engine imports it, when a model is really to
be loaded: the import alone takes seconds and 240 MB.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is ever fetched; read at import

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from mlcore.batching import plan_batches
from mlcore.errors import ModelInvalid
from mlcore.labels import LABELS
from mlcore.registry import Model
from mlcore.types import Axis, Method, Prediction

logger = logging.getLogger(__name__)
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
# What it would warn of is refused below, in our words.
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]

LONGEST_TEXT = 512  # tokens; a longer text is cut
# Padding included. On two CPU cores 256 to 1,024 are equally good, 128 and 2,048 clearly worse.
TOKENS_PER_BATCH = {"cpu": 1024, "mps": 4096, "cuda": 16_384}
SMOKE_TEXT = "삼성전자가 올해 3분기 영업이익이 크게 늘었다고 밝혔다."


class TransformerClassifier:
    """One fine-tuned model, in memory. Safe to share between threads: batches of all callers take turns."""

    method: Method = "model"

    def __init__(self, model: Model, *, device: torch.device, max_texts: int) -> None:
        """Load a model and try it on a sentence. Raises ModelInvalid where it cannot be used."""
        started = time.perf_counter()
        self.axis: Axis = model.axis
        self.revision = model.revision
        self.device_name = describe_device(device)
        self._source = model
        self._device = device
        self._max_texts = max_texts
        self._turn = threading.Lock()
        with _refusing(model, "it cannot be loaded"):
            self._module = _load_module(model, device=device)
        with _refusing(model, "its tokenizer cannot be loaded"):
            self._tokenizer = _load_tokenizer(model.directory)
        with _refusing(model, "it fails on a sentence"):
            self._padding: int = self._module.config.pad_token_id or 0
            self._longest = _longest_text(self._module, self._tokenizer)
            self._check()
        took = time.perf_counter() - started
        logger.info("모델 로드 완료: %s, 디바이스: %s, %.1f s", self.revision, self.device_name, took)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify each text, in order. Raises ModelInvalid where the model gives no numbers."""
        return [self._name(row) for row in self._infer(self._tokenise(texts))]

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, at least one, cut to what the model can read."""
        with self._turn:
            encoded = self._tokenizer(
                list(texts),
                truncation=True,
                max_length=self._longest,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
        return [ids or [self._padding] for ids in encoded["input_ids"]]

    def _infer(self, ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probabilities of the model's classes for each tokenised text, in order."""
        probabilities: list[list[float]] = [[] for _ in ids]
        batches = plan_batches(
            [len(row) for row in ids],
            max_texts=self._max_texts,
            max_tokens=TOKENS_PER_BATCH[self._device.type],
        )
        for batch in batches:
            rows = self._infer_batch([ids[position] for position in batch])
            for position, row in zip(batch, rows, strict=True):
                probabilities[position] = row
        return probabilities

    def _infer_batch(self, ids: Sequence[Sequence[int]]) -> list[list[float]]:
        lengths = torch.tensor([len(row) for row in ids])
        width = int(lengths.max())
        padded = torch.tensor([[*row, *[self._padding] * (width - len(row))] for row in ids]).to(self._device)
        mask = (torch.arange(width) < lengths[:, None]).long().to(self._device)
        with self._turn, torch.inference_mode():
            # No token types: for single texts they are all zero, and not every model takes them.
            output = self._module(input_ids=padded, attention_mask=mask).logits.cpu()
        if not torch.isfinite(output).all():
            raise ModelInvalid(self._source.directory, reason="it answers with NaN or infinity")
        rows: list[list[float]] = torch.softmax(output.double(), dim=-1).tolist()
        return rows

    def _name(self, probabilities: Sequence[float]) -> Prediction:
        scores = dict.fromkeys(LABELS[self.axis], 0.0)
        scores.update(zip(self._source.labels, probabilities, strict=True))
        return Prediction(label=max(scores, key=scores.__getitem__), scores=scores, method=self.method)

    def _check(self) -> None:
        """Refuse what loads but cannot be trusted. Raises ModelInvalid."""
        if reason := self._find_fault():
            raise ModelInvalid(self._source.directory, reason=reason)
        self.predict([SMOKE_TEXT, ""])

    def _find_fault(self) -> str | None:
        vocabulary = self._module.get_input_embeddings().num_embeddings
        highest = max(self._tokenizer.get_vocab().values(), default=0)
        words = self._tokenizer(SMOKE_TEXT, add_special_tokens=False)["input_ids"]
        if highest >= vocabulary:
            return f"its tokenizer knows {highest + 1} tokens, the model {vocabulary}"
        # transformers builds an empty or a lower-casing tokenizer from incomplete files, without a word.
        if len(set(words)) < 2:
            return "its tokenizer knows no Korean: files are missing, or do_lower_case is not off"
        if self._module.config.num_labels != len(self._source.labels):
            return f"it has {self._module.config.num_labels} classes for {len(self._source.labels)} labels"
        if not all(bool(torch.isfinite(weights).all()) for weights in self._module.parameters()):
            return "its weights hold NaN or infinity"
        return None


def load_classifier(model: Model, *, max_texts: int, threads: int) -> TransformerClassifier:
    """Load a model on the best device there is; `threads` of 0 leaves their number to torch.

    Raises ModelInvalid where the model cannot be used.
    """
    if threads:
        torch.set_num_threads(threads)
    return TransformerClassifier(model, device=find_device(), max_texts=max_texts)


def find_device() -> torch.device:
    """Return the first CUDA device, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """Return "cpu", "mps" or "cuda:0 NVIDIA H200"."""
    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)


def _load_module(model: Model, *, device: torch.device) -> Any:
    module, report = AutoModelForSequenceClassification.from_pretrained(
        model.directory,
        local_files_only=True,
        trust_remote_code=False,
        weights_only=True,
        dtype=torch.float16 if device.type == "cuda" else torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # to be refused here with a better reason
    )
    for name, found, wanted in sorted(report["mismatched_keys"]):
        reason = f"the weights do not fit config.json: {name} is {tuple(found)}, not {tuple(wanted)}"
        raise ModelInvalid(model.directory, reason=reason)
    if missing := sorted(report["missing_keys"]):
        reason = f"it is no fine-tuned classifier: its weights lack {missing[0]}"
        raise ModelInvalid(model.directory, reason=reason)
    return module.to(device).eval()


def _load_tokenizer(directory: Path) -> Any:
    """Load the tokenizer the model was trained with.

    tokenizer.json is that, whole. Left to itself transformers 5 rebuilds it by the model's type, and gets it
    wrong without a word for RoBERTa weights with a BERT vocabulary.
    """
    loader = PreTrainedTokenizerFast if (directory / "tokenizer.json").is_file() else AutoTokenizer
    return loader.from_pretrained(directory, local_files_only=True, trust_remote_code=False)


def _longest_text(module: Any, tokenizer: Any) -> int:
    """Return how many tokens the model can read; RoBERTa uses no position up to its padding index."""
    limits = [LONGEST_TEXT, tokenizer.model_max_length]
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, torch.nn.Embedding):
            unused = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - unused)
    return int(min(limits))


@contextmanager
def _refusing(model: Model, what: str) -> Iterator[None]:
    """Turn whatever the libraries raise over anyone's files into ModelInvalid, in one line."""
    try:
        yield
    except ModelInvalid:
        raise
    except Exception as exc:
        said = shorten(str(exc), width=160, placeholder="").rstrip(".")
        raise ModelInvalid(model.directory, reason=f"{what}: {said or type(exc).__name__}") from exc
