"""Gradient flow of the definitions of the family, on every pattern of signs: what its exact flows are held against.

The losses are written once more as their papers write them, on a population whose rows are equally likely and whose
negatives are independent rows; their gradient is autograd's.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits
from torch import Tensor

from mmcl.claims.claim import Check, Run, zero
from mmcl.claims.definition import lengths
from mmcl.data import PairedData
from mmcl.family import AlignmentUniformity, Decoupled, Family, NTXent, Sigmoid, Spectral
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights, orthonormal_weights

Rows = Float[Tensor, "N m"]


@singledispatch
def population_loss(objective: object, a: Rows, b: Rows) -> Float[Tensor, ""]:
    """The loss over a population of positive pairs (a_i, b_i), in which every row is a negative of every row."""
    raise TypeError(f"`objective` must be one of `mmcl.family`; got {objective!r}.")


@population_loss.register
def _(objective: Decoupled, a: Rows, b: Rows) -> Float[Tensor, ""]:
    scores = objective.inverse_temperature * a @ b.T
    towards_b, towards_a = (x.exp().mean(dim=1).log() - x.diagonal() for x in (scores, scores.T))
    return (towards_a + towards_b).mean()


@population_loss.register
def _(objective: Spectral, a: Rows, b: Rows) -> Float[Tensor, ""]:
    a, b = (x * objective.square_norm**0.5 for x in (a, b))
    return -2 * (a * b).sum(dim=1).mean() + ((a @ b.T) ** 2).mean()


@population_loss.register
def _(objective: Sigmoid, a: Rows, b: Rows) -> Float[Tensor, ""]:
    logits = objective.inverse_temperature * a @ b.T + objective.bias
    return -F.logsigmoid(logits.diagonal()).mean() - objective.negatives * F.logsigmoid(-logits).mean()


@population_loss.register
def _(objective: AlignmentUniformity, a: Rows, b: Rows) -> Float[Tensor, ""]:
    aligned = ((a - b) ** 2).sum(dim=1).mean()
    norms = [(x**2).sum(dim=1) for x in (a, b)]
    squares = [n[:, None] + n - 2 * x @ x.T for n, x in zip(norms, (a, b), strict=True)]
    uniform = [(-objective.sharpness * square).exp().mean().log() for square in squares]
    return aligned + objective.weight * (uniform[0] + uniform[1]) / 2


@population_loss.register
def _(objective: NTXent, a: Rows, b: Rows) -> Float[Tensor, ""]:
    tau2, every = objective.inverse_temperature, torch.cat([a, b])  # negatives are augmentations of either kind
    found = []
    for anchor, other in ((a, b), (b, a)):
        positive = (tau2 * (anchor * other).sum(dim=1)).exp()
        negative = (tau2 * anchor @ every.T).exp().mean(dim=1)
        found.append(-(positive / (positive + objective.negatives * negative)).log().mean())
    return found[0] + found[1]


def family_along_flow(data: PairedData, objective: Family, start: Weights, times: Float[Array, " T"]) -> list[Weights]:
    """The weights at `times`, by gradient flow of `population_loss`; of NTXent the one encoder, twice."""
    signs, tied = all_signs(data), isinstance(objective, NTXent)
    inputs = Pair(*(torch.from_numpy(e @ view.mixing.T) for e, view in zip(signs, data.views, strict=True)))
    shapes, split = [w.shape for w in start], start.a.size

    def unpacked(y: Array) -> list[Array]:
        parts = [y, y] if tied else np.split(y, [split])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def velocity(_: float, y: Array) -> Array:
        flat = torch.from_numpy(y).requires_grad_()
        parts = [flat, flat] if tied else [flat[:split], flat[split:]]
        outputs = [x @ w.reshape(shape) for x, w, shape in zip(inputs, parts, shapes, strict=True)]
        value = population_loss(objective, *(f / f.square().sum(dim=1).mean().sqrt() for f in outputs))
        (gradient,) = torch.autograd.grad(value, flat)
        return -gradient.numpy()

    y = start.a.ravel() if tied else np.concatenate([w.ravel() for w in start])
    with threadpool_limits(limits=1):
        solved = solve_ivp(velocity, (0.0, times[-1]), y, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12)
    return [Pair(*unpacked(row)) for row in solved.y.T]


def against_definition(flow: Run, data: PairedData, objective: Family, end: float) -> Check:
    """The check that the flow is that of the definition: the largest error of any share, until `end`."""
    times = np.linspace(0, end, 13)
    dims = Pair(*(view.ambient_dim for view in data.views))
    start = orthonormal_weights(dims, sum(dims), rng=np.random.default_rng(91))
    if isinstance(objective, NTXent):
        start = Pair(start.a, start.a)
    path, error = flow(data, objective, times), 0.0
    for k, weights in enumerate(family_along_flow(data, objective, start, times)):
        a, b, c, n_a, n_b = lengths(data, weights)
        found = np.concatenate([c / np.sqrt((a.sum() + n_a) * (b.sum() + n_b)), [n_a / (a.sum() + n_a)]])
        error = max(error, float(np.abs(found - [*path.theta[k], path.noise_share[k, 0]]).max()))
    name = type(objective).__name__
    reason = "two integrators at 1e-9 and 1e-10"
    return zero(f"definition, {name}: largest error of a share", error, tolerance=1e-7, reason=reason)
