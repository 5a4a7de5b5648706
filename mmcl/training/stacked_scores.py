r"""The kernels of `mmcl.training.scores` with one more axis in front, in torch: batched products."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmcl.latents import Latents
from mmcl.latents import Signs as SignLatents
from mmcl.objectives import InBatchInfoNCE, Objective, PositiveOnly
from mmcl.pair import Pair

FACTORS = 32  # numbers that are seldom far above 2, whose product fits, in single precision too
Slope = tuple[Float[Tensor, " S"], Float[Tensor, "S d_a d_b"]]  # the losses, and their slopes in R


def slope_in_r(
    kind: type[Objective],
    R: Float[Tensor, "S d_a d_b"],
    signs: Pair[Float[Tensor, "S n d"]],
    inverse_temperature: Float[Tensor, " S"],
    log_weight: Float[Tensor, " S"],
    latents: Latents,
) -> Slope:
    r"""The losses of all learners, and $X=\partial L/\partial R$.

    Args:
        kind: InfoNCE, InBatchInfoNCE or PositiveOnly.
        R: the normalised score matrices.
        signs: a batch for every learner.
        inverse_temperature: τ².
        log_weight: log K.
        latents: what the signs are drawn from, if not from signs; exact negatives need to know.
    """
    (eps_a, eps_b), n, tau2 = signs, signs.a.shape[1], inverse_temperature[:, None, None]
    if kind is PositiveOnly:
        x = (-2 / n) * (eps_a.mT @ eps_b)
        return (x * R).sum(dim=(1, 2)), x
    scores = tau2 * R
    if kind is InBatchInfoNCE:
        s = eps_a @ scores @ eps_b.mT
        along, down = s.log_softmax(dim=2), s.log_softmax(dim=1)
        del s  # three matrices of scores are as many as are needed
        own = along.diagonal(dim1=1, dim2=2) + down.diagonal(dim1=1, dim2=2)
        pull = along.exp_().add_(down.exp_())
        pull.diagonal(dim1=1, dim2=2).sub_(2)
        return -own.mean(dim=1), (tau2 / n) * (eps_a.mT @ pull @ eps_b)
    direction = _direction if isinstance(latents, SignLatents) else partial(_other_direction, latents)
    loss_a, from_a = direction(eps_a, eps_b, scores, log_weight)
    loss_b, from_b = direction(eps_b, eps_a, scores.mT, log_weight)
    return loss_a + loss_b, (tau2 / n) * (from_a + from_b.mT)


def _direction(near: Tensor, far: Tensor, scores: Tensor, log_k: Tensor) -> Slope:
    """The losses of one direction of InfoNCE on signs, and n/τ² times their slopes; see `mmcl.latents.pair_moment`."""
    decay = (near @ (-2 * scores)).mul_(far).exp_()
    grown = decay + 1
    pull = decay.div_(grown).mul_(far)  # -1/2 of it
    logs = [factors.prod(dim=2).log_() for factors in grown.split(FACTORS, dim=2)]
    excess = torch.stack(logs).sum(dim=0) - far.shape[2] * np.log(2)
    if not bool(excess.isfinite().all()):
        u = near @ scores
        size = u.abs()
        excess = (size + (-2 * size).exp().log1p() - u * far).sum(dim=2) - far.shape[2] * np.log(2)
        pull = (far - u.tanh()) / 2
    excess = excess + log_k[:, None]
    pull *= -2 * excess.sigmoid()[:, :, None]
    return torch.logaddexp(excess, torch.zeros_like(excess)).mean(dim=1), near.mT @ pull


def _other_direction(latents: Latents, near: Tensor, far: Tensor, scores: Tensor, log_k: Tensor) -> Slope:
    """The same on other latents."""
    u = near @ scores
    slope, value = latents.log_moment(u, torch)
    excess = (value - u * far).sum(dim=2) + log_k[:, None]
    pull = (slope - far) * excess.sigmoid()[:, :, None]
    return torch.logaddexp(excess, torch.zeros_like(excess)).mean(dim=1), near.mT @ pull
