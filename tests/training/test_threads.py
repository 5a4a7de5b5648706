"""Two halves of a step at once give what they give one after the other."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mmcl import InfoNCE, train
from mmcl.training import threads
from mmcl.worlds import CANONICAL


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)


def test_long_halves_run_beside_each_other(two_cores):
    names = threads.both(*2 * [lambda: threading.current_thread().name], threads.LONG)
    assert len(set(names)) == 2


def test_short_halves_and_a_single_core_stay_in_one_thread(two_cores, monkeypatch):
    here = threading.current_thread().name
    assert threads.both(*2 * [lambda: threading.current_thread().name], threads.LONG - 1) == (here, here)
    monkeypatch.setattr(threads, "cores", lambda: 1)
    assert threads.both(*2 * [lambda: threading.current_thread().name], threads.LONG) == (here, here)


def test_an_error_of_either_half_arrives(two_cores):
    for halves in ((lambda: 1, lambda: 1 / 0), (lambda: 1 / 0, lambda: 1)):
        with pytest.raises(ZeroDivisionError):
            threads.both(*halves, threads.LONG)


def test_a_run_on_two_cores_is_that_on_one_bit_for_bit(monkeypatch):
    def trained(cores):
        monkeypatch.setattr(threads, "cores", lambda: cores)
        return train(
            CANONICAL, InfoNCE(4.0, negatives=511), step_size=0.5, steps=20, width=32, batch_size=512,
            rng=np.random.default_rng(0),
        )  # fmt: skip

    np.testing.assert_array_equal(trained(1).theta, trained(2).theta)


@pytest.mark.parametrize(("asked", "most"), [("1", 1), ("1000", 1000), ("0", 1000), ("", 1000), ("two", 1000)])
def test_the_environment_can_ask_for_fewer_cores(asked, most, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    threads.cores.cache_clear()
    try:
        assert 1 <= threads.cores() <= most
    finally:
        threads.cores.cache_clear()
