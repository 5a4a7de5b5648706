r"""The gradient of InfoNCE on fair signs in the reduced form: what `mmcl.training.grams` does for every loss, in place.

With $K=DF$ and $X=\partial L/\partial R$ the slope in F is

.. math:: D\begin{pmatrix}-\frac{\langle X,R\rangle}{N_A^2}&\frac X{N_AN_B}\\
          \frac{X^\top}{N_AN_B}&-\frac{\langle X,R\rangle}{N_B^2}\end{pmatrix}K.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from mmcl.objectives import InfoNCE
from mmcl.training.scores import gradient_in_r
from mmcl.training.sign_batch import SignBatch


class Slope(NamedTuple):
    """What a step needs to know of its batch.

    Attributes:
        loss: the batch's.
        in_log_tau2: its slope in log τ².
        in_factor: its slope in F; the next call writes over it.
    """

    loss: float
    in_log_tau2: float
    in_factor: Float[Array, "D k"]


class SignStep:
    """Room for the gradient of one learner at a time, kept from step to step.

    Args:
        scales: of the rows of F.
        shape: of F, (2d, k).
        dtype: of the arithmetic.
    """

    def __init__(self, scales: Float[Array, " D"], shape: tuple[int, int], dtype: DTypeLike) -> None:
        self._half = shape[0] // 2
        self._scales = scales[:, None]
        self._column = scales[:, None].astype(dtype)
        self._k, self._slope = np.empty((2, *shape), dtype)
        self._scores = np.empty((self._half, self._half), dtype)
        k, slope = torch.from_numpy(self._k), torch.from_numpy(self._slope)
        (self._k_a, self._k_b), (self._slope_a, self._slope_b) = k.split(self._half), slope.split(self._half)
        self._ab = torch.from_numpy(self._scores)

    def slope(self, objective: InfoNCE, factor: Float[Array, "D k"], signs: SignBatch) -> Slope:
        """The gradient at one learner's factor F on a batch of signs."""
        k, half = self._k, self._half
        np.multiply(factor, self._scales, out=k, casting="same_kind")
        square_a, square_b = float(np.vdot(k[:half], k[:half])), float(np.vdot(k[half:], k[half:]))
        norm = math.sqrt(square_a) * math.sqrt(square_b)
        torch.mm(self._k_a, self._k_b.mT, out=self._ab)
        R = np.divide(self._scores, norm, out=self._scores)
        loss, x = gradient_in_r(objective, R, signs)
        work = float(np.vdot(x, R))
        x /= norm
        pull = torch.from_numpy(x)
        torch.addmm(self._k_a, pull, self._k_b, beta=-work / square_a, out=self._slope_a)
        torch.addmm(self._k_b, pull.mT, self._k_a, beta=-work / square_b, out=self._slope_b)
        self._slope *= self._column
        return Slope(loss, work, self._slope)
