"""Each loss once more by plain loops, and how the sampled one relates to the population."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import torch

from mmcl import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.losses import log_expectation_over_rows, log_expectation_over_signs, loss
from mmcl.pair import Pair

SEEDS = range(3)


def _features(seed: int, n: int = 5, m: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, m)), rng.standard_normal((n, m))


def _dot(x, y) -> float:
    return math.fsum(p * q for p, q in zip(x, y, strict=True))


def _torch(*arrays: np.ndarray) -> Pair:
    return Pair(*(torch.from_numpy(x) for x in arrays))


@pytest.mark.parametrize("seed", SEEDS)
def test_positives_alone_are_minus_twice_the_mean_inner_product(seed):
    a, b = _features(seed)
    expected = -2 * sum(_dot(x, y) for x, y in zip(a, b, strict=True)) / len(a)
    assert float(loss(PositiveOnly(), _torch(a, b))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_in_batch_loss_is_a_cross_entropy_in_each_direction(seed):
    a, b = _features(seed)
    n, tau2, total = len(a), 1.7, 0.0
    for i in range(n):
        own = math.exp(tau2 * _dot(a[i], b[i]))
        total -= math.log(own / sum(math.exp(tau2 * _dot(a[i], b[j])) for j in range(n))) / n
        total -= math.log(own / sum(math.exp(tau2 * _dot(a[j], b[i])) for j in range(n))) / n
    assert float(loss(InBatchInfoNCE(tau2), _torch(a, b))) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("negatives", [0.0, 1e-3, 1.0, 511.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_info_nce_is_its_definition_with_every_sign_pattern_a_negative(seed, negatives):
    a, b = _features(seed)
    rng = np.random.default_rng([seed, 1])
    images = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    tau2, total = 0.8, 0.0
    for i in range(len(a)):
        own = math.exp(tau2 * _dot(a[i], b[i]))
        for anchor, rows in ((a[i], images[1]), (b[i], images[0])):
            patterns = list(itertools.product((-1, 1), repeat=len(rows)))
            others = [sum(e * tau2 * _dot(anchor, row) for e, row in zip(p, rows, strict=True)) for p in patterns]
            mean = sum(math.exp(score) for score in others) / len(patterns)
            total -= math.log(own / (own + negatives * mean)) / len(a)
    over = Pair(*(log_expectation_over_signs(torch.from_numpy(rows)) for rows in images))
    assert float(loss(InfoNCE(tau2, negatives), _torch(a, b), over)) == pytest.approx(total, abs=1e-12)


def test_without_weight_the_negatives_cost_nothing():
    a, b = _features(0)
    over = Pair(*(log_expectation_over_rows(torch.from_numpy(x)) for x in (a, b)))
    assert float(loss(InfoNCE(2.0, negatives=0.0), _torch(a, b), over)) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_over_rows_every_row_of_the_population_is_a_negative(seed):
    v, rows = _features(seed)
    expected = [math.log(sum(math.exp(_dot(x, y)) for y in rows) / len(rows)) for x in v]
    np.testing.assert_allclose(
        log_expectation_over_rows(torch.from_numpy(rows))(torch.from_numpy(v)), expected, atol=1e-12
    )


def test_the_log_expectation_neither_overflows_nor_loses_small_scores():
    over = log_expectation_over_signs(torch.ones((1, 1), dtype=torch.float64))
    scores = torch.tensor([[1e4], [-1e4], [1e-5], [0.0]], dtype=torch.float64)
    expected = [1e4 - math.log(2), 1e4 - math.log(2), 5e-11, 0.0]
    np.testing.assert_allclose(over(scores), expected, atol=1e-15)


@pytest.mark.parametrize("n", [2, 8])
def test_in_batch_negatives_lie_below_the_population_on_average_by_jensen(n):
    rng, tau2, batches = np.random.default_rng(n), 3.0, 4000
    images = rng.standard_normal((6, 4)) / 4, rng.standard_normal((6, 4)) / 4
    over = Pair(*(log_expectation_over_signs(torch.from_numpy(rows)) for rows in images))
    clip = InBatchInfoNCE(tau2)
    gaps = []
    for _ in range(batches):
        signs = rng.choice([-1.0, 1.0], size=(n, 6))
        features = _torch(signs @ images[0], signs @ images[1])
        gaps.append(float(loss(clip.population(n), features, over)) - float(loss(clip, features)))
    z = np.mean(gaps) / (np.std(gaps) / np.sqrt(batches))
    assert z > 4.5, "below it by far more than chance"


def test_info_nce_asks_for_its_negatives_and_nothing_else_is_a_loss():
    features = _torch(*_features(0))
    sentence = "`negatives` must give the population's log-expectations for InfoNCE; got None."
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        loss(InfoNCE(1.0), features)
    with pytest.raises(TypeError, match=r"^`objective` must be InfoNCE, InBatchInfoNCE or PositiveOnly; got 'clip'\.$"):
        loss("clip", features)


def test_the_definition_has_its_second_derivative_where_a_score_vanishes():
    value = log_expectation_over_signs(torch.eye(2, dtype=torch.float64))
    at = torch.tensor([0.0, 0.5], dtype=torch.float64)
    found = torch.autograd.functional.hessian(lambda v: value(v[None])[0], at)
    np.testing.assert_allclose(np.diag(found), 1 / np.cosh(at.numpy()) ** 2, rtol=1e-12)
