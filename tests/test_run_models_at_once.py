"""Models that run at the same time, each on its part of the threads."""

from __future__ import annotations

from threading import Barrier, Event

import pytest
import torch

from mlcore.cores import model_threads, own_cores
from mlcore.parallel import run_at_once


def test_calls_run_at_the_same_time_and_share_the_threads():
    both = Barrier(2, timeout=60)

    def call() -> int:
        both.wait()  # which one after the other would not get past
        return torch.get_num_threads()

    assert run_at_once([call, call], threads=6) == [3, 3]
    assert run_at_once([call, call], threads=2) == [1, 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_does_not_divide_is_taken_in_turn(threads: int):
    is_over = Event()

    def first() -> int:
        is_over.set()
        return torch.get_num_threads()

    def second() -> tuple[bool, int]:
        return is_over.is_set(), torch.get_num_threads()

    assert run_at_once([first, second], threads=threads) == [threads, (True, threads)]


def test_who_calls_keeps_their_own_threads():
    before = torch.get_num_threads()
    run_at_once([torch.get_num_threads], threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_once_all_have_ended(threads: int):
    ended = Event()

    def fails() -> None:
        raise FloatingPointError("nothing but NaN")

    with pytest.raises(FloatingPointError, match="nothing but NaN"):
        run_at_once([fails, ended.set], threads=threads)
    assert ended.is_set()


def test_what_torch_refuses_is_raised_and_not_waited_for():
    with pytest.raises(RuntimeError, match="positive"):
        run_at_once([torch.get_num_threads], threads=0)


def test_threads_are_those_wanted_else_of_openmp_else_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert model_threads(0) == own_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", "7,2")
    assert model_threads(0) == 7
    assert model_threads(3) == 3
    for nonsense in ("0", "many", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert model_threads(0) == own_cores()
