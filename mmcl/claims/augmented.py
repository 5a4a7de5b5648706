r"""A world whose last signal direction carries noise along itself, at the definition: every pattern of signs is listed.

Many strengths of that noise are followed at once, one for each row of a leading axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl.losses import log_expectation_over_rows, loss
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair

Inputs = Pair[Float[Tensor, "B N r"]]


class Ends(NamedTuple):
    """Where descent has come: eigenvalues $k_p^2$ of the covariance and the alignment, for each strength."""

    shares: Float[Array, "B r"]
    alignment: Float[Array, " B"]


def inputs(signal: Array, strengths: Array) -> Inputs:
    r"""$x=\sigma z$, and $\nu\xi$ on top in the last coordinate, over all patterns of $(z,\xi_A,\xi_B)$."""
    r = len(signal)
    signs = 1.0 - 2.0 * ((np.arange(2 ** (r + 2))[:, None] >> np.arange(r + 2)) & 1)
    views = []
    for extra in (r, r + 1):
        x = np.repeat((signs[:, :r] * signal)[None], len(strengths), axis=0)
        x[:, :, -1] += np.multiply.outer(strengths, signs[:, extra])
        views.append(torch.from_numpy(x))
    return Pair(*views)


def value(objective: InfoNCE | PositiveOnly, x: Inputs, weights: Pair[Float[Tensor, "B r m"]]) -> Tensor:
    """The loss, summed over the strengths."""
    f_a, f_b = (_normalised(inputs @ w) for inputs, w in zip(x, weights, strict=True))
    features = [Pair(*pair) for pair in zip(f_a, f_b, strict=True)]
    return sum(
        (loss(objective, f, Pair(*(log_expectation_over_rows(g) for g in f))) for f in features), torch.zeros(())
    )


def _normalised(raw: Float[Tensor, "B N m"]) -> Float[Tensor, "B N m"]:
    return raw / raw.square().sum(dim=2, keepdim=True).mean(dim=1, keepdim=True).sqrt()


def rates(objective: InfoNCE | PositiveOnly, signal: Array, strengths: Array) -> Float[Array, " B"]:
    r"""$-\partial L/\partial w_q$ over $w_q$ where the last direction is almost empty and the others are balanced."""
    r, tiny = len(signal), 1e-5
    rows = np.diag(np.append(1 / (signal[:-1] * np.sqrt(r - 1)), tiny))
    weights = Pair(*(torch.from_numpy(np.repeat(rows[None], len(strengths), 0)).requires_grad_() for _ in "AB"))
    slope, _ = torch.autograd.grad(value(objective, inputs(signal, strengths), weights), weights)
    return -slope[:, -1, -1].numpy() / tiny


def ends(objective: InfoNCE | PositiveOnly, signal: Array, strengths: Array, *, step_size: float, steps: int) -> Ends:
    """Descent from orthonormal rows, for each strength."""
    x, r = inputs(signal, strengths), len(signal)
    frame = np.eye(2 * r)
    weights = Pair(*(torch.from_numpy(np.repeat(part[None], len(strengths), 0)) for part in (frame[:r], frame[r:])))
    for _ in range(steps):
        leaves = Pair(*(w.detach().requires_grad_() for w in weights))
        slopes = torch.autograd.grad(value(objective, x, leaves), leaves)
        weights = Pair(*((w - step_size * g).detach() for w, g in zip(leaves, slopes, strict=True)))
    a, b = (_normalised_rows(inputs, w) for inputs, w in zip(x, weights, strict=True))
    power = np.tile(signal**2, (len(strengths), 1))
    power[:, -1] += strengths**2
    theta = np.square(signal) * np.einsum("bpm,bpm->bp", a, b)
    return Ends(power * np.einsum("bpm,bpm->bp", a, a), theta.sum(axis=1))


def _normalised_rows(x: Tensor, w: Tensor) -> Array:
    """Weights over the root mean square of their outputs."""
    return (w / (x @ w).square().sum(dim=2, keepdim=True).mean(dim=1, keepdim=True).sqrt()).numpy()
