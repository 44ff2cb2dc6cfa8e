"""Fine-tuning one half of a pair with transformers' Trainer: float32, or bfloat16 on a GPU that has it.

Imports torch, as transformer.py does; only train_model imports it, when it trains.
"""

from __future__ import annotations

import errno
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EarlyStoppingCallback,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from mlcore.errors import ModelInvalid
from mlcore.labelled import Labelled
from mlcore.network import describe_device, is_short_of_memory
from mlcore.registry import TOKENIZERS, WEIGHTS
from mlcore.splitting import Split

LONGEST_TEXT = 256  # tokens: a title and 200 characters are fewer
MOST_ALIKE = 0.5  # of all tokens are one and the same; no tokenizer of the texts' language comes near
# What turns an encoder into a classifier, by the names transformers gives it: a base need not bring it.
HEAD = ("classifier", "pre_classifier", "pooler", "score", "sequence_summary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train."""

    epochs: int  # at most
    batch_size: int
    learning_rate: float
    patience: int  # epochs without a better macro-F1 on the validation part, then it stops
    seed: int
    threads: int  # 0 leaves them to torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """How an epoch ended, on the validation part."""

    number: int
    loss: float  # classes weighed alike
    macro_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What was done; the model itself lies in the target directory."""

    epochs: tuple[Epoch, ...]
    best_epoch: int  # the one that was kept
    architecture: str  # as transformers calls it: "roberta"
    parameters: int
    device: str
    precision: str
    seconds: float


Watch = Callable[[int, int, Epoch | None], None]  # steps done, of at most, and the epoch that has just ended


def check_base(base: Path) -> None:
    """Look whether a directory can be fine-tuned, without reading its weights. Raises ModelInvalid."""
    if not base.is_dir():
        raise ModelInvalid(base, reason="there is no such directory")
    names = {path.name for path in base.iterdir()}
    for what, wanted in (("configuration", ("config.json",)), ("tokenizer", TOKENIZERS), ("weights", WEIGHTS)):
        if not names.intersection(wanted):
            raise ModelInvalid(base, reason=f"it is no checkpoint: it has no {what} ({' or '.join(wanted)})")


def train(parts: Split, *, labels: Sequence[str], base: Path, target: Path, plan: Plan, watch: Watch) -> Training:
    """Fine-tune a base on the training part; write the best epoch's model to target, with its tokenizer.

    The model's outputs stand in the order of labels. Raises ModelInvalid where the base does not do, MemoryError where
    a batch does not fit, OSError where the target cannot be written.
    """
    started = time.perf_counter()
    if plan.threads:
        torch.set_num_threads(plan.threads)
    set_seed(plan.seed)
    with _refusing(base):
        tokenizer = _load_tokenizer(base)
        module = _load_module(base, labels=labels)
        learnt, asked = (_encode(part, tokenizer, module, labels=labels) for part in (parts.train, parts.validation))
        _check_vocabulary(parts.train, tokenizer, module)
    arguments = _arguments(plan, output=target)
    best = _Best(watch)
    trainer = Trainer(
        model=module,
        args=arguments,
        train_dataset=learnt,
        eval_dataset=asked,
        data_collator=_Collator(module.config.pad_token_id or 0),
        compute_loss_func=_weigh_classes(parts.train.truth, labels),
        compute_metrics=_measure,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=plan.patience), best],
    )
    trainer.remove_callback(PrinterCallback)
    with _short_memory_as_such():
        trainer.train()
    _save(best.restore(module), tokenizer, target)
    return Training(
        epochs=tuple(best.epochs),
        best_epoch=best.number,
        architecture=module.config.model_type,
        parameters=module.num_parameters(),
        device=describe_device(arguments.device),
        precision="bfloat16" if arguments.bf16 else "float32",
        seconds=time.perf_counter() - started,
    )


class _Best(TrainerCallback):
    """Tells how far it is, and keeps the weights of the best epoch in memory: checkpoints would fill the disk."""

    def __init__(self, watch: Watch) -> None:
        self.epochs: list[Epoch] = []
        self.number = 0
        self._watch = watch
        self._weights: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._watch(state.global_step, state.max_steps, None)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics, module = kwargs["metrics"], kwargs["model"]
        number = round(state.epoch)
        epoch = Epoch(number=number, loss=metrics["eval_loss"], macro_f1=metrics["eval_macro_f1"])
        if epoch.macro_f1 > max((earlier.macro_f1 for earlier in self.epochs), default=-math.inf):
            self.number = number
            self._weights = {name: weights.to("cpu", copy=True) for name, weights in module.state_dict().items()}
        self.epochs.append(epoch)
        self._watch(state.global_step, state.max_steps, epoch)

    def restore(self, module: Any) -> Any:
        module.load_state_dict(self._weights)
        return module


class _Collator:
    """Pads examples as the engine does: to the longest, without token types."""

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        lengths = torch.tensor([len(example["input_ids"]) for example in examples])
        width = int(lengths.max())
        rows = [[*ids, *[self._padding] * (width - len(ids))] for ids in (each["input_ids"] for each in examples)]
        return {
            "input_ids": torch.tensor(rows),
            "attention_mask": (torch.arange(width) < lengths[:, None]).long(),
            "labels": torch.tensor([example["labels"] for example in examples]),
        }


def _arguments(plan: Plan, *, output: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(output),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size,
        per_device_eval_batch_size=4 * plan.batch_size,
        learning_rate=plan.learning_rate,
        # Batches are drawn, not made of like lengths: where length goes with the label, those are of one class.
        weight_decay=0.01,
        warmup_steps=0.1,  # a share of all steps
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="no",
        metric_for_best_model="macro_f1",
        greater_is_better=True,
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=plan.seed,
    )


def _weigh_classes(truth: Sequence[str], labels: Sequence[str]) -> Callable[..., torch.Tensor]:
    """Return a loss in which every class counts alike, however few its texts are."""
    balanced = compute_class_weight("balanced", classes=np.array(labels), y=np.array(truth))
    weights = torch.tensor(balanced, dtype=torch.float32)

    def loss(output: Any, labels: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        logits = output.logits.float()
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        # Not torch's own weighing, in which the weights of a batch of one class cancel out.
        return (losses * weights.to(logits.device)[labels]).mean()

    return loss


def _measure(answers: Any) -> dict[str, float]:
    said = np.argmax(answers.predictions, axis=-1)
    return {"macro_f1": float(f1_score(answers.label_ids, said, average="macro", zero_division=0.0))}


def _encode(part: Labelled, tokenizer: Any, module: Any, *, labels: Sequence[str]) -> list[dict[str, Any]]:
    # RoBERTa uses no position up to its padding's: two are left out, for any model.
    positions = getattr(module.config, "max_position_embeddings", LONGEST_TEXT + 2) - 2
    longest = min(LONGEST_TEXT, tokenizer.model_max_length, positions)
    encoded = tokenizer(list(part.texts), truncation=True, max_length=longest)["input_ids"]
    place = {label: index for index, label in enumerate(labels)}
    return [{"input_ids": ids, "labels": place[label]} for ids, label in zip(encoded, part.truth, strict=True)]


def _check_vocabulary(part: Labelled, tokenizer: Any, module: Any) -> None:
    known, vocabulary = len(tokenizer), module.get_input_embeddings().num_embeddings
    if known > vocabulary:
        raise ValueError(f"its tokenizer knows {known} tokens, the model {vocabulary}")
    # One token for all unknown words; which one it is, not every tokenizer says.
    tokens = [token for text in part.texts for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    if not tokens or Counter(tokens).most_common(1)[0][1] > MOST_ALIKE * len(tokens):
        raise ValueError("its tokenizer does not know the texts' language: most of their words are one token to it")


def _load_tokenizer(base: Path) -> Any:
    # As transformer.py reads them: tokenizer.json is the tokenizer, whole.
    loader = PreTrainedTokenizerFast if (base / "tokenizer.json").is_file() else AutoTokenizer
    return loader.from_pretrained(base, local_files_only=True, trust_remote_code=False)


def _load_module(base: Path, *, labels: Sequence[str]) -> Any:
    """Load a base and give it a head for these labels; its own is kept where it has as many."""
    module, report = AutoModelForSequenceClassification.from_pretrained(
        base,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        local_files_only=True,
        trust_remote_code=False,
        weights_only=True,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # a head of other labels is made anew; anything else is refused here
    )
    absent = [*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])]
    if foreign := sorted(name for name in absent if not any(part in HEAD for part in name.split("."))):
        raise ValueError(f"its weights do not fit its config.json: {foreign[0]} and {len(foreign) - 1} more")
    if not all(bool(torch.isfinite(weights).all()) for weights in module.parameters()):
        raise ValueError("its weights hold NaN or infinity")
    return module


def _save(module: Any, tokenizer: Any, target: Path) -> None:
    """Write model and tokenizer. Raises OSError, whatever the libraries raise over a full disk."""
    try:
        module.save_pretrained(target)
        tokenizer.save_pretrained(target)
    except OSError:
        raise
    except Exception as exc:
        raise OSError(errno.EIO, _said(exc), str(target)) from exc


@contextmanager
def _refusing(base: Path) -> Iterator[None]:
    """Turn whatever is raised over anyone's files into ModelInvalid, in one line."""
    try:
        yield
    except ModelInvalid:
        raise
    except Exception as exc:
        raise ModelInvalid(base, reason=_said(exc)) from exc


@contextmanager
def _short_memory_as_such() -> Iterator[None]:
    """Raise MemoryError for whatever a device says of it."""
    try:
        yield
    except Exception as exc:
        if not is_short_of_memory(exc):
            raise
        raise MemoryError(_said(exc)) from exc


def _said(exc: Exception) -> str:
    return shorten(str(exc), width=160, placeholder="").rstrip(".") or type(exc).__name__
