r"""The gradients of `mmcl.family` by hand: in R, in the scores of a batch, or in the Gram matrices.

Sigmoid's negatives are the other pairs of the batch, an unbiased sample; uniformity compares the batch with itself; the
others see the population.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit, softmax

from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.latents import Latents, pair_moment
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.training.scores import SIGNS, Signs, gradient_in_r, gradient_in_scores

Square = Float[Array, "d d"]


@gradient_in_r.register
def _(objective: Decoupled, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    tau2, (eps_a, eps_b) = objective.inverse_temperature, signs
    scores = tau2 * R
    (pull_b, x), (pull_a, y) = (
        pair_moment(latents, eps_a @ scores, eps_b),
        pair_moment(latents, eps_b @ scores.T, eps_a),
    )
    return float(np.mean(x + y)), (tau2 / len(eps_a)) * (eps_a.T @ pull_b + pull_a.T @ eps_b)


@gradient_in_r.register
def _(objective: Spectral, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    return in_expectation(objective, R, signs.a.T @ signs.b / len(signs.a))


def in_expectation(objective: Spectral, R: Array, pairing: Array) -> tuple[float, Array]:
    r"""The spectral loss and its gradient in R, where $\mathbb E\,\varepsilon_A\varepsilon_B^\top$ is `pairing`.

    .. math:: L=-2\mu\langle\mathbb E\,\varepsilon_A\varepsilon_B^\top,R\rangle+\mu^2\|R\|_F^2

    The second term is the expectation of the squared score of a negative pair, exactly.
    """
    mu = objective.square_norm
    return float(-2 * mu * np.vdot(pairing, R) + mu**2 * np.vdot(R, R)), 2 * mu * (mu * R - pairing)


@gradient_in_r.register
def _(objective: Sigmoid, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    loss, pull = gradient_in_scores(objective, signs.a @ R @ signs.b.T)
    return loss, signs.a.T @ pull @ signs.b


@gradient_in_scores.register
def _(objective: Sigmoid, scores: Array) -> tuple[float, Array]:
    tau2, n = objective.inverse_temperature, len(scores)
    logits, weight = tau2 * scores + objective.bias, objective.negatives / (n * (n - 1))
    own = logits.diagonal()
    every, pull = np.logaddexp(0, logits), weight * expit(logits)
    loss = np.logaddexp(0, -own).mean() + weight * (every.sum() - np.trace(every))
    np.fill_diagonal(pull, -expit(-own) / n)
    return float(loss), tau2 * pull


@singledispatch
def gradient_in_grams(
    objective: object, grams: Pair[Square], R: Square, signs: Signs
) -> tuple[float, Pair[Square], Square]:
    r"""The loss on a batch, and its derivatives in the normalised Gram matrices of A and of B, and in R.

    Args:
        objective: AlignmentUniformity or NTXent.
        grams: $K_AK_A^\top/N_A^2$ and $K_BK_B^\top/N_B^2$.
        R: $K_AK_B^\top/(N_AN_B)$.
        signs: $\varepsilon_A,\varepsilon_B$, one row per pair.
    """
    raise TypeError(f"`objective` must be AlignmentUniformity or NTXent; got {objective!r}.")


@gradient_in_grams.register
def _(
    objective: AlignmentUniformity, grams: Pair[Square], R: Square, signs: Signs
) -> tuple[float, Pair[Square], Square]:
    s, weight, n = objective.sharpness, objective.weight, len(signs.a)
    loss, pulls = 0.0, []
    for eps, gram in zip(signs, grams, strict=True):
        inner = eps @ gram @ eps.T
        squares = inner.diagonal()
        exponents = -s * (squares[:, None] + squares - 2 * inner)
        np.fill_diagonal(exponents, -np.inf)
        share = softmax(exponents)
        top = exponents.max()
        loss += squares.mean() + weight / 2 * (top + np.log(np.exp(exponents - top).sum() / (n * (n - 1))))
        pulls.append(eps.T @ eps / n - weight * s * (eps.T @ (share.sum(axis=1)[:, None] * eps - share @ eps)))
    pairing = -2 * signs.a.T @ signs.b / n
    return float(loss + np.vdot(pairing, R)), Pair(*pulls), pairing


@gradient_in_grams.register
def _(objective: NTXent, grams: Pair[Square], R: Square, signs: Signs) -> tuple[float, Pair[Square], Square]:
    # One encoder: R is its Gram matrix, and its weights stand in both places, so each place takes the whole gradient.
    loss, x = gradient_in_r(InfoNCE(objective.inverse_temperature, objective.negatives), grams.a, signs)
    pull = (x + x.T) / 2
    return loss, Pair(pull, pull), np.zeros_like(R)
