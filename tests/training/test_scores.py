"""One step in the reduced form is one step of autograd on the loss as defined."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from mmcl import InBatchInfoNCE, InfoNCE, PairedData, PositiveOnly, train
from mmcl.latents import GaussianLatents, SparseLatents, UniformLatents, pair_moment, tanh_log_cosh
from mmcl.latents import Signs as SignLatents
from mmcl.losses import log_expectation_over_rows, log_expectation_over_signs, loss
from mmcl.pair import Pair
from mmcl.training.descent import Descent, all_signs
from mmcl.training.initial import gaussian_weights
from mmcl.training.scores import gradient_in_r, gradient_in_scores
from mmcl.worlds import SMALL, UNEQUAL

FRAME = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0]
WORLD = replace(UNEQUAL, basis_a=FRAME)
DIMS = (4, 5)
OBJECTIVES = [PositiveOnly(), InBatchInfoNCE(3.0), InfoNCE(3.0, negatives=2.0), InfoNCE(3.0, negatives=0.0)]
CASES = [
    (objective, normalization)
    for objective in OBJECTIVES
    for normalization in ("population", "batch", "sample")
    if not (isinstance(objective, InfoNCE) and normalization == "sample")
]


def _autograd(objective, normalization: str, weights, signs) -> tuple[float, list[np.ndarray]]:
    """Loss and gradient in the weights, through x, the normaliser and the definition of the loss."""
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    mixing = [torch.from_numpy(view.mixing) for view in WORLD.views]
    outputs = [torch.from_numpy(e) @ m.T @ w for e, m, w in zip(signs, mixing, leaves, strict=True)]
    if normalization == "population":
        norms = [((m.T @ w) ** 2).sum().sqrt() for m, w in zip(mixing, leaves, strict=True)]
    elif normalization == "batch":
        norms = [(f**2).sum(dim=1).mean().sqrt() for f in outputs]
    else:
        norms = [f.norm(dim=1, keepdim=True) for f in outputs]
    features = Pair(*(f / norm for f, norm in zip(outputs, norms, strict=True)))
    negatives = None
    if isinstance(objective, InfoNCE):
        images = [m.T @ w / norm for m, w, norm in zip(mixing, leaves, norms, strict=True)]
        negatives = Pair(*map(log_expectation_over_signs, images))
    value = loss(objective, features, negatives)
    return float(value.detach()), [g.numpy() for g in torch.autograd.grad(value, leaves)]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("objective", "normalization"), CASES, ids=str)
def test_a_step_is_minus_the_gradient_of_the_definition(objective, normalization, seed):
    rng = np.random.default_rng(seed)
    weights = gaussian_weights(DIMS, 7, rng=rng)
    run = Descent(WORLD, objective, weights, 16, normalization)
    run.step(0.1, np.random.default_rng([seed, 5]))
    value, gradients = _autograd(
        objective, normalization, weights, WORLD.signs(16, rng=np.random.default_rng([seed, 5]))
    )
    assert run.loss == pytest.approx(value, abs=1e-12)
    for before, after, gradient in zip(weights, run.weights, gradients, strict=True):
        np.testing.assert_allclose(after, before - 0.1 * gradient, atol=1e-12)


def test_the_full_gradient_of_positives_is_that_of_every_pattern_of_signs():
    weights = gaussian_weights(DIMS, 3, rng=np.random.default_rng(0))
    run = Descent(WORLD, PositiveOnly(), weights, None, "population")
    run.step(0.1, None)
    value, gradients = _autograd(PositiveOnly(), "population", weights, all_signs(WORLD))
    assert run.loss == pytest.approx(value, abs=1e-12)
    for before, after, gradient in zip(weights, run.weights, gradients, strict=True):
        np.testing.assert_allclose(after, before - 0.1 * gradient, atol=1e-12)


def test_every_pattern_of_signs_is_listed_once():
    signs = all_signs(SMALL)
    r, count = SMALL.signal_dim, 10
    assert len(signs.a) == len(signs.b) == 2**count
    np.testing.assert_array_equal(signs.a[:, :r], signs.b[:, :r])
    rows = np.hstack([signs.a, signs.b[:, r:]])
    assert rows.shape[1] == count and set(np.unique(rows)) == {-1.0, 1.0}
    assert len({tuple(row) for row in rows}) == 2**count


def test_over_all_patterns_every_row_is_a_negative_and_the_two_log_expectations_agree():
    signs = all_signs(SMALL)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 3)))
    v = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 3)))
    by_rows = log_expectation_over_rows(torch.from_numpy(signs.b) @ images)(v)
    np.testing.assert_allclose(by_rows, log_expectation_over_signs(images)(v), atol=1e-12)


def test_scores_far_out_neither_overflow_nor_vanish():
    tanh, log_cosh = tanh_log_cosh(np.array([-1e4, -1e-9, 0.0, 1e-9, 1e4]))
    np.testing.assert_allclose(tanh, [-1, -1e-9, 0, 1e-9, 1], rtol=1e-7)
    np.testing.assert_allclose(log_cosh, [1e4 - np.log(2), 0, 0, 0, 1e4 - np.log(2)], rtol=1e-15, atol=1e-15)
    x = np.linspace(-3, 3, 13)
    np.testing.assert_allclose(tanh_log_cosh(x), [np.tanh(x), np.log(np.cosh(x))], atol=1e-14)
    signs = all_signs(SMALL)
    for objective in (InfoNCE(1e4, negatives=1e300), InBatchInfoNCE(1e4)):
        few = Pair(signs.a[:64], signs.b[:64])
        value, gradient = gradient_in_r(objective, 0.1 * np.ones((6, 6)), few)
        assert np.isfinite(value) and np.isfinite(gradient).all()


@dataclass(frozen=True)
class Unknown:
    """A loss that nobody has written."""


def test_a_loss_without_a_gradient_is_refused_in_a_sentence():
    signs = Pair(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(
        TypeError, match=r"^`objective` must be InfoNCE, InBatchInfoNCE or PositiveOnly; got Unknown\(\)\.$"
    ):
        gradient_in_r(Unknown(), np.eye(2), signs)
    sentence = (
        "`objective` must be a loss of the batch's own pairs (InBatchInfoNCE or PositiveOnly) when every sample is "
        "normalised by itself: exact negatives need outputs normalised in expectation; got "
        "InfoNCE(inverse_temperature=3.0, negatives=1.0)."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        gradient_in_scores(InfoNCE(3.0), np.eye(2))


@pytest.mark.parametrize(
    "law", [SignLatents(), GaussianLatents(), UniformLatents(), SparseLatents(0.3)], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("spread", [0.0, 1.0, 1e3])  # the last has exponentials that overflow
def test_what_pulls_a_positive_pair_is_the_sum_over_its_coordinates(law, spread):
    rng = np.random.default_rng(0)
    u, eps = spread * rng.standard_normal((5, 350)), law.draw((5, 350), rng=rng)
    slope, value = law.log_moment(u)
    pull, excess = pair_moment(law, u.copy(), eps)
    np.testing.assert_allclose(pull, slope - eps, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(excess, (value - u * eps).sum(axis=1), rtol=1e-12, atol=1e-12)


def test_a_pull_far_below_one_keeps_its_digits():
    eps = SignLatents().draw((3, 40), rng=np.random.default_rng(0))
    pull, excess = pair_moment(SignLatents(), 30.0 * eps, eps)
    np.testing.assert_allclose(pull, -2 * eps / np.expm1(60.0), rtol=1e-12)
    np.testing.assert_allclose(excess, -40 * np.log(2))


@pytest.mark.parametrize("latents", [SignLatents(), GaussianLatents()], ids=str)
def test_in_single_precision_too_scores_may_lie_as_far_apart_as_they_like(latents):
    """At τ² = 200 an exponential of the differences is zero in single precision, and not in double."""
    world = PairedData(signal_a=[2.0, 1.5, 1.0], noise_a=0.5, ambient_dim=8, latents=latents)
    settings = {"width": 16, "step_size": 1e-4, "steps": 5, "batch_size": 128, "record_every": 1}
    single, double = (
        train(world, InBatchInfoNCE(200.0), rng=np.random.default_rng(0), dtype=dtype, **settings).loss
        for dtype in (np.float32, np.float64)
    )
    np.testing.assert_allclose(single, double, rtol=1e-4)


def test_scores_too_far_apart_for_one_exponential_have_two():
    near = np.random.default_rng(0).standard_normal((6, 6))
    far = near.copy()
    far[2] += 300.0  # beside this row the others underflow in units of the largest score
    far[:, 4] -= 900.0
    loss, pull = gradient_in_scores(InBatchInfoNCE(1.0), far)
    rows, columns = (log_softmax(far, axis=axis) for axis in (1, 0))
    assert loss == pytest.approx(-(np.trace(rows) + np.trace(columns)) / 6, rel=1e-13)
    np.testing.assert_allclose(6 * pull, np.exp(rows) + np.exp(columns) - 2 * np.eye(6), atol=1e-14)
    assert gradient_in_scores(InBatchInfoNCE(1.0), near + 5e4)[0] == pytest.approx(
        gradient_in_scores(InBatchInfoNCE(1.0), near)[0], abs=1e-10
    )


@pytest.mark.parametrize(("objective", "normalization"), CASES, ids=str)
def test_single_precision_gives_the_same_gradient_to_its_digits(objective, normalization):
    weights = gaussian_weights((4, 5), 6, rng=np.random.default_rng(0))
    double, single = (Descent(WORLD, objective, weights, 16, normalization, dtype=d) for d in (np.float64, np.float32))
    for run in (double, single):
        run.step(0.5, np.random.default_rng(1))
    assert single.state.dtype == np.float64
    np.testing.assert_allclose(single.state, double.state, rtol=1e-5, atol=1e-6)
