"""What a learner minimises: each objective is a frozen value, passed as it is and varied with `dataclasses.replace`.

The faces of an objective live in modules of their own: `mmcl.losses` (a differentiable torch loss on features),
`mmcl.symbolic.potentials` (a SymPy expression in the θ of the infinite-width model) and `mmcl.training.scores`
(its gradient in the pair scores). All losses are the *sum* of the two directions A→B and B→A.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmcl import checks


@dataclass(frozen=True)
class InfoNCE:
    r"""The contrastive loss with infinitely many negatives, counted with weight K.

    .. math:: L_A = \mathbb E\Big[-\log\frac{e^{\tau^2 f_A\cdot f_B}}
              {e^{\tau^2 f_A\cdot f_B} + K\,\mathbb E_{x_B^-} e^{\tau^2 f_A\cdot f_B^-}}\Big],\qquad L = L_A + L_B

    Source: the population loss of Ren & Li (2023), with the weight K of the negatives kept free.

    Args:
        inverse_temperature: τ², CLIP's logit scale; no unit.
        negatives: K, the weight of the negatives. ``K = n - 1`` is the limit of an in-batch loss on n pairs.

    Raises:
        TypeError, ValueError: unless τ² is positive and K at least 0, both finite.
    """

    inverse_temperature: float
    negatives: float = 1.0

    def __post_init__(self) -> None:
        tau2 = checks.positive(self.inverse_temperature, "`inverse_temperature` (τ²)")
        object.__setattr__(self, "inverse_temperature", tau2)
        object.__setattr__(self, "negatives", checks.non_negative(self.negatives, "`negatives` (K)"))


@dataclass(frozen=True)
class InBatchInfoNCE:
    r"""CLIP's loss: every other item of the batch is a negative.

    .. math:: L_A = -\frac1n\sum_i\log\frac{e^{\tau^2 f_{A,i}\cdot f_{B,i}}}{\sum_j e^{\tau^2 f_{A,i}\cdot f_{B,j}}},
              \qquad L = L_A + L_B

    Source: Radford et al. (2021), who average the two directions where this sums them.

    Args:
        inverse_temperature: τ², CLIP's logit scale; no unit.

    Raises:
        TypeError, ValueError: unless τ² is positive and finite.

    >>> InBatchInfoNCE(inverse_temperature=4.0).population(512)
    InfoNCE(inverse_temperature=4.0, negatives=511.0)
    """

    inverse_temperature: float

    def __post_init__(self) -> None:
        tau2 = checks.positive(self.inverse_temperature, "`inverse_temperature` (τ²)")
        object.__setattr__(self, "inverse_temperature", tau2)

    def population(self, batch_size: int) -> InfoNCE:
        """The loss with exact negatives that a batch of `batch_size` (n) pairs samples: K = n - 1.

        The in-batch loss lies below it by Jensen's inequality (the logarithm of a sampled mean); the gap closes
        as n grows.
        """
        n = checks.whole(batch_size, "`batch_size` (n)", least=2)
        return InfoNCE(self.inverse_temperature, negatives=float(n - 1))


@dataclass(frozen=True)
class PositiveOnly:
    r"""Alignment of the positive pairs and nothing else.

    .. math:: L = -2\,\mathbb E[f_A\cdot f_B]

    Source: the non-contrastive loss of Ren & Li (2023). It has no temperature and no negatives.
    """


Objective = InfoNCE | InBatchInfoNCE | PositiveOnly
