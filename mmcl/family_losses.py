"""The torch faces of `mmcl.family`, registered on `mmcl.losses.loss` and written as in the papers.

On a batch the losses whose negatives are pairs of the batch take every pair but the positive ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmcl.family import AlignmentUniformity, Decoupled, NTXent, Sigmoid, Spectral
from mmcl.losses import LogExpectation, loss
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair

__all__ = ["loss"]


@loss.register
def _(objective: Decoupled, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None) -> Float[Tensor, ""]:
    if negatives is None:
        raise TypeError("`negatives` must give the population's log-expectations for Decoupled; got None.")
    tau2, f_a, f_b = objective.inverse_temperature, features.a, features.b
    return (negatives.b(tau2 * f_a) + negatives.a(tau2 * f_b) - 2 * tau2 * (f_a * f_b).sum(dim=1)).mean()


@loss.register
def _(objective: Spectral, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None) -> Float[Tensor, ""]:
    scores = objective.square_norm * features.a @ features.b.T
    return -2 * scores.diagonal().mean() + _others(scores).square().mean()


@loss.register
def _(objective: Sigmoid, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None) -> Float[Tensor, ""]:
    scores = objective.inverse_temperature * features.a @ features.b.T + objective.bias
    return F.softplus(-scores.diagonal()).mean() + objective.negatives * F.softplus(_others(scores)).mean()


@loss.register
def _(
    objective: AlignmentUniformity, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None
) -> Float[Tensor, ""]:
    apart = (features.a - features.b).square().sum(dim=1).mean()
    spread = [
        torch.logsumexp(-objective.sharpness * torch.pdist(f).square(), dim=0) - math.log(math.comb(len(f), 2))
        for f in features
    ]
    return apart + objective.weight / 2 * (spread[0] + spread[1])


@loss.register
def _(objective: NTXent, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None) -> Float[Tensor, ""]:
    # The two augmentations are features of one encoder, and so are the negatives, whichever view they come from.
    return loss(InfoNCE(objective.inverse_temperature, objective.negatives), features, negatives)


def _others(scores: Float[Tensor, "n n"]) -> Float[Tensor, " n(n-1)"]:
    return scores[~torch.eye(len(scores), dtype=torch.bool, device=scores.device)]
