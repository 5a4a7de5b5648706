r"""The third face of an objective: its value and gradient in the pair scores, by hand, in NumPy.

Every score of the model is $\tau^2\,\varepsilon_A^\top R\,\varepsilon_B$ with
$R=M_A^\top W_AW_B^\top M_B/(N_AN_B)$: the loss depends on the weights through R alone. x is never formed, and nothing
is differentiated automatically.
"""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit, log_softmax

from mmcl.latents import Latents, pair_moment
from mmcl.latents import Signs as SignLatents
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training.control import less_linear
from mmcl.training.sign_batch import SignBatch

Signs = Pair[Float[Array, "n d"]]
SIGNS = SignLatents()
BLOCK = 512  # pairs at a time: so many stay in the cache from one operation to the next
SPREAD = 0.85  # of the range of exponents of a type: of scores whose exponentials all fit, in units of the largest


@singledispatch
def gradient_in_r(
    objective: object,
    R: Float[Array, "d_a d_b"],
    signs: Signs,
    latents: Latents = SIGNS,
    pairing: Float[Array, "d_a d_b"] | None = None,
) -> tuple[float, Float[Array, "d_a d_b"]]:
    r"""The loss on a batch of signs, and $X=\partial L/\partial R$.

    Args:
        objective: what is minimised.
        R: the normalised score matrix, shape (d_A, d_B).
        signs: $\varepsilon_A=(z,\xi_A)$ and $\varepsilon_B=(z,\xi_B)$, one row per pair.
        latents: what they are drawn from, if not from signs; exact negatives need to know.
        pairing: $\mathbb E\,\varepsilon_A\varepsilon_B^\top$, for control variates, InfoNCE's alone; None: none.
    """
    raise TypeError(f"`objective` must be InfoNCE, InBatchInfoNCE or PositiveOnly; got {objective!r}.")


@gradient_in_r.register
def _(
    objective: InfoNCE, R: Array, signs: Signs, latents: Latents = SIGNS, pairing: Array | None = None
) -> tuple[float, Array]:
    tau2, n = objective.inverse_temperature, len(signs.a)
    log_k = math.log(objective.negatives) if objective.negatives else -math.inf
    scores = tau2 * R
    if pairing is None and isinstance(signs, SignBatch) and isinstance(latents, SignLatents):
        loss, x = signs.slopes(scores, objective.negatives)
        if math.isfinite(loss):
            return loss / n, (tau2 / n) * x

    def direction(near: Array, far: Array, scores: Array, known: Array | None) -> tuple[float, Array]:
        """The sum of one direction's losses over the pairs, and 1/τ² times its gradient."""
        u = near @ scores
        pull, excess = pair_moment(latents, u, far)
        excess += log_k
        pull *= expit(excess)[:, None]
        loss = float(np.logaddexp(0, excess).sum())
        if known is None:
            return loss, near.T @ pull
        alpha, beta = less_linear(pull, u, far)
        return loss, near.T @ pull + alpha * scores + beta * known

    back = None if pairing is None else pairing.T
    loss, x, count = 0.0, np.zeros_like(scores), max(1, n // BLOCK)
    for i in range(count):
        eps_a, eps_b = (eps[i * n // count : (i + 1) * n // count] for eps in signs)
        loss_a, from_a = direction(eps_a, eps_b, scores, pairing)
        loss_b, from_b = direction(eps_b, eps_a, scores.T, back)
        loss += loss_a + loss_b
        x += from_a
        x += from_b.T
    return loss / n, (tau2 / n) * x


@gradient_in_r.register
def _(objective: InBatchInfoNCE, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    loss, pull = gradient_in_scores(objective, signs.a @ R @ signs.b.T)
    return loss, signs.a.T @ pull @ signs.b


@gradient_in_r.register
def _(objective: PositiveOnly, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    gradient = (-2 / len(signs.a)) * (signs.a.T @ signs.b)
    return float(np.vdot(gradient, R)), gradient


@singledispatch
def gradient_in_scores(objective: object, scores: Float[Array, "n n"]) -> tuple[float, Float[Array, "n n"]]:
    r"""The loss on the batch's inner products $S_{ij}=f_{A,i}\cdot f_{B,j}$, and $\partial L/\partial S$.

    Args:
        objective: a loss of the pairs in the batch alone.
        scores: S, one row per item of modality A.
    """
    raise TypeError(
        "`objective` must be a loss of the batch's own pairs (InBatchInfoNCE or PositiveOnly) when every sample is "
        f"normalised by itself: exact negatives need outputs normalised in expectation; got {objective!r}."
    )


@gradient_in_scores.register
def _(objective: InBatchInfoNCE, scores: Array) -> tuple[float, Array]:
    tau2, n = objective.inverse_temperature, len(scores)
    scaled = tau2 * scores
    if np.ptp(scaled) < -SPREAD * np.log(np.finfo(scaled.dtype).tiny):  # one exponential serves both directions
        top = scaled.max()
        e = np.exp(scaled - top)
        rows, columns = e.sum(axis=1), e.sum(axis=0)
        loss = np.mean(np.log(rows) + np.log(columns)) + 2 * (top - np.trace(scaled) / n)
        pull = e * (1 / rows[:, None] + 1 / columns)
    else:
        along, down = log_softmax(scaled, axis=1), log_softmax(scaled, axis=0)
        loss = -(np.trace(along) + np.trace(down)) / n
        pull = np.exp(along) + np.exp(down)
    pull.flat[:: n + 1] -= 2
    return float(loss), (tau2 / n) * pull


@gradient_in_scores.register
def _(objective: PositiveOnly, scores: Array) -> tuple[float, Array]:
    n = len(scores)
    return float(-2 * np.trace(scores) / n), (-2 / n) * np.eye(n)
