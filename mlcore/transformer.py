"""Fine-tuned classifiers: tokenise, infer, name the classes.

This, network.py and what that is built of import torch and transformers, and are imported only when a model is really
to be loaded: the import alone takes seconds and 240 MB. Besides, only parallel.py knows torch, once there are models.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is ever fetched; read at import

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mlcore.batching import plan_batches
from mlcore.errors import ModelInvalid
from mlcore.labels import LABELS
from mlcore.network import TEXTS_PER_BATCH, TOKENS_PER_BATCH, describe_device, load_network, refusing
from mlcore.registry import Model
from mlcore.types import Axis, Method, Prediction
from newsservice.metrics import INFERENCE_BATCHES, INFERENCE_SECONDS, INFERENCE_TOKENS

logger = logging.getLogger(__name__)

LONGEST_CHARS = 20_000  # of a text that is looked at; 512 tokens are a tenth of it
PORTION_CHARS = 200_000  # about, that are tokenised while other callers wait: some 0.1 s
SMOKE_TEXT = "삼성전자가 올해 3분기 영업이익이 크게 늘었다고 밝혔다."

Ids = list[int]  # the tokens of one text
Row = list[float]  # the probabilities of a model's classes for one text


class TransformerClassifier:
    """One fine-tuned model, in memory. Tokenising is safe to share between threads; batches are for one at a time."""

    method: Method = "model"

    def __init__(self, model: Model, *, stand_in: Model | None = None, precision: str, max_texts: int) -> None:
        """Load a model and try it on a sentence. Raises ModelInvalid where it cannot be used.

        `stand_in`: see load_network. `max_texts`: of a batch; 0 for as many as suit the device.
        """
        started = time.perf_counter()
        self.axis: Axis = model.axis
        self.revision = model.revision
        self._source = model
        self._tokenising = threading.Lock()
        with refusing(model, "it cannot be loaded"):
            self._network = load_network(model, stand_in=stand_in, precision=precision)
        with refusing(model, "its tokenizer cannot be loaded"):
            self._tokenizer = _load_tokenizer(model.directory)
        self.device_name = describe_device(self._network.device)
        self.precision = self._network.precision
        self.max_texts = max_texts or TEXTS_PER_BATCH[self._network.device.type]
        self.max_tokens = TOKENS_PER_BATCH[self._network.device.type]
        with refusing(model, "it fails on a sentence"):
            self._longest = min(self._network.longest, self._tokenizer.model_max_length)
            self._check()
        took = time.perf_counter() - started
        logger.info(
            "모델 로드 완료: %s, 디바이스: %s, %s, %.1f s", self.revision, self.device_name, self.precision, took
        )

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify each text, in order. Raises ModelInvalid where the model gives no numbers."""
        ids = self.tokenise(texts)
        predictions: dict[int, Prediction] = {}
        lengths = [len(text) for text in ids]
        for places in plan_batches(lengths, max_texts=self.max_texts, max_tokens=self.max_tokens):
            for place, row in zip(places, self.infer([ids[place] for place in places]), strict=True):
                if row is None:
                    raise ModelInvalid(self._source.directory, reason="it answers with NaN or infinity")
                predictions[place] = self.name(row)
        return [predictions[place] for place in range(len(texts))]

    def tokenise(self, texts: Sequence[str]) -> list[Ids]:
        """Return the token ids of each text, at least one, cut to what the model can read."""
        if not texts:
            return []
        # Half a surrogate pair is no character; the tokenizer would refuse all texts over it.
        sound = [text[:LONGEST_CHARS].encode("utf-8", "replace").decode() for text in texts]
        return [ids or [self._network.padding] for portion in _split(sound) for ids in self._encode(portion)]

    def infer(self, ids: Sequence[Ids]) -> list[Row | None]:
        """Return the probabilities of the model's classes for each tokenised text of a batch, in order.

        None for a text that it answers with NaN or infinity.
        """
        with INFERENCE_SECONDS.labels(self.axis).time():
            logits = self._run(ids)
        INFERENCE_BATCHES.labels(self.axis).inc()
        INFERENCE_TOKENS.labels(self.axis).inc(sum(map(len, ids)))
        rows: list[Row] = torch.softmax(logits.double(), dim=-1).tolist()
        sound = torch.isfinite(logits).all(dim=-1).tolist()
        return [row if is_sound else None for row, is_sound in zip(rows, sound, strict=True)]

    def name(self, probabilities: Row) -> Prediction:
        """Return a row of `infer` as a prediction, under our labels."""
        scores = dict.fromkeys(LABELS[self.axis], 0.0)
        scores.update(zip(self._source.labels, probabilities, strict=True))
        return Prediction(label=max(scores, key=scores.__getitem__), scores=scores, method=self.method)

    def shares_tokens_with(self, other: TransformerClassifier) -> bool:
        """Whether both tokenise every text alike, so that once is enough."""
        same_length = self._longest == other._longest
        return same_length and self._describe_tokenizer() == other._describe_tokenizer()

    def _describe_tokenizer(self) -> str | int:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        return id(self) if backend is None else str(backend.to_str())

    def _encode(self, texts: list[str]) -> list[Ids]:
        with self._tokenising:
            encoded = self._tokenizer(
                texts,
                truncation=True,
                max_length=self._longest,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
        ids: list[Ids] = encoded["input_ids"]
        return ids

    def _run(self, ids: Sequence[Ids]) -> torch.Tensor:
        """Return the logits of a batch; where the device has no room for it, of its halves."""
        try:
            return self._network.run(ids)
        except torch.OutOfMemoryError:
            if len(ids) == 1:
                raise
        # Out of the handler, whose traceback would keep what the batch had taken.
        logger.warning("%s: no memory for %d texts at once, halving", self.device_name, len(ids))
        free_cached_memory()
        middle = len(ids) // 2
        return torch.cat([self._run(ids[:middle]), self._run(ids[middle:])])

    def _check(self) -> None:
        """Refuse what loads but cannot be trusted. Raises ModelInvalid."""
        if reason := self._find_fault():
            raise ModelInvalid(self._source.directory, reason=reason)
        self.predict([SMOKE_TEXT, ""])

    def _find_fault(self) -> str | None:
        network = self._network
        highest = max(self._tokenizer.get_vocab().values(), default=0)
        words = self._tokenizer(SMOKE_TEXT, add_special_tokens=False)["input_ids"]
        if highest >= network.vocabulary:
            return f"its tokenizer knows {highest + 1} tokens, the model {network.vocabulary}"
        # transformers builds an empty or a lower-casing tokenizer from incomplete files, without a word.
        if len(set(words)) < 2:
            return "its tokenizer knows no Korean: files are missing, or do_lower_case is not off"
        if network.classes != len(self._source.labels):
            return f"it has {network.classes} classes for {len(self._source.labels)} labels"
        return None


def load_classifier(
    model: Model, *, stand_in: Model | None, precision: str, max_texts: int, threads: int
) -> TransformerClassifier:
    """Load a model; `threads` is what this thread computes with from now on.

    `stand_in`: see load_network. Raises ModelInvalid where the model cannot be used.
    """
    torch.set_num_threads(threads)
    return TransformerClassifier(model, stand_in=stand_in, precision=precision, max_texts=max_texts)


def free_cached_memory() -> None:
    """Give back what torch keeps of a GPU's memory for later."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def _split(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in order, in portions that one caller may tokenise while others wait."""
    ends = accumulate(map(len, texts))
    for _, portion in groupby(zip(ends, texts, strict=True), key=lambda pair: pair[0] // PORTION_CHARS):
        yield [text for _, text in portion]


def _load_tokenizer(directory: Path) -> Any:
    """Load the tokenizer the model was trained with.

    tokenizer.json is that, whole. Left to itself transformers 5 rebuilds it by the model's type, and gets it
    wrong without a word for RoBERTa weights with a BERT vocabulary.
    """
    loader = PreTrainedTokenizerFast if (directory / "tokenizer.json").is_file() else AutoTokenizer
    return loader.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
