"""The differentiable face of each objective: a torch loss on a batch of (normalised) features.

These are the definitions, written as in the papers. Autograd of them shares no line with the SymPy derivation, and
checks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.pair import Pair

LogExpectation = Callable[[Float[Tensor, "n m"]], Float[Tensor, " n"]]


@singledispatch
def loss(
    objective: object,
    features: Pair[Float[Tensor, "n m"]],
    negatives: Pair[LogExpectation] | None = None,
) -> Float[Tensor, ""]:
    r"""The objective's value on a batch of positive pairs.

    Args:
        objective: InfoNCE, InBatchInfoNCE or PositiveOnly.
        features: $f_A, f_B$, normalised, one row per pair.
        negatives: for InfoNCE, the functions $v\mapsto\log\mathbb E_{x_A^-}e^{v\cdot f_A^-}$ and
            $v\mapsto\log\mathbb E_{x_B^-}e^{v\cdot f_B^-}$ over the population (`log_expectation_over_signs` or
            `log_expectation_over_rows`).
    """
    raise TypeError(f"`objective` must be InfoNCE, InBatchInfoNCE or PositiveOnly; got {objective!r}.")


@loss.register
def _(objective: InfoNCE, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None) -> Float[Tensor, ""]:
    if negatives is None:
        raise TypeError("`negatives` must give the population's log-expectations for InfoNCE; got None.")
    tau2, f_a, f_b = objective.inverse_temperature, features.a, features.b
    positive = tau2 * (f_a * f_b).sum(dim=1)
    log_k = math.log(objective.negatives) if objective.negatives else -math.inf
    # -log(e^s / (e^s + K E e^s⁻)) = softplus(log K + log E e^s⁻ - s)
    towards_b = F.softplus(log_k + negatives.b(tau2 * f_a) - positive)
    towards_a = F.softplus(log_k + negatives.a(tau2 * f_b) - positive)
    return (towards_a + towards_b).mean()


@loss.register
def _(
    objective: InBatchInfoNCE, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None
) -> Float[Tensor, ""]:
    scores = objective.inverse_temperature * features.a @ features.b.T
    own = torch.arange(len(scores), device=scores.device)
    return F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)


@loss.register
def _(
    objective: PositiveOnly, features: Pair[Tensor], negatives: Pair[LogExpectation] | None = None
) -> Float[Tensor, ""]:
    return -2 * (features.a * features.b).sum(dim=1).mean()


def log_expectation_over_signs(images: Float[Tensor, "d m"]) -> LogExpectation:
    r"""$v\mapsto\log\mathbb E_\varepsilon e^{v\cdot\sum_j\varepsilon_j w_j}=\sum_j\log\cosh(v\cdot w_j)$, exactly.

    Args:
        images: row j is $w_j$, the feature that latent sign j alone would give, shape (d, m).
    """

    def over_signs(v: Float[Tensor, "n m"]) -> Float[Tensor, " n"]:
        x = v @ images.T  # |x| would have no second derivative at 0
        return (torch.logaddexp(x, -x) - math.log(2)).sum(dim=1)

    return over_signs


def log_expectation_over_rows(features: Float[Tensor, "N m"]) -> LogExpectation:
    r"""$v\mapsto\log\frac1N\sum_j e^{v\cdot f_j}$: every row of a finite population is a negative.

    Args:
        features: the population's features, shape (N, m).
    """

    def over_rows(v: Float[Tensor, "n m"]) -> Float[Tensor, " n"]:
        return torch.logsumexp(v @ features.T, dim=1) - math.log(len(features))

    return over_rows
