r"""Losses that are no sum over coordinates: their value and slopes in the shares (α, β, θ) of the infinite-width model.

From an orthogonal start the sign symmetry keeps the normalised Gram matrices diagonal: $\alpha_j=\|k_{A,j}\|^2/N_A^2$
and $\beta_j$ over all coordinates, noise included, and $\theta_p=c_p/(N_AN_B)$ over the signal. Every score is a sum of
these with signs, so a loss of scores is a function of them.
"""

from __future__ import annotations

from functools import lru_cache, singledispatch
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit, gammaln

from mmcl.family import AlignmentUniformity, NTXent, Sigmoid
from mmcl.pair import Pair

ENUMERABLE = 16  # signal coordinates whose sign patterns are still listed one by one


class Shares(NamedTuple):
    """What a loss sees of the model; the noise stands for one coordinate of each distinct scale."""

    alpha: Float[Array, " r"]
    beta: Float[Array, " r"]
    theta: Float[Array, " r"]
    noise: Pair[Array]
    counts: Pair[Array]  # how many noise coordinates have each scale


class Slopes(NamedTuple):
    r"""A loss and its negative slopes, each in one coordinate's share: $-\partial L/\partial\alpha_j$ and so on."""

    loss: float
    alpha: Float[Array, " r"]
    beta: Float[Array, " r"]
    theta: Float[Array, " r"]
    noise: Pair[Array]


@singledispatch
def slopes(objective: object, at: Shares) -> Slopes:
    r"""The loss at the shares, and the forces on them.

    Args:
        objective: Sigmoid, AlignmentUniformity or NTXent.
        at: the shares.

    Raises:
        TypeError: for an objective that is separable in θ; `mmcl.symbolic.potentials` has those.
        ValueError: if the sign patterns of a `Sigmoid` are too many to list.
    """
    raise TypeError(f"`objective` must be Sigmoid, AlignmentUniformity or NTXent; got {objective!r}.")


@slopes.register
def _(objective: Sigmoid, at: Shares) -> Slopes:
    signs, tau2, b = patterns(len(at.theta)), objective.inverse_temperature, objective.bias
    positive, negative = tau2 * at.theta.sum() + b, tau2 * (signs @ at.theta) + b
    loss = np.logaddexp(0, -positive) + objective.negatives * np.logaddexp(0, negative).mean()
    # The signs sum to zero: where nearly every negative is pushed with all its might, what is missing tells them apart.
    pushed = expit(negative) if b <= 0 else -expit(-negative)
    push = objective.negatives * (pushed @ signs) / len(signs)
    still, quiet = np.zeros_like(at.theta), Pair(*(np.zeros_like(x) for x in at.noise))
    return Slopes(float(loss), still, still, tau2 * (expit(-positive) - push), quiet)


@slopes.register
def _(objective: AlignmentUniformity, at: Shares) -> Slopes:
    weight, s = objective.weight, objective.sharpness
    potentials = [
        _log_cosh(2 * s * share).sum() + count @ _log_cosh(2 * s * noise) - 2 * s
        for share, noise, count in zip((at.alpha, at.beta), at.noise, at.counts, strict=True)
    ]
    loss = 2 - 2 * at.theta.sum() + weight / 2 * sum(potentials)
    spread = [-weight * s * np.tanh(2 * s * share) for share in (at.alpha, at.beta, *at.noise)]
    return Slopes(float(loss), spread[0], spread[1], np.full(len(at.theta), 2.0), Pair(*spread[2:]))


@slopes.register
def _(objective: NTXent, at: Shares) -> Slopes:
    # One encoder: the noise of its two augmentations passes through the same directions, and the score of a positive
    # pair is Σ α_p + Σ α_j η_j with signs η_j = ξ_j ξ'_j.
    tau2, (noise, _), (counts, _) = objective.inverse_temperature, at.noise, at.counts
    chance, means = sign_means(tuple(int(n) for n in counts))  # (P,), (P, scales)
    log_k = np.log(objective.negatives) if objective.negatives else -np.inf
    negative = log_k + _log_cosh(tau2 * at.alpha).sum() + counts @ _log_cosh(tau2 * noise)
    x = negative - tau2 * (at.alpha.sum() + means @ (counts * noise))
    p = chance * expit(x)
    signal = 2 * tau2 * p.sum() * (1 - np.tanh(tau2 * at.alpha))
    private = 2 * tau2 * (p @ means - p.sum() * np.tanh(tau2 * noise))
    return Slopes(float(2 * chance @ np.logaddexp(0, x)), signal, signal, 0 * signal, Pair(private, private))


@lru_cache(maxsize=8)
def patterns(r: int) -> Float[Array, "2^r r"]:
    """Every pattern of r signs, once.

    Raises:
        ValueError: if there are too many.
    """
    if r > ENUMERABLE:
        raise ValueError(
            f"`data` must have at most r = {ENUMERABLE} signal coordinates for Sigmoid, whose negatives are listed "
            f"sign by sign; got {r}."
        )
    return np.array(list(product((1.0, -1.0), repeat=r)))


@lru_cache(maxsize=8)
def sign_means(counts: tuple[int, ...]) -> tuple[Float[Array, " P"], Float[Array, "P scales"]]:
    """The joint law of the mean sign of independent groups of signs: probabilities, and the mean of each group.

    A group of n signs has n + 1 possible means, with binomial weights.
    """
    groups = []
    for n in counts:
        k = np.arange(n + 1)
        weights = np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) - n * np.log(2))
        groups.append((weights, (n - 2 * k) / n))
    chance, means = np.ones(1), np.zeros((1, 0))
    for weights, values in groups:
        chance = np.outer(chance, weights).ravel()
        means = np.column_stack([np.repeat(means, len(values), axis=0), np.tile(values, len(means))])
    return chance, means


def _log_cosh(x: Array) -> Array:
    size = np.abs(x)
    return size + np.log1p(np.exp(-2 * size)) - np.log(2)
