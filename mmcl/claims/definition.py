"""Gradient flow of the definition: the loss as the papers write it, its gradient by autograd, its weights by scipy.

It shares no line with the theory that it tests: no θ, no Gram matrix, no log-cosh by hand, no solver of ours.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits

from mmcl.data import PairedData
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights


def weights_along_flow(
    data: PairedData, objective: InfoNCE | PositiveOnly, start: Weights, times: Float[Array, " T"]
) -> list[Weights]:
    """The weights at `times`, by gradient flow of the loss over every pattern of signs.

    Positive pairs and negatives are all listed: the population is `all_signs`, in which every negative of an anchor is
    a row.
    """
    return weights_and_temperature_along_flow(data, objective, start, times, 0.0)[0]


def weights_and_temperature_along_flow(
    data: PairedData, objective: InfoNCE | PositiveOnly, start: Weights, times: Float[Array, " T"], rate: float
) -> tuple[list[Weights], Float[Array, " T"]]:
    r"""The same where $\log\tau^2$ follows its own gradient, ρ = `rate` times as fast; and τ² at `times`.

    The loss is a function of τ² times the scores, so a factor on the features of A is a factor on τ².
    """
    import torch  # slow to load: whoever reads stored evidence does without it

    from mmcl.losses import log_expectation_over_rows, loss

    signs = all_signs(data)
    inputs = Pair(*(torch.from_numpy(e @ view.mixing.T) for e, view in zip(signs, data.views, strict=True)))
    shapes = [w.shape for w in start]
    split = start.a.size

    def velocity(_: float, y: Array) -> Array:
        weights = [
            torch.from_numpy(part.reshape(shape)).requires_grad_()
            for part, shape in zip(np.split(y[:-1], [split]), shapes, strict=True)
        ]
        log_factor = torch.tensor(y[-1], requires_grad=True)
        outputs = [x @ w for x, w in zip(inputs, weights, strict=True)]
        f_a, f_b = (f / f.square().sum(dim=1).mean().sqrt() for f in outputs)
        features = Pair(f_a * log_factor.exp(), f_b)
        value = loss(objective, features, Pair(*(log_expectation_over_rows(f) for f in features)))
        *by_weights, by_factor = torch.autograd.grad(value, [*weights, log_factor])
        return -np.concatenate([*(g.numpy().ravel() for g in by_weights), [rate * float(by_factor)]])

    y = np.concatenate([*(w.ravel() for w in start), [0.0]])
    with threadpool_limits(limits=1):  # matrices of a few hundred entries
        solved = solve_ivp(velocity, (0.0, times[-1]), y, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12)
    weights = [
        Pair(*(part.reshape(shape) for part, shape in zip(np.split(row[:-1], [split]), shapes, strict=True)))
        for row in solved.y.T
    ]
    return weights, getattr(objective, "inverse_temperature", np.nan) * np.exp(solved.y[-1])


def lengths(data: PairedData, weights: Weights) -> tuple[Array, Array, Array, Array, Array]:
    r"""$a_p,b_p,c_p$ and the noise masses $n_A,n_B$ of trained weights, from their definition."""
    r = data.signal_dim
    a, b = (view.mixing.T @ w for view, w in zip(data.views, weights, strict=True))
    pairs = [(x[:r], x[r:]) for x in (a, b)]
    (k_a, noise_a), (k_b, noise_b) = pairs
    total = [np.array((x**2).sum()) for x in (noise_a, noise_b)]
    return (k_a**2).sum(axis=1), (k_b**2).sum(axis=1), (k_a * k_b).sum(axis=1), total[0], total[1]
