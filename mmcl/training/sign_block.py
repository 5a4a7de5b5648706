r"""InfoNCE on a block of fair signs, the kernel that most runs of the book are made of.

A direction with the scores $u=\tau^2R^\top\varepsilon_A$ needs one exponential: with $e=\exp(-2u\varepsilon_B)$

.. math:: \tanh u-\varepsilon_B=-2\varepsilon_B\frac e{1+e},\qquad \log\cosh u-u\varepsilon_B=\log(1+e)-\log2,

and nothing cancels. The logarithm of a product is cheaper than the sum of its factors' logarithms. Both directions go
through every operation together. Matrix products, exponentials and products along rows are torch's, which is faster at
them; the rest is NumPy's, which costs less to call. Both see the same memory, kept from step to step.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch.nn.functional import softplus

FACTORS = 32  # numbers that are seldom far above 2, whose product fits, in single precision too


class Block:
    """A few pairs, and views of all that their evaluation writes to.

    Args:
        near: their signs in both modalities.
        both: where $-2\\tau^2R$ and its transpose will stand.
        scratch: room for two arrays of the shape of `near`; other blocks may use it in their turn.
        slopes: where the slopes of both directions are summed, times -1/2.
    """

    def __init__(
        self,
        near: Float[Array, "2 n d"],
        both: Float[Array, "2 d d"],
        scratch: Float[Array, "2 2 n d"],
        slopes: Float[Array, "2 d d"],
    ) -> None:
        _, n, d = near.shape
        self.decay, self.grown = scratch
        self.far, self.constant = near[::-1], d * math.log(2)
        self.products = np.empty((-(-d // FACTORS), 2, n), near.dtype)
        self.excess, self.share = np.empty((2, 2, n), near.dtype)
        self.t_near, self.t_both, self.t_decay, self.t_slopes, self.t_excess, self.t_share = map(
            torch.from_numpy, (near, both, self.decay, slopes, self.excess, self.share)
        )
        self.factors = list(
            zip(
                torch.from_numpy(self.grown).split(FACTORS, dim=2),
                torch.from_numpy(self.products).unbind(),
                strict=True,
            )
        )
        self.turned, self.column = self.t_near.mT, self.t_share[:, :, None]

    def add(self, log_weight: float, *, first: bool) -> float:
        """The loss of these pairs; if it is finite, their slopes are added to the others', or put in their place."""
        decay, grown, excess = self.decay, self.grown, self.excess
        torch.bmm(self.t_near, self.t_both, out=self.t_decay)
        np.multiply(decay, self.far, out=decay)
        torch.exp(self.t_decay, out=self.t_decay)
        np.add(decay, 1, out=grown)
        for factors, product in self.factors:
            torch.prod(factors, dim=2, out=product)
        np.log(self.products, out=self.products)
        np.add.reduce(self.products, axis=0, out=excess)
        excess += log_weight - self.constant
        loss = softplus(self.t_excess, threshold=math.inf).sum().item()
        if not math.isfinite(loss):
            return loss
        torch.sigmoid(self.t_excess, out=self.t_share)
        np.divide(decay, grown, out=decay)
        np.multiply(decay, self.far, out=decay)
        torch.mul(self.t_decay, self.column, out=self.t_decay)
        torch.baddbmm(self.t_slopes, self.turned, self.t_decay, beta=0 if first else 1, out=self.t_slopes)
        return loss
