"""The spectrum of a representation's covariance, and what noise along a signal direction does to it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mmcl import InfoNCE, PairedData, PositiveOnly, gradient_flow, train
from mmcl.augmentation import augmentation_threshold, escape_rate
from mmcl.claims.augmented import ends, rates
from mmcl.covariance import covariance_eigenvalues, covariance_flow
from mmcl.latents import GaussianLatents
from mmcl.pair import Pair
from mmcl.worlds import CANONICAL, UNEQUAL

RNG = np.random.default_rng
TIMES = np.array([0.0, 1.0, 20.0, 400.0])


@pytest.mark.parametrize("objective", [InfoNCE(4.0), PositiveOnly()])
@pytest.mark.parametrize("world", [CANONICAL, UNEQUAL], ids=["canonical", "unequal"])
def test_the_spectrum_is_that_of_the_flow(world, objective):
    found, path = covariance_flow(world, objective, TIMES), gradient_flow(world, objective, TIMES)
    np.testing.assert_allclose(found.signal.sum(axis=1) + found.noise.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.noise.sum(axis=1), path.noise_share[:, 0], rtol=1e-6)
    kappa = np.sqrt(found.signal.max(axis=1) / found.signal.min(axis=1))
    np.testing.assert_allclose(kappa, path.condition_number, rtol=1e-6)
    scales = np.concatenate([world.views.a.signal, world.views.a.noise]) ** 2
    start = np.concatenate([found.signal[0], found.noise[0]])
    np.testing.assert_allclose(start, scales / scales.sum(), rtol=1e-12, err_msg="in the order of the coordinates")


def test_the_eigenvalues_are_those_of_the_features_drawn():
    turn = np.linalg.qr(RNG(0).standard_normal((5, 5)))[0]
    world = PairedData((2.0, 1.0), noise_a=0.5, ambient_dim=5, basis_a=turn)
    w = RNG(1).standard_normal((5, 7))
    f = world.sample(200_000, rng=RNG(2)).a @ w
    covariance = f.T @ f / np.sum(f**2)
    # Products of signs scatter by 1/√n each; five standard errors.
    drawn = np.linalg.eigvalsh(covariance)[::-1][:5]
    np.testing.assert_allclose(covariance_eigenvalues(world, Pair(w, w)), drawn, atol=5 / np.sqrt(200_000))


def test_random_rows_repel_and_leave_the_trace_alone():
    w = RNG(3).standard_normal((64, 512)) / np.sqrt(512)
    found = covariance_eigenvalues(CANONICAL, Pair(w, w))
    assert found.sum() == pytest.approx(1, rel=1e-12)
    assert found[8] > 1.3 * found[8:].mean() > 2 * found[-1]


@pytest.mark.parametrize("objective", [InfoNCE(3.0, negatives=7.0), PositiveOnly()])
def test_without_noise_of_its_own_an_empty_direction_grows_as_in_the_flow(objective):
    """A direction without augmentation, beside one that is balanced, in the world of orthogonal noise."""
    world, tiny = PairedData((2.0, 1.0), noise_a=0.5, ambient_dim=2), 1e-6
    rows = np.diag([1 / 2.0, tiny])
    run = train(world, objective, weights=Pair(rows, rows), step_size=1e-4, steps=1, batch_size=None)
    grown = run.weights.a[1, 1] / tiny - 1
    due = escape_rate(objective, 1, 1.0, 0.0)
    assert grown / 1e-4 == pytest.approx(due, abs=1e-6 * (1 + abs(due)))


def test_the_rate_vanishes_at_the_threshold_whatever_the_scale_and_the_weight_of_the_negatives():
    for tau2, K, s, sigma in ((1.0, 1.0, 2, 0.3), (4.0, 511.0, 3, 2.0)):
        objective = InfoNCE(tau2, negatives=K)
        nu = sigma * np.sqrt(augmentation_threshold(objective, s))
        scale = escape_rate(objective, s, sigma, 0.0)
        assert abs(escape_rate(objective, s, sigma, nu)) < 1e-12 * scale
        signal = np.append(np.full(s, 1.5), sigma)
        assert abs(rates(objective, signal, np.array([nu]))[0]) < 1e-6 * (1 + scale)
    assert augmentation_threshold(PositiveOnly(), 2) == 0


def test_the_end_without_augmentation_is_balanced():
    found = ends(InfoNCE(2.0), np.array([1.5, 1.2, 1.0]), np.array([0.0]), step_size=0.5, steps=400)
    np.testing.assert_allclose(found.shares, 1 / 3, atol=1e-4)
    assert found.alignment[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: covariance_eigenvalues(CANONICAL, Pair(np.eye(3), np.eye(3))),
            "`weights` (W_A) must have d_A = 64 rows; got 3.",
        ),
        (
            lambda: escape_rate(InfoNCE(1.0), 2, 0.0, 1.0),
            "`signal` (σ_q) must be positive and finite; got 0.0.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()


def test_the_spectrum_along_the_flow_is_that_of_a_world_of_signs():
    with pytest.raises(TypeError, match=r"^`data\.latents` must be Signs; got GaussianLatents\(\)"):
        covariance_flow(replace(CANONICAL, latents=GaussianLatents()), InfoNCE(2.0), [0.0, 1.0])
