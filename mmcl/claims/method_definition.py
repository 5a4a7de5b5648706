"""Methods with a predictor once more, as their papers write them: samples, autograd, and weights by scipy.

The population is every pattern of signs. It shares no line with `mmcl.methods`: no moments, no lengths, no eigenvalues.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits
from torch import Tensor

from mmcl.data import PairedData
from mmcl.methods.values import BYOL, DirectPred, SimSiam
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights

Predictive = SimSiam | BYOL | DirectPred


class Learned(NamedTuple):
    """Weights and predictor at one time; DirectPred has the moving average F in the predictor's place."""

    weights: Weights
    predictor: Float[Array, "m m"]


def learned_along_flow(
    data: PairedData,
    method: Predictive,
    start: Weights,
    times: Float[Array, " T"],
    predictor: Float[Array, "m m"] | None = None,
) -> list[Learned]:
    """Weights and predictor at `times`, by gradient flow over all patterns of signs; Q starts as $q_0I$ or as given."""
    signs = all_signs(data)
    x_a, x_b = (torch.from_numpy(e @ view.mixing.T) for e, view in zip(signs, data.views, strict=True))
    m = start.a.shape[1]
    cuts = np.cumsum([start.a.size, start.b.size, m * m, start.a.size])
    learned = isinstance(method, BYOL) or (isinstance(method, SimSiam) and method.predictor)
    if predictor is None:
        outputs = [unit(x @ torch.from_numpy(w)) for x, w in zip((x_a, x_b), start, strict=True)]
        direct = isinstance(method, DirectPred)
        predictor = correlation(*outputs).numpy() if direct else getattr(method, "predictor_scale", 1.0) * np.eye(m)

    def velocity(_: float, y: Array) -> Array:
        w_a, w_b, third, t_a, t_b = (torch.from_numpy(u.reshape(-1, m)) for u in np.split(y, cuts))
        leaves = [u.clone().requires_grad_() for u in ((w_a, w_b, third) if learned else (w_a, w_b))]
        h_a, h_b = x_a @ leaves[0], x_b @ leaves[1]
        Q = leaves[2] if learned else set_predictor(method, third)
        goals = (x_a @ t_a, x_b @ t_b) if isinstance(method, BYOL) else (h_a.detach(), h_b.detach())
        if isinstance(method, SimSiam) and not method.stop_gradient:
            goals = (h_a, h_b)
        slopes = torch.autograd.grad(value(method, (h_a @ Q.T, h_b @ Q.T), goals), leaves)
        moved = torch.zeros_like(third)
        if learned:
            moved = -method.predictor_rate * slopes[2]  # type: ignore[union-attr]
        elif isinstance(method, DirectPred):
            moved = method.memory_rate * (correlation(unit(h_a.detach()), unit(h_b.detach())) - third)
        follow = method.target_rate if isinstance(method, BYOL) else 0.0
        rates = (-slopes[0], -slopes[1], moved, follow * (w_a - t_a), follow * (w_b - t_b))
        return np.concatenate([u.numpy().ravel() for u in rates])

    first = np.concatenate([u.ravel() for u in (*start, predictor, *start)])
    with threadpool_limits(limits=1):
        path = solve_ivp(velocity, (0, times[-1]), first, "DOP853", times, rtol=1e-9, atol=1e-11)
    parts = (np.split(y, cuts)[:3] for y in path.y.T)
    return [Learned(Pair(a.reshape(-1, m), b.reshape(-1, m)), q.reshape(m, m)) for a, b, q in parts]


def value(method: Predictive, predictions: tuple[Tensor, Tensor], goals: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    """The loss of the papers on samples: cosines for SimSiam, squared distances for the others."""
    (p_a, p_b), (f_a, f_b) = (tuple(map(unit, pair)) for pair in (predictions, goals))
    if isinstance(method, SimSiam):
        return -(p_a * f_b).sum(dim=1).mean() - (p_b * f_a).sum(dim=1).mean()
    return (p_a - f_b).square().sum(dim=1).mean() + (p_b - f_a).square().sum(dim=1).mean()


def set_predictor(method: Predictive, memory: Float[Tensor, "m m"]) -> Float[Tensor, "m m"]:
    """DirectPred's predictor from F; without one, what is there already."""
    if not isinstance(method, DirectPred):
        return memory
    s, U = torch.linalg.eigh(memory)
    s = s.clamp(min=0)
    q = (s / s.max()).sqrt() + method.epsilon if method.relative else s.sqrt() + method.epsilon * s.max()
    return U @ torch.diag(q) @ U.T


def correlation(f_a: Float[Tensor, "n m"], f_b: Float[Tensor, "n m"]) -> Float[Tensor, "m m"]:
    """F over both towers."""
    return (f_a.T @ f_a + f_b.T @ f_b) / (2 * len(f_a))


def unit(h: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Outputs with E‖f‖² = 1 over the population."""
    return h / h.square().sum(dim=1).mean().sqrt()
