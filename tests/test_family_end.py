"""Where the losses of the family end: the lowest point of the loss, and the first integrals."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq

from mmcl import PairedData, gradient_flow
from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.family_end import critical_weight, end_of, sigmoid_optimum, stopped
from mmcl.latents import GaussianLatents, SparseLatents
from mmcl.methods import BYOL, BarlowTwins, DirectPred, SimSiam, VICReg
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.share_potentials import Shares, slopes
from mmcl.worlds import SMALL


def _along_equal_shares(objective: Sigmoid, x: np.ndarray, r: int) -> np.ndarray:
    theta, none = np.ones(r) / r, Pair(np.empty(0), np.empty(0))
    return np.array([slopes(objective, Shares(theta, theta, at * theta, none, none)).loss for at in x])


@pytest.mark.parametrize("objective", [Sigmoid(10.0, 5.0, 15.0), Sigmoid(6.0, -2.0, 40.0), Sigmoid(2.0, -10.0, 1.0)])
def test_the_sigmoids_optimum_is_the_lowest_point_of_the_loss(objective):
    x = np.linspace(0, 1, 2001)
    lowest = x[_along_equal_shares(objective, x, 4).argmin()]
    optimum, h = sigmoid_optimum(objective, 4), 1e-4
    assert optimum == pytest.approx(lowest, abs=1e-3)
    before, after = _along_equal_shares(objective, np.array([optimum - h, optimum + h]), 4)
    slope = (after - before) / (2 * h)
    assert slope == pytest.approx(0.0, abs=1e-6) if optimum < 1 else slope < 0


@pytest.mark.parametrize("bias", [25.0, 35.0, 200.0])
def test_the_sigmoids_optimum_keeps_its_digits_where_every_negative_is_pushed_with_all_its_might(bias):
    # A large bias leaves of σ(u) only 1 - e^{-u}: then e^{-τ²x} = K sinh(τ²x/r) cosh(τ²x/r)^{r-1}, whatever the bias.
    due = brentq(lambda x: np.exp(-10 * x) - 15 * np.sinh(5 * x) * np.cosh(5 * x), 0, 1, xtol=1e-15)
    assert sigmoid_optimum(Sigmoid(10.0, bias, 15.0), 2) == pytest.approx(due, rel=1e-9)


@pytest.mark.parametrize("weight", [0.3, 1.5, 4.0])
def test_the_end_of_uniformity_is_the_lowest_point_of_the_loss(weight):
    r, m = 3, 5
    world = PairedData(signal_a=(2.0, 1.5, 1.0), noise_a=0.5, ambient_dim=r + m)
    objective, shares = AlignmentUniformity(weight, 1.5), np.linspace(0, 1, 4001)

    def value(kept: float) -> float:
        signal, noise = np.full(r, (1 - kept) / r), Pair(np.array([kept / m]), np.array([kept / m]))
        return slopes(objective, Shares(signal, signal, signal, noise, Pair(np.array([m]), np.array([m])))).loss

    kept = shares[np.argmin([value(x) for x in shares])]
    end = end_of(world, objective)
    assert end.noise_share == pytest.approx(kept, abs=1e-3)
    assert end.alignment == pytest.approx(1 - kept, abs=1e-3)
    if end.noise_share:
        assert (value(end.noise_share + 1e-4) - value(end.noise_share - 1e-4)) / 2e-4 == pytest.approx(0.0, abs=1e-6)
    assert (end.noise_share > 0) == (weight > critical_weight(r, 1.5))


def test_at_the_critical_weight_a_little_noise_costs_nothing():
    r, s, h = 8, 2.0, 1e-6
    objective, none = AlignmentUniformity(critical_weight(r, s), s), np.array([0.0])
    counts = Pair(np.array([4]), np.array([4]))

    def value(kept: float) -> float:
        signal, noise = np.full(r, (1 - kept) / r), none + kept / 4
        return slopes(objective, Shares(signal, signal, signal, Pair(noise, noise), counts)).loss

    assert (value(h) - value(0.0)) / h == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("alignment", [0.05, 0.4, 0.95])
def test_the_stopped_state_lies_on_the_first_integrals(alignment):
    world = PairedData(signal_a=(2.0, 1.2, 1.0), noise_a=(0.5, 0.3), ambient_dim=5)
    end, path = stopped(world, alignment), gradient_flow(world, Spectral(3 / alignment), [0.0, 1e5])
    assert end.alignment == alignment
    assert end.condition_number == pytest.approx(path.condition_number[-1], rel=1e-6)
    assert end.noise_share == pytest.approx(path.noise_share[-1, 0], abs=1e-7)


def test_a_scale_of_the_whole_world_changes_no_end():
    large = PairedData(signal_a=(2e8, 1e8), noise_a=5e7, ambient_dim=6)
    small = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=6)
    np.testing.assert_allclose(end_of(large, Spectral(5.0)), end_of(small, Spectral(5.0)), rtol=1e-9)
    assert end_of(small, Spectral(1.0)) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("objective", [InfoNCE(4.0), Decoupled(4.0), NTXent(4.0)], ids=lambda x: type(x).__name__)
def test_losses_with_a_positive_force_end_aligned_and_balanced(objective):
    assert end_of(SMALL, objective) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(
    "objective", [InfoNCE(4.0, 0.0), NTXent(4.0, 0.0), Sigmoid(4.0, negatives=0.0), AlignmentUniformity(weight=0.0)]
)
def test_without_negatives_there_is_no_end_in_closed_form(objective):
    with pytest.raises(ValueError, match=r"^`(negatives` \(K\)|weight` \(λ\)) must be positive and finite; got 0"):
        end_of(SMALL, objective)


def test_the_end_is_that_of_sign_latents():
    with pytest.raises(TypeError, match=r"^`data\.latents` must be Signs; got GaussianLatents\(\)"):
        end_of(replace(SMALL, latents=GaussianLatents()), InfoNCE(4.0))


def test_uniformity_keeps_no_noise_where_there_is_none():
    world = PairedData(signal_a=(2.0, 1.0), noise_a=0.0, ambient_dim=6)
    assert end_of(world, AlignmentUniformity(10.0)) == (1.0, 1.0, 0.0)
    path = gradient_flow(world, AlignmentUniformity(10.0), [0.0, 1e4])
    assert path.alignment[-1] == pytest.approx(1, abs=1e-6) and path.condition_number[-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("mu", [1e3, 1e6, 1e12])
def test_a_bar_that_is_met_almost_at_once_leaves_the_start(mu):
    found = end_of(SMALL, Spectral(mu))
    s2, x2 = SMALL.views.a.signal**2, SMALL.views.a.noise**2
    assert found.condition_number == pytest.approx(np.sqrt(s2.max() / s2.min()), rel=20 / mu)
    assert found.noise_share == pytest.approx(x2.sum() / (s2.sum() + x2.sum()), rel=20 / mu)


@pytest.mark.parametrize("kind", [np.uint8, np.float16, Fraction, Decimal])
def test_numbers_of_any_type_are_kept_as_floats(kind):
    for one in (
        AlignmentUniformity(kind(200), kind(200)), Spectral(kind(17)), Sigmoid(kind(4), kind(2), kind(3)),
        Decoupled(kind(4)), NTXent(kind(4), kind(3)), SimSiam(kind(16), kind(1)), BYOL(kind(1), kind(2), kind(3)),
        DirectPred(kind(1), kind(0)), VICReg(kind(25), kind(25), kind(200)), BarlowTwins(kind(1)),
        SparseLatents(kind(1)),
    ):  # fmt: skip
        numbers = [getattr(one, field.name) for field in fields(one)]
        assert all(type(number) in (float, bool) for number in numbers), one
