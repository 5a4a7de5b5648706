"""Losses in the shares: slopes against finite differences, values against every pattern of signs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mmcl.family import AlignmentUniformity, NTXent, Sigmoid
from mmcl.pair import Pair
from mmcl.share_potentials import Shares, Slopes, patterns, sign_means, slopes

RNG = np.random.default_rng
COUPLED = [Sigmoid(4.0, -1.0, 3.0), AlignmentUniformity(2.0, 1.5), NTXent(3.0, 2.0)]
each_coupled = pytest.mark.parametrize("objective", COUPLED, ids=lambda x: type(x).__name__)


def _shares(seed: int, tied: bool) -> Shares:
    """Shares of three signal coordinates, and of noise at two scales; of one encoder, A and B are alike."""
    rng = RNG(seed)
    alpha, beta, theta = rng.uniform(0.05, 0.3, size=(3, 3))
    noise = Pair(rng.uniform(0.02, 0.1, size=2), rng.uniform(0.02, 0.1, size=1))
    counts = Pair(np.array([2, 1]), np.array([3]))
    if tied:
        return Shares(alpha, alpha, alpha, Pair(noise.a, noise.a), Pair(counts.a, counts.a))
    return Shares(alpha, beta, theta, noise, counts)


def _difference(objective, at: Shares, moved: Shares, back: Shares, h: float) -> float:
    return -(slopes(objective, moved).loss - slopes(objective, back).loss) / (2 * h)


def _replaced(at: Shares, name: str, j: int, h: float) -> Shares:
    """The shares with one of them moved by h; for ``noise a``, that of one scale."""
    if name.startswith("noise"):
        side = name[-1]
        values = getattr(at.noise, side).astype(float)
        values = values + h * (np.arange(len(values)) == j)
        return at._replace(noise=at.noise._replace(**{side: values}))
    values = getattr(at, name)
    return at._replace(**{name: values + h * (np.arange(len(values)) == j)})


def _slope(found: Slopes, name: str) -> np.ndarray:
    return getattr(found.noise, name[-1]) if name.startswith("noise") else getattr(found, name)


@pytest.mark.parametrize("seed", range(3))
@each_coupled
def test_the_slopes_are_finite_differences_of_the_loss(objective, seed):
    h, tied = 1e-6, isinstance(objective, NTXent)
    at = _shares(seed, tied)
    found = slopes(objective, at)
    for name in ("alpha", "beta", "theta", "noise a", "noise b"):
        count = at.counts.a if name == "noise a" else at.counts.b if name == "noise b" else None
        for j, slope in enumerate(_slope(found, name)):
            moved, back = _replaced(at, name, j, h), _replaced(at, name, j, -h)
            due = _difference(objective, at, moved, back, h) / (1 if count is None else count[j])
            if tied and name in ("beta", "theta", "noise b"):
                continue  # one encoder: its loss is written in α alone
            assert slope == pytest.approx(due, abs=1e-8), name


def _by_hand(objective, at: Shares) -> float:
    """The loss with every pair of patterns listed, scores and distances as sums over single signs."""
    tau2 = getattr(objective, "inverse_temperature", 1.0)
    every = np.array(list(product((1.0, -1.0), repeat=3)))
    if isinstance(objective, Sigmoid):
        positive = np.log1p(np.exp(-tau2 * at.theta.sum() - objective.bias))
        scores = [tau2 * np.sum(at.theta * z * other) + objective.bias for z in every for other in every]
        return positive + objective.negatives * np.mean(np.log1p(np.exp(scores)))
    alpha = [np.concatenate([x, np.repeat(n, c)]) for x, n, c in zip(at[:2], at.noise, at.counts, strict=True)]
    signs = [np.array(list(product((1.0, -1.0), repeat=len(x)))) for x in alpha]
    if isinstance(objective, AlignmentUniformity):
        spread = [
            np.log(np.mean(np.exp(-objective.sharpness * ((1 - e) ** 2 @ x))))
            for x, e in zip(alpha, signs, strict=True)
        ]
        sizes = sum(x.sum() for x in alpha)
        return sizes - 2 * at.theta.sum() + objective.weight / 2 * sum(spread)
    x, e = alpha[0], signs[0]
    negative = objective.negatives * np.mean(np.exp(tau2 * (e @ x)))
    private = np.array(list(product((1.0, -1.0), repeat=len(x) - 3)))
    positive = np.exp(tau2 * (x[:3].sum() + private @ x[3:]))
    return -2 * np.mean(np.log(positive / (positive + negative)))


@pytest.mark.parametrize("seed", range(3))
@each_coupled
def test_the_loss_of_the_shares_is_a_mean_over_every_pattern_of_signs(objective, seed):
    at = _shares(seed, isinstance(objective, NTXent))
    if isinstance(objective, AlignmentUniformity):  # the outputs have unit length
        sizes = [at.alpha.sum() + at.noise.a @ at.counts.a, at.beta.sum() + at.noise.b @ at.counts.b]
        noise = Pair(*(n / size for n, size in zip(at.noise, sizes, strict=True)))
        at = at._replace(alpha=at.alpha / sizes[0], beta=at.beta / sizes[1], noise=noise)
    assert slopes(objective, at).loss == pytest.approx(_by_hand(objective, at), rel=1e-12)


def test_the_means_of_groups_of_signs_are_those_of_all_patterns():
    chance, means = sign_means((3, 2))
    listed = np.array(list(product((1.0, -1.0), repeat=5)))
    own = np.column_stack([listed[:, :3].mean(axis=1), listed[:, 3:].mean(axis=1)])
    assert chance.sum() == pytest.approx(1.0)
    for power in ((2, 0), (0, 2), (4, 2)):
        due = np.mean(own[:, 0] ** power[0] * own[:, 1] ** power[1])
        assert chance @ (means[:, 0] ** power[0] * means[:, 1] ** power[1]) == pytest.approx(due, rel=1e-12)
    assert patterns(3).shape == (8, 3) and len({tuple(row) for row in patterns(3)}) == 8
