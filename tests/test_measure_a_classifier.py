"""Measuring a classifier on labelled texts."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from mlcore.evaluate import evaluate
from mlcore.optimize import time_in_turn
from mlcore.types import Method, Prediction


class Parrot:
    """Says what the text says, with the confidence it is given."""

    revision = "parrot"
    method: Method = "keyword"

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        rest = 1.0 - self.confidence
        return [
            Prediction(label=t, scores={"a": rest, "b": rest, t: self.confidence}, method=self.method) for t in texts
        ]


def test_perfect_answers_score_one():
    report = evaluate(Parrot(1.0), ["a", "b"] * 20, ["a", "b"] * 20, labels=["a", "b"])

    assert (report.macro_f1, report.interval, report.calibration_error) == (1.0, (1.0, 1.0), 0.0)
    assert report.confusion == ((20, 0), (0, 20))


def test_each_class_gets_its_precision_and_recall():
    report = evaluate(Parrot(0.5), ["a", "a", "a", "b"], ["a", "a", "b", "b"], labels=["a", "b"])

    a, b = report.classes
    assert (a.precision, a.recall, a.support) == (pytest.approx(2 / 3), 1.0, 2)
    assert (b.precision, b.recall, b.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert report.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert report.interval[0] < report.macro_f1 < report.interval[1] or report.interval[1] == 1.0


def test_confidence_beyond_accuracy_is_a_calibration_error():
    report = evaluate(Parrot(0.9), ["a", "a"], ["a", "b"], labels=["a", "b"])

    assert report.calibration_error == pytest.approx(0.4)


class Starter(Parrot):
    """Takes its time over the first texts that it reads."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.read: list[str] = []

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        if not self.read:
            time.sleep(0.5)
        self.read += texts
        return super().predict(texts)


@pytest.mark.parametrize(("texts", "readings"), [(1, 2), (64, 128), (65, 65), (200, 200)])
def test_what_is_done_once_is_no_part_of_the_speed(texts, readings):
    starter, labels = Starter(), ["a", "b"]
    truth = [labels[number % 2] for number in range(texts)]
    report = evaluate(starter, truth, truth, labels=labels)

    assert texts / report.texts_per_second < 0.5
    assert report.accuracy == 1.0
    assert sum(map(sum, report.confusion)) == texts
    assert len(starter.read) == readings


def test_two_are_timed_in_turn_and_each_at_its_best():
    passes: list[str] = []

    class Disturbed(Parrot):
        def __init__(self, name: str, *seconds: float) -> None:
            super().__init__(1.0)
            self.name, self.seconds = name, iter(seconds)

        def predict(self, texts: Sequence[str]) -> list[Prediction]:
            passes.append(self.name)
            time.sleep(next(self.seconds))
            return super().predict(texts)

    original, copy = time_in_turn([Disturbed("original", 1.2, 0.8, 1.2), Disturbed("copy", 2.0, 0.1, 2.0)], ["a"])

    assert passes == ["original", "copy"] * 3
    assert 1 / 1.2 < original < 1 / 0.8 < copy < 10


def test_a_label_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="c"):
        evaluate(Parrot(1.0), ["a"], ["c"], labels=["a", "b"])
