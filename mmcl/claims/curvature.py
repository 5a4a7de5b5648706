"""Value, gradient and Hessian of a loss in the weights: autograd of the definition over every pattern of signs.

It shares no line with `mmcl.landscape`, which it tests: no θ, no force, no projector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl.data import PairedData
from mmcl.losses import log_expectation_over_rows, loss
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training.descent import all_signs
from mmcl.training.initial import Weights


class Curvature(NamedTuple):
    """A loss at one point: its value, its gradient and the eigenvalues of its Hessian, in ascending order."""

    value: float
    gradient: Float[Array, " D"]
    eigenvalues: Float[Array, " D"]


def curvature(data: PairedData, objective: InfoNCE | PositiveOnly, weights: Weights) -> Curvature:
    """The loss in all D = (d_A + d_B) m weights, positives and negatives listed."""
    inputs = [torch.from_numpy(e @ view.mixing.T) for e, view in zip(all_signs(data), data.views, strict=True)]
    shapes, split = [w.shape for w in weights], weights.a.size

    def value(y: Tensor) -> Tensor:
        parts = [part.reshape(shape) for part, shape in zip((y[:split], y[split:]), shapes, strict=True)]
        outputs = [x @ w for x, w in zip(inputs, parts, strict=True)]
        features = Pair(*(f / f.square().sum(dim=1).mean().sqrt() for f in outputs))
        return loss(objective, features, Pair(*(log_expectation_over_rows(f) for f in features)))

    y = torch.from_numpy(np.concatenate([w.ravel() for w in weights])).requires_grad_()
    at = value(y)
    (gradient,) = torch.autograd.grad(at, y)
    hessian = torch.autograd.functional.hessian(value, y.detach()).numpy()
    return Curvature(float(at.detach()), gradient.numpy(), np.linalg.eigvalsh((hessian + hessian.T) / 2))
