r"""The differentiable face of each method: its loss in the second moments of the data.

Encoders and predictors are linear, so $\mathbb E x_Ax_A^\top$, $\mathbb E x_Bx_B^\top$ and $\mathbb E x_Ax_B^\top$ are
all that a loss sees of the data. Nothing is sampled.
"""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.methods.values import BYOL, BarlowTwins, DirectPred, MaskedReconstruction, SimSiam, VICReg
from mmcl.pair import Pair

VARIANCE_FLOOR = 1e-4  # VICReg's, under the root


class Moments(NamedTuple):
    r"""$\mathbb E x_Ax_A^\top$, $\mathbb E x_Bx_B^\top$ and $\mathbb E x_Ax_B^\top$."""

    aa: Float[Tensor, "d_a d_a"]
    bb: Float[Tensor, "d_b d_b"]
    ab: Float[Tensor, "d_a d_b"]

    @classmethod
    def of(cls, data: PairedData | EmpiricalPairs) -> Moments:
        """Those of a world, or of real pairs about zero."""
        found = (data.covariance_a, data.covariance_b, data.cross_covariance)
        return cls(*(torch.from_numpy(x.copy()) for x in found))

    @property
    def turned(self) -> Moments:
        """The same with A and B exchanged."""
        return Moments(self.bb, self.aa, self.ab.T)


class Parts(NamedTuple):
    """What a method is made of.

    Attributes:
        weights: $W_A,W_B$ of the towers.
        predictor: Q, shape (m, m); the identity where there is none.
        targets: weights whose outputs are to be predicted.
    """

    weights: Pair[Float[Tensor, "d m"]]
    predictor: Float[Tensor, "m m"]
    targets: Pair[Float[Tensor, "d m"]]


@singledispatch
def loss(method: object, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    """The method's value in the population, the sum of both directions; what is stopped in `parts` stays stopped."""
    raise TypeError(f"`method` must be one of `mmcl.methods.METHODS`; got {method!r}.")


@loss.register
def _(method: SimSiam, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    return -_cosine(moments, parts) - _cosine(moments.turned, _turned(parts))


@loss.register(BYOL)
@loss.register(DirectPred)
def _(method: BYOL | DirectPred, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    # ‖p̂ - f'‖² = 2 - 2 p̂·f' in the mean, both of unit mean square.
    return 4 - 2 * _cosine(moments, parts) - 2 * _cosine(moments.turned, _turned(parts))


@loss.register
def _(method: MaskedReconstruction, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    return _unexplained(moments, parts.weights) + _unexplained(moments.turned, Pair(*parts.weights[::-1]))


@loss.register
def _(method: VICReg, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    own, cross = _outputs(moments, parts.weights)
    apart = own.a.trace() + own.b.trace() - 2 * cross.trace()
    value = method.invariance * apart
    for covariance in own:
        axes = covariance.diagonal()
        floor = torch.relu(1 - (axes + VARIANCE_FLOOR).sqrt()).mean()
        off = (covariance.square().sum() - axes.square().sum()) / len(axes)
        value = value + method.variance * floor + method.covariance * off
    return value


@loss.register
def _(method: BarlowTwins, moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    own, cross = _outputs(moments, parts.weights)
    correlation = cross / (own.a.diagonal().sqrt()[:, None] * own.b.diagonal().sqrt())
    axes = correlation.diagonal()
    off = correlation.square().sum() - axes.square().sum()
    return (1 - axes).square().sum() + method.off_diagonal * off


def _cosine(moments: Moments, parts: Parts) -> Float[Tensor, ""]:
    r"""$\mathbb E\hat p_A\cdot f'_B$."""
    p, target = parts.weights.a @ parts.predictor.T, parts.targets.b
    return (p * (moments.ab @ target)).sum() / (_power(moments.aa, p) * _power(moments.bb, target)).sqrt()


def _turned(parts: Parts) -> Parts:
    return Parts(Pair(*parts.weights[::-1]), parts.predictor, Pair(*parts.targets[::-1]))


def _power(covariance: Tensor, w: Tensor) -> Tensor:
    return (w * (covariance @ w)).sum()


def _unexplained(moments: Moments, weights: Pair[Tensor]) -> Tensor:
    r"""$\mathbb E\|x_B-W_BW_A^\top x_A\|^2$."""
    w_a, w_b = weights
    inner = w_a.T @ moments.aa @ w_a
    return moments.bb.trace() - 2 * (w_a * (moments.ab @ w_b)).sum() + (inner * (w_b.T @ w_b)).sum()


def _outputs(moments: Moments, weights: Pair[Tensor]) -> tuple[Pair[Tensor], Tensor]:
    """Covariances of each tower's outputs, and their cross-covariance."""
    w_a, w_b = weights
    return Pair(w_a.T @ moments.aa @ w_a, w_b.T @ moments.bb @ w_b), w_a.T @ moments.ab @ w_b
