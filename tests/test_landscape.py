"""The valley of the positive-only loss, against the definition and the flow."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, PositiveOnly, spectrum, terminal_condition_number, train
from mmcl.claims.curvature import curvature
from mmcl.landscape import aligned_weights, saddle, terminal_shares, valley_curvatures
from mmcl.latents import GaussianLatents
from mmcl.pair import Pair
from mmcl.worlds import CANONICAL

RNG = np.random.default_rng
WORLD = PairedData((2.0, 1.0), (1.0, 1.5), noise_a=(0.5, 0.0), noise_b=0.7, ambient_dim=(4, 3))
SHARES = np.array([0.8, 0.2])


def test_aligned_weights_have_the_shares_that_were_asked_for_and_nothing_else():
    turn = np.linalg.qr(RNG(1).standard_normal((4, 4)))[0]
    world = PairedData((2.0, 1.0), noise_a=0.5, ambient_dim=4, basis_a=turn)
    weights = aligned_weights(world, SHARES, 5, rng=RNG(0))
    found = spectrum(*weights, data=world)
    np.testing.assert_allclose(found.theta[:2], SHARES, atol=1e-12)
    np.testing.assert_allclose(found.cosines[:2], 1, atol=1e-12)
    assert found.alignment == pytest.approx(1, abs=1e-12)
    at = train(world, PositiveOnly(), weights=weights, step_size=0.1, steps=1)
    assert np.abs(at.noise_share[0]).max() < 1e-12
    np.testing.assert_allclose(at.theta[1], at.theta[0], atol=1e-12, err_msg="training on positives stays there")


@pytest.mark.parametrize("theta", [(0.5, 0.5), (0.8, 0.2), (1.0, 0.0)])
def test_the_curvatures_are_those_of_the_definition(theta):
    found = curvature(WORLD, PositiveOnly(), aligned_weights(WORLD, theta, 3, rng=RNG(2)))
    due = valley_curvatures(WORLD, theta, 3)
    np.testing.assert_allclose(found.eigenvalues, due, atol=1e-12)
    assert found.value == pytest.approx(-2, abs=1e-14)
    assert int(np.sum(np.abs(due) < 1e-12)) == 3 * 2 + 1 + 3, "mr + 1, and m for the noiseless coordinate"


def test_the_gradient_of_the_definition_is_that_of_finite_differences():
    weights = aligned_weights(WORLD, SHARES, 2, rng=RNG(3))
    y = np.concatenate([w.ravel() for w in weights])
    cut, step = weights.a.size, 1e-6

    def value(y):
        parts = Pair(*(x.reshape(w.shape) for x, w in zip(np.split(y, [cut]), weights, strict=True)))
        return curvature(WORLD, InfoNCE(3.0), parts).value

    slopes = [(value(y + step * e) - value(y - step * e)) / (2 * step) for e in np.eye(len(y))]
    np.testing.assert_allclose(curvature(WORLD, InfoNCE(3.0), weights).gradient, slopes, atol=1e-8)


@pytest.mark.parametrize("objective", [InfoNCE(4.0), InfoNCE(0.5, negatives=1e4)])
@pytest.mark.parametrize("kept", [1, 2])
def test_the_index_of_a_saddle_is_that_of_the_definition(objective, kept):
    theta = np.repeat([1 / kept, 0.0], [kept, 2 - kept])
    found = curvature(WORLD, objective, aligned_weights(WORLD, theta, 3, rng=RNG(4)))
    due = saddle(WORLD, objective, kept, 3)
    assert int(np.sum(found.eigenvalues < -1e-10)) == due.index
    if kept == 1:
        assert found.eigenvalues[0] == pytest.approx(min(due.across[0], due.along[0]), rel=1e-10)


def test_an_escape_across_the_kept_coordinates_is_always_open():
    for tau2 in np.geomspace(0.01, 50, 20):
        for K in (0.1, 1.0, 1e6):
            assert (saddle(CANONICAL, InfoNCE(tau2, negatives=K), 3, 20).across < 0).all()


def test_rows_of_unit_length_end_where_the_condition_number_says():
    theta = terminal_shares(CANONICAL, np.ones(64))
    assert np.sqrt(theta.max() / theta.min()) == pytest.approx(terminal_condition_number(CANONICAL), rel=1e-12)


def test_a_common_factor_of_the_lengths_changes_no_end():
    lengths = np.exp(RNG(5).standard_normal(64))
    np.testing.assert_allclose(terminal_shares(CANONICAL, lengths), terminal_shares(CANONICAL, 7 * lengths), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: aligned_weights(WORLD, (0.5, 0.6), 3, rng=RNG(0)),
            "`theta` (θ) must hold r = 2 shares that sum to one; got 2 with the sum 1.1.",
        ),
        (
            lambda: aligned_weights(WORLD, SHARES, 1, rng=RNG(0)),
            "`width` (m) must be a whole number of at least 2; got 1.",
        ),
        (
            lambda: saddle(WORLD, InfoNCE(1.0), 3, 3),
            "`kept` (s) must be at most the number of signal coordinates, r = 2; got 3.",
        ),
        (
            lambda: terminal_shares(WORLD, np.ones(4)),
            "`data` must have symmetric modalities and noise in every noise coordinate.",
        ),
        (
            lambda: terminal_shares(CANONICAL, np.ones(8)),
            "`lengths` (ℓ) must have d = 64 entries; got 8.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()


def test_a_saddle_is_that_of_a_world_of_signs():
    with pytest.raises(TypeError, match=r"^`data\.latents` must be Signs; got GaussianLatents\(\)"):
        saddle(replace(CANONICAL, latents=GaussianLatents()), InfoNCE(2.0), 1, 16)
    for function in (lambda: saddle(3, InfoNCE(2.0), 1, 4), lambda: valley_curvatures(3, [1.0], 4)):
        with pytest.raises(TypeError, match=r"^`data` must be PairedData; got 3\.$"):
            function()
