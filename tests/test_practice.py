"""Latents, forces without a closed form, and the edge of stability, each against its definition."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import binom

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, gradient_flow, relaxation_rates, train
from mmcl.claims.practice_steps import TINY, balanced_weights
from mmcl.force_flow import force_flow
from mmcl.forces import BatchForce, LatentForce
from mmcl.latents import GaussianLatents, Signs, SparseLatents, UniformLatents
from mmcl.losses import log_expectation_over_rows, loss
from mmcl.pair import Pair
from mmcl.stability import step_limit, weight_rates
from mmcl.training.descent import all_signs
from mmcl.worlds import CANONICAL, SMALL, UNEQUAL

RNG = np.random.default_rng
LAWS = (Signs(), GaussianLatents(), UniformLatents(), SparseLatents(0.2), SparseLatents(1.0))
THETA = np.array([0.3, 0.2, 0.1])


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_latents_are_symmetric_and_of_unit_variance(law):
    z = law.draw((400_000,), rng=RNG(0))
    assert abs(z.mean()) < 4.5 / np.sqrt(len(z))
    error = max((z**2).std(), 1e-12) / np.sqrt(len(z))
    assert abs((z**2).mean() - 1) < 4.5 * error
    nodes, weights = law.quadrature(20)
    assert weights.sum() == pytest.approx(1, abs=1e-12) and weights @ nodes**2 == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_log_moment_is_the_mean_of_exponentials(law):
    x = np.array([-3.0, -0.4, 1e-3, 0.0, 0.02, 0.7, 2.0])
    nodes, weights = law.quadrature(40)
    slope, value = law.log_moment(x)
    np.testing.assert_allclose(value, np.log(np.cosh(np.outer(x, nodes)) @ weights), atol=1e-12)
    step = 1e-5
    numeric = (law.log_moment(x + step)[1] - law.log_moment(x - step)[1]) / (2 * step)
    np.testing.assert_allclose(slope, numeric, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_in_batch_loss_is_the_mean_over_all_batches(n):
    patterns = np.array(list(product((-1, 1), repeat=3)))
    scores = np.exp(2 * patterns @ THETA)
    total = sum(np.log(np.exp(2 * THETA.sum()) + sum(others)) for others in product(scores, repeat=n - 1))
    due = 2 * total / 8 ** (n - 1) - 4 * THETA.sum()
    assert BatchForce(InBatchInfoNCE(2.0), n)(THETA)[1] == pytest.approx(due, rel=1e-12)


@pytest.mark.parametrize("n", [2, 8, 1024, 100_000])
@pytest.mark.parametrize("tau2", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("theta", [0.4, 0.0, -0.4])
def test_the_in_batch_loss_of_one_coordinate_is_a_mean_over_how_many_negatives_agree(n, tau2, theta):
    def loss(x):
        agreeing = np.arange(n)
        with np.errstate(divide="ignore"):
            others = np.logaddexp(np.log(agreeing) + tau2 * x, np.log(n - 1 - agreeing) - tau2 * x)
        log_sum = np.logaddexp(tau2 * x, others)
        return 2 * binom.pmf(agreeing, n - 1, 0.5) @ log_sum - 2 * tau2 * x

    force, found = BatchForce(InBatchInfoNCE(tau2), n)([theta])
    assert found == pytest.approx(loss(theta), rel=1e-9)
    assert force[0] == pytest.approx((loss(theta - 1e-5) - loss(theta + 1e-5)) / 2e-5, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "force", [BatchForce(InBatchInfoNCE(2.0), 7), *(LatentForce(InfoNCE(3.0, 2.0), law, 3) for law in LAWS)], ids=repr
)
def test_a_force_is_minus_the_slope_of_its_loss(force):
    numeric = [-(force(THETA + e)[1] - force(THETA - e)[1]) / 2e-5 for e in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(force(THETA)[0], numeric, rtol=1e-7)


def test_a_large_batch_falls_short_of_the_population_by_the_predicted_bias():
    n, tau2, r = 512, 4.0, 3
    theta = np.full(r, 1 / r)
    v = (np.cosh(2 * tau2 / r) / np.cosh(tau2 / r) ** 2) ** r - 1
    odds = (n - 1) * np.exp(-tau2) * np.cosh(tau2 / r) ** r
    gap = BatchForce(InBatchInfoNCE(tau2), n)(theta)[1] - 2 * np.log1p(odds)
    assert gap == pytest.approx(-((odds / (1 + odds)) ** 2) * v / (n - 1), rel=0.05)


def test_the_loss_of_gaussian_latents_is_its_integral():
    def integrand(z):
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        return 2 * density * np.log1p(2 * np.exp((0.9**2 / 2 - 0.9) * z**2))

    value = LatentForce(InfoNCE(3.0, 2.0), GaussianLatents(), 1)(np.array([0.3]))[1]
    assert value == pytest.approx(quad(integrand, -12, 12, epsabs=1e-13)[0], rel=1e-8)


def test_the_plain_flow_under_a_force_of_signs_is_the_flow():
    times = [0.0, 1.0, 10.0, 60.0]
    plain = force_flow(UNEQUAL, LatentForce(InfoNCE(3.0, 2.0), Signs(), 2), times)
    exact = gradient_flow(UNEQUAL, InfoNCE(3.0, 2.0), times)
    for name in ("theta", "condition_number", "condition_number_b", "noise_share", "misalignment", "loss"):
        np.testing.assert_allclose(getattr(plain, name), getattr(exact, name), atol=1e-7)


def test_sparse_latents_that_are_always_there_are_signs():
    world = replace(SMALL, latents=SparseLatents(1.0))
    times = [0.0, 5.0, 50.0]
    np.testing.assert_allclose(
        gradient_flow(world, InfoNCE(4.0), times).theta, gradient_flow(SMALL, InfoNCE(4.0), times).theta, atol=1e-7
    )


def test_positives_alone_do_not_see_the_law_of_the_latents():
    world = replace(SMALL, latents=GaussianLatents())
    times = [0.0, 5.0, 50.0]
    np.testing.assert_array_equal(
        gradient_flow(world, PositiveOnly(), times).theta, gradient_flow(SMALL, PositiveOnly(), times).theta
    )


@pytest.mark.parametrize(
    ("world", "objective"),
    [
        (TINY, InfoNCE(4.0)),
        (PairedData((2.0, 1.5, 1.0), noise_a=0.5, ambient_dim=3), InfoNCE(2.0, 5.0)),
        (PairedData((2.0, 1.0), (1.0, 1.5), noise_a=0.5, noise_b=0.7, ambient_dim=(3, 4)), InfoNCE(3.0, 2.0)),
    ],
)
def test_the_rates_are_the_eigenvalues_of_the_hessian_of_the_definition(world, objective):
    start = balanced_weights(world)
    inputs = [torch.from_numpy(e @ view.mixing.T) for e, view in zip(all_signs(world), world.views, strict=True)]
    shapes = [w.shape for w in start]

    def value(y):
        parts = torch.split(y, [w.size for w in start])
        raw = [x @ part.reshape(shape) for x, part, shape in zip(inputs, parts, shapes, strict=True)]
        features = Pair(*(f / f.square().sum(dim=1).mean().sqrt() for f in raw))
        return loss(objective, features, Pair(*(log_expectation_over_rows(f) for f in features)))

    y = torch.from_numpy(np.concatenate([w.ravel() for w in start]))
    found = np.linalg.eigvalsh(torch.autograd.functional.hessian(value, y).numpy())
    np.testing.assert_allclose(
        np.unique(np.round(found[found > 1e-9], 8)), np.unique(np.round(weight_rates(world, objective), 8)), atol=2e-8
    )


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: SparseLatents(1.5), ValueError, "`rate` (q) must be at most 1, a probability; got 1.5."),
        (lambda: SparseLatents(0), ValueError, "`rate` (q) must be positive and finite; got 0."),
        (
            lambda: PairedData((2, 1), latents="gaussian"), TypeError,
            "`latents` must be Signs or GaussianLatents or UniformLatents or SparseLatents; got 'gaussian'.",
        ),
        (
            lambda: BatchForce(InBatchInfoNCE(1.0), 1), ValueError,
            "`batch_size` (n) must be a whole number of at least 2; got 1.",
        ),
        (
            lambda: LatentForce(InfoNCE(1.0), GaussianLatents(), 8), ValueError,
            "`signal_dim` (r) must leave the quadrature at most 2,000,000 points for GaussianLatents(), 20 to the "
            "power r; got r = 8.",
        ),
        (
            lambda: step_limit(replace(SMALL, latents=GaussianLatents()), InfoNCE(1.0)), TypeError,
            "`data.latents` must be Signs; got GaussianLatents().",
        ),
        (
            lambda: relaxation_rates(replace(SMALL, latents=GaussianLatents()), InfoNCE(1.0)), TypeError,
            "`data.latents` must be Signs; got GaussianLatents().",
        ),
        (
            lambda: train(replace(SMALL, latents=GaussianLatents()), InfoNCE(1.0), width=4, step_size=1, steps=1,
                          rng=RNG(0)), ValueError,
            "`batch_size` (n) must be given for latents that are no signs, GaussianLatents(); got None.",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        make()


@pytest.mark.parametrize("tau2", [1e-8, 1e-4, 150.0])
def test_rates_of_any_size_are_all_there(tau2):
    """Those of the noise and of balance, which `relaxation_rates` knows too, however far below the fastest."""
    found, due = weight_rates(CANONICAL, InfoNCE(tau2)), relaxation_rates(CANONICAL, InfoNCE(tau2))
    for rate in np.concatenate([due.noise / 2, due.balance]):  # of noise it is that of the mass, a square
        assert np.abs(found / rate - 1).min() < 1e-6
    assert np.isfinite(step_limit(CANONICAL, InfoNCE(1e-16)))


def test_where_every_curvature_vanishes_no_step_is_too_large():
    assert len(weight_rates(PairedData((2.0, 1.0), ambient_dim=2), InfoNCE(1e3))) == 0
    assert step_limit(PairedData((2.0, 1.0), ambient_dim=2), InfoNCE(1e3)) == np.inf
    with pytest.raises(ValueError, match=r"^`inverse_temperature` \(τ²\) must be at most 1e\+150, where its square"):
        step_limit(CANONICAL, InfoNCE(1e155))


@pytest.mark.parametrize("unit", [1e-200, 1e150])
def test_the_rates_of_weights_know_no_unit(unit):
    far, near = (PairedData(np.array([2.0, 1.0]) * x, noise_a=0.5 * x, ambient_dim=6) for x in (unit, 1.0))
    np.testing.assert_allclose(weight_rates(far, InfoNCE(4.0)), weight_rates(near, InfoNCE(4.0)), rtol=1e-9)
