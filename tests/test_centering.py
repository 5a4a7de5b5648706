"""Centred features: the listed force against the definition, and training with them."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from mmcl import EmpiricalPairs, InBatchInfoNCE, InfoNCE, PositiveOnly, train
from mmcl.centering import CenteredBatchForce, centering_shift
from mmcl.claims.practice_steps import TINY
from mmcl.forces import BatchForce
from mmcl.training.descent import centered
from mmcl.training.scores import gradient_in_r, gradient_in_scores
from mmcl.worlds import SMALL

RNG = np.random.default_rng
THETA = np.array([0.4, 0.2])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_listed_loss_is_the_mean_over_all_batches_of_centred_features(n):
    patterns, losses = list(product((-1.0, 1.0), repeat=2)), []
    for batch in product(patterns, repeat=n):
        z = np.array(batch) - np.mean(batch, axis=0)
        losses.append(gradient_in_scores(InBatchInfoNCE(2.0), (z * THETA) @ z.T)[0])
    assert CenteredBatchForce(InBatchInfoNCE(2.0), n)(THETA)[1] == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_force_is_minus_the_slope_of_its_loss():
    force = CenteredBatchForce(InBatchInfoNCE(2.0), 6)
    numeric = [-(force(THETA + e)[1] - force(THETA - e)[1]) / 2e-5 for e in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(force(THETA)[0], numeric, rtol=1e-7)


def test_the_shift_of_large_batches_is_met_at_order_one_over_n():
    gaps = []
    for n in (24, 48):
        added = CenteredBatchForce(InBatchInfoNCE(2.0), n)(THETA)[1] - BatchForce(InBatchInfoNCE(2.0), n)(THETA)[1]
        gaps.append(n * added - centering_shift(THETA, 2.0))
    assert gaps[1] / gaps[0] == pytest.approx(0.5, abs=0.1)


def test_the_mean_over_batches_of_positives_shrinks_by_one_over_n():
    n, draws = 3, 4000
    mean, zero = np.zeros((3, 3)), np.zeros((3, 3))
    for rng in RNG(0).spawn(draws):
        mean += gradient_in_r(PositiveOnly(), zero, centered(TINY.signs(n, rng=rng)))[1] / draws
    due = np.diag([-2.0, -2.0, 0.0]) * (1 - 1 / n)
    assert np.abs(mean - due).max() < 4.5 * 2 / np.sqrt(n * draws)


@pytest.mark.parametrize("normalization", ["population", "batch", "sample"])
def test_real_towers_centre_as_the_reduced_form_does(normalization):
    weights = [RNG(3).standard_normal((6, 5)), RNG(4).standard_normal((6, 5))]
    signs = SMALL.signs(40, rng=RNG(1))
    pairs = EmpiricalPairs(*(eps @ view.mixing.T for eps, view in zip(signs, SMALL.views, strict=True)))
    shifted = EmpiricalPairs(pairs.a + 7.0, pairs.b - 3.0)
    settings = {"weights": weights, "step_size": 0.05, "steps": 5, "batch_size": 8, "centering": True}
    if normalization == "population":  # whose moments are about zero, and see the shift
        shifted = pairs
    one, two = (
        train(x, InBatchInfoNCE(2.0), rng=RNG(2), normalization=normalization, **settings) for x in (pairs, shifted)
    )
    plain = train(
        pairs, InBatchInfoNCE(2.0), rng=RNG(2), normalization=normalization, **settings | {"centering": False}
    )
    np.testing.assert_allclose(one.weights.a, two.weights.a, atol=1e-10)
    assert np.abs(one.weights.a - plain.weights.a).max() > 1e-4


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (
            lambda: train(SMALL, InBatchInfoNCE(1.0), centering=1, **PLAN), TypeError,
            "`centering` must be True or False; got 1.",
        ),
        (
            lambda: train(SMALL, InfoNCE(1.0), centering=True, **PLAN), TypeError,
            "`objective`, with `centering`, must be InBatchInfoNCE or PositiveOnly; got "
            "InfoNCE(inverse_temperature=1.0, negatives=1.0).",
        ),
        (
            lambda: train(SMALL, PositiveOnly(), centering=True, **PLAN | {"batch_size": None}), ValueError,
            "`batch_size` (n) must be given with `centering`, which subtracts a batch's mean.",
        ),
        (
            lambda: train(SMALL, PositiveOnly(), normalization="sample", **PLAN | {"batch_size": None}), ValueError,
            '`batch_size` (n) must be given with `normalization` "sample" in a world of `PairedData`.',
        ),
        (
            lambda: train(SMALL, PositiveOnly(), centering=True, normalization="batch", **PLAN | {"batch_size": 1}),
            ValueError,
            '`batch_size` (n) must be large enough that, with `normalization` "batch", the outputs of no batch are all '
            "zero; got 1, and a batch of zeros in modality A.",
        ),
        (
            lambda: CenteredBatchForce(InBatchInfoNCE(1.0), 1), ValueError,
            "`batch_size` (n) must be a whole number of at least 2; got 1.",
        ),
        (
            lambda: CenteredBatchForce(InBatchInfoNCE(1.0), 64)(np.zeros(3)), ValueError,
            "`batch_size` (n) must leave at most 500,000 batches to list; got 1,329,890,705.",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        make()


PLAN = {"width": 4, "step_size": 0.1, "steps": 1, "batch_size": 4, "rng": RNG(0)}


@pytest.mark.parametrize("tau2", [190.0, 1e4, 1e100])
def test_the_force_is_a_number_at_every_temperature(tau2):
    force, loss = CenteredBatchForce(InBatchInfoNCE(tau2), 8)(np.array([0.5, 0.5]))
    _, due = CenteredBatchForce(InBatchInfoNCE(150.0), 8)(np.array([0.5, 0.5]))
    np.testing.assert_allclose(force, 0, atol=1e-15)
    assert loss == pytest.approx(due, rel=1e-12)  # partners that are alike are not told apart
