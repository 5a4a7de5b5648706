"""The step of InfoNCE on fair signs, which works in place, is the step of the general form."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, train
from mmcl.latents import UniformLatents
from mmcl.pair import Pair
from mmcl.training import Adam, GradientDescent, Momentum
from mmcl.training.compiled import compiled
from mmcl.training.descent import Descent
from mmcl.training.scores import gradient_in_r
from mmcl.training.sign_batch import SignBatch, takes_signs
from mmcl.training.sign_exponential import exponential
from mmcl.worlds import SMALL, UNEQUAL

FRAME = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
WORLD = replace(SMALL, signal_b=(1.0, 1.7), noise_b=0.3, basis_b=FRAME)
WORLD_OF_7 = PairedData(signal_a=np.ones(3), ambient_dim=7)
SETTINGS = {"width": 9, "step_size": 0.05, "steps": 15, "batch_size": 24, "record_every": 4}


def filled(n, d, dtype=np.float64):
    batch = SignBatch.empty(n, d, dtype)
    world = PairedData(signal_a=np.ones(2), ambient_dim=d)
    return world.signs(n, rng=np.random.default_rng(n + d), dtype=dtype, out=batch)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize(("n", "d"), [(1, 2), (8, 5), (1100, 70), (513, 32), (300, 64), (450, 100), (600, 130)])
@pytest.mark.parametrize("objective", [InfoNCE(4.0, negatives=511.0), InfoNCE(0.3, negatives=0.0)], ids=str)
def test_its_slopes_are_those_of_the_general_form(objective, n, d, dtype, rtol):
    batch = filled(n, d, dtype)
    R = (np.random.default_rng(0).standard_normal((d, d)) / d).astype(dtype)
    loss, slope = gradient_in_r(objective, R, batch)
    expected, general = gradient_in_r(objective, R.astype(float), Pair(*(eps.astype(float) for eps in batch)))
    assert loss == pytest.approx(expected, rel=rtol)
    np.testing.assert_allclose(slope, general, rtol=0, atol=rtol * np.abs(general).max())
    assert slope.dtype == dtype


@pytest.mark.parametrize("d", [16, 32])
def test_a_large_batch_loses_no_digits_in_single_precision(d):
    """Where small sums are added one after the other to a large one, the mean is off by 1e-5 and more."""
    R, batch = np.diag(np.linspace(0.01, 0.1, d)).astype(np.float32), SignBatch.empty(20_000, d, np.float32)
    world = PairedData(signal_a=np.ones(d), ambient_dim=d)
    world.signs(20_000, rng=np.random.default_rng(0), dtype=np.float32, out=batch)
    _, slope = gradient_in_r(InfoNCE(4.0, negatives=511.0), R, batch)
    _, due = gradient_in_r(InfoNCE(4.0, negatives=511.0), R.astype(float), Pair(*(x.astype(float) for x in batch)))
    assert np.linalg.norm(slope - due) < 3e-6 * np.linalg.norm(due)


@pytest.mark.parametrize("scale", [1e3, 1e30, 1e300])
def test_scores_whose_exponentials_overflow_are_no_trouble(scale):
    batch = filled(40, 6)
    with np.errstate(all="raise", under="ignore"):
        loss, slope = gradient_in_r(InfoNCE(scale, negatives=3.0), np.eye(6), batch)
    general = gradient_in_r(InfoNCE(scale, negatives=3.0), np.eye(6), Pair(*batch))
    assert loss == general[0] and np.isfinite(slope).all()
    np.testing.assert_array_equal(slope, general[1])


def test_a_product_that_underflows_is_no_trouble():
    """A thousand coordinates that agree make the product of their factors zero, and no later one brings it back."""
    signs = np.where(np.random.default_rng(0).random((5, 1500)) < 0.5, -1.0, 1.0)
    batch = SignBatch.empty(5, 1500, np.float64)
    batch.a[:], batch.b[:] = signs, signs
    batch.b[:, 1100:] *= -1
    R = np.eye(1500)
    loss, slope = gradient_in_r(InfoNCE(3.0, negatives=1.0), R, batch)
    expected, general = gradient_in_r(InfoNCE(3.0, negatives=1.0), R, Pair(*batch))
    assert loss == expected > 100 and np.abs(slope).max() > 0.1
    np.testing.assert_array_equal(slope, general)


@pytest.mark.parametrize(("dtype", "tau2"), [(np.float32, 1e-25), (np.float64, 1e-170)])
def test_the_smallest_temperatures_keep_the_normaliser_in_place(dtype, tau2):
    def end(tau2, dtype):
        settings = {"width": 9, "steps": 20, "step_size": 0.1 / tau2, "batch_size": 64, "dtype": dtype}
        return train(WORLD, InfoNCE(tau2, negatives=7.0), rng=np.random.default_rng(5), **settings)

    found, due = end(tau2, dtype), end(1e-6, np.float64)
    assert np.linalg.norm(found.weights.a) == pytest.approx(np.linalg.norm(due.weights.a), rel=1e-5)
    np.testing.assert_allclose(found.theta[-1], due.theta[-1], atol=1e-5)


@pytest.mark.parametrize("rows", [8, 16, 40])
def test_signs_are_spread_out_as_many_at_a_time_as_there_is_room_for(rows):
    batch = SignBatch.empty(45, 7, np.float32)
    batch.room = batch.room._replace(flat=np.empty(2 * 7 * rows, np.float32))
    due = WORLD_OF_7.signs(45, rng=np.random.default_rng(1), dtype=np.float32)
    for one, other in zip(batch.draw(3, np.random.default_rng(1)), due, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("optimizer", [GradientDescent(), Momentum(0.9), Adam()], ids=repr)
@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1}, {"dtype": np.float32}], ids=str)
def test_a_run_is_that_of_the_general_form(optimizer, more, monkeypatch):
    def run():
        rng = np.random.default_rng(5)
        return train(WORLD, InfoNCE(3.0, negatives=7.0), rng=rng, optimizer=optimizer, **SETTINGS, **more)

    quick = run()
    monkeypatch.setattr(Descent, "_quick", lambda self: None)
    monkeypatch.setattr("mmcl.training.descent.takes_signs", lambda data: False)
    general, atol = run(), 1e-4 if "dtype" in more else 1e-11
    for name, column in general.columns().items():
        np.testing.assert_allclose(quick.columns()[name], column, rtol=10 * atol, atol=atol, err_msg=name)
    for w, v in zip(quick.weights, general.weights, strict=True):
        np.testing.assert_allclose(w, v, atol=atol)
    assert quick.rng_state == general.rng_state


@pytest.mark.parametrize(("kind", "low", "high"), [(np.float32, -87, 88), (np.float64, -708, 709)])
def test_its_exponential_is_right_to_the_last_digit_or_two_and_ends_in_zero_and_infinity(kind, low, high):
    x = np.concatenate([np.linspace(low, high, 100_003)[1:-1], np.linspace(-1, 1, 10_001)]).astype(kind)
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(exponentials(x) / exact - 1)) < 1.5 * np.finfo(kind).eps
    ends = np.array([low - 1, -1e4, -np.inf, high + 1, 1e4, np.inf], kind)
    np.testing.assert_array_equal(exponentials(ends), [0, 0, 0, np.inf, np.inf, np.inf])
    assert exponential(0.5) == np.exp(0.5)  # where it is not compiled


@compiled
def exponentials(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = exponential(x[i])
    return out


@pytest.mark.parametrize(("n", "d", "r"), [(1, 1, 1), (3, 5, 2), (128, 7, 7), (129, 64, 8), (300, 33, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_its_batches_are_those_of_the_world(n, d, r, dtype):
    world, rng, same = PairedData(signal_a=np.ones(r), ambient_dim=d), *map(np.random.default_rng, (n, n))
    batch = SignBatch.empty(n, d, dtype)
    for _ in range(2):
        due = world.signs(n, rng=same, dtype=dtype)
        for mine, theirs in zip(batch.draw(r, rng), due, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert rng.bit_generator.state == same.bit_generator.state


def test_uncompiled_it_is_plain_python_and_finds_the_same():
    run = (
        "import numpy, mmcl; world = mmcl.PairedData(signal_a=numpy.ones(3), ambient_dim=34); "
        "print(*mmcl.train(world, mmcl.InfoNCE(4.0, negatives=7.0), width=8, step_size=0.5, steps=3, batch_size=9, "
        "rng=numpy.random.default_rng(0)).loss)"
    )
    losses = {
        disabled: np.array(
            subprocess.run(
                [sys.executable, "-c", run], env=os.environ | {"NUMBA_DISABLE_JIT": disabled}, capture_output=True,
                text=True, check=True, timeout=60,
            ).stdout.split(),
            float,
        )
        for disabled in "01"
    }  # fmt: skip
    np.testing.assert_allclose(losses["1"], losses["0"], rtol=1e-13)


def test_it_serves_fair_signs_of_as_many_coordinates_alone():
    assert takes_signs(SMALL)
    assert not takes_signs(UNEQUAL)
    assert not takes_signs(replace(SMALL, latents=UniformLatents()))


def test_a_batch_is_drawn_over_the_one_before():
    batch = filled(10, 4)
    first = batch.a.copy()
    world = PairedData(signal_a=np.ones(2), ambient_dim=4)
    again = world.signs(10, rng=np.random.default_rng(77), out=batch)
    fresh = world.signs(10, rng=np.random.default_rng(77))
    assert again is batch and (batch.a != first).any()
    for mine, theirs in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (Pair(np.empty((10, 4)), np.empty((9, 4))), r"`out` must have the shapes (10, 4) and (10, 4); got (10, 4) and"),
        (np.empty((2, 10, 4)), "`out` must be Pair; got "),
    ],
    ids=["shape", "type"],
)
def test_a_place_that_does_not_fit_is_named(out, message):
    world = PairedData(signal_a=np.ones(2), ambient_dim=4)
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        world.signs(10, rng=np.random.default_rng(0), out=out)
