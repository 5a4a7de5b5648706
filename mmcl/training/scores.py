r"""The third face of an objective: its value and gradient in the pair scores, by hand, in NumPy.

Every score of the model is $\tau^2\,\varepsilon_A^\top R\,\varepsilon_B$ with
$R=M_A^\top W_AW_B^\top M_B/(N_AN_B)$: the loss depends on the weights through R alone. x is never formed, and nothing
is differentiated automatically.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import expit, log_softmax

from mmcl.latents import Latents
from mmcl.latents import Signs as SignLatents
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.pair import Pair

Signs = Pair[Float[Array, "n d"]]
SIGNS = SignLatents()


@singledispatch
def gradient_in_r(
    objective: object, R: Float[Array, "d_a d_b"], signs: Signs, latents: Latents = SIGNS
) -> tuple[float, Float[Array, "d_a d_b"]]:
    r"""The loss on a batch of signs, and $X=\partial L/\partial R$.

    Args:
        objective: what is minimised.
        R: the normalised score matrix, shape (d_A, d_B).
        signs: $\varepsilon_A=(z,\xi_A)$ and $\varepsilon_B=(z,\xi_B)$, one row per pair.
        latents: what they are drawn from, if not from signs; exact negatives need to know.
    """
    raise TypeError(f"`objective` must be InfoNCE, InBatchInfoNCE or PositiveOnly; got {objective!r}.")


@gradient_in_r.register
def _(objective: InfoNCE, R: Array, signs: Signs, latents: Latents = SIGNS) -> tuple[float, Array]:
    tau2, (eps_a, eps_b) = objective.inverse_temperature, signs
    log_k = np.log(objective.negatives) if objective.negatives else -np.inf
    u, v = tau2 * (eps_a @ R), tau2 * (eps_b @ R.T)
    positive = np.einsum("nj,nj->n", u, eps_b)
    (tanh_u, log_cosh_u), (tanh_v, log_cosh_v) = latents.log_moment(u), latents.log_moment(v)
    x, y = log_k + log_cosh_u.sum(axis=1) - positive, log_k + log_cosh_v.sum(axis=1) - positive
    loss = np.mean(np.logaddexp(0, x) + np.logaddexp(0, y))
    p, q = expit(x)[:, None], expit(y)[:, None]
    gradient = (p * eps_a).T @ (tanh_u - eps_b) + (tanh_v - eps_a).T @ (q * eps_b)
    return float(loss), (tau2 / len(eps_a)) * gradient


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
    rows, columns = log_softmax(tau2 * scores, axis=1), log_softmax(tau2 * scores, axis=0)
    loss = -(np.trace(rows) + np.trace(columns)) / n
    return float(loss), (tau2 / n) * (np.exp(rows) + np.exp(columns) - 2 * np.eye(n))


@gradient_in_scores.register
def _(objective: PositiveOnly, scores: Array) -> tuple[float, Array]:
    n = len(scores)
    return float(-2 * np.trace(scores) / n), (-2 / n) * np.eye(n)
