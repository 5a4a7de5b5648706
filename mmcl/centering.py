r"""What subtracting the batch's mean from the features does to the in-batch loss.

Row i of the softmax loses a constant, which cancels, and column j loses its mean over the anchors. So the logits are
those of centred anchors, $\tau^2\sum_p\theta_pz_{j,p}(z_{i,p}-\bar z_p)$: a function of θ, sign symmetric like all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.special import gammaln, logsumexp

from mmcl import checks
from mmcl.objectives import InBatchInfoNCE

LARGEST = 500_000  # batches, up to order, that are listed


@dataclass(frozen=True)
class CenteredBatchForce:
    r"""The force of the *expected* in-batch loss on n pairs whose features are centred, by listing all batches.

    .. math:: L(\theta)=2\,\mathbb E\log\sum_{j=1}^n
              \exp\Big(\tau^2\sum_p\theta_p(z_{j,p}-z_{i,p})(z_{i,p}-\bar z_p)\Big)

    Source: ours.

    Args:
        objective: the in-batch loss.
        batch_size: n, at least 2.

    Raises:
        TypeError, ValueError: on anything else, or, when called, if there are too many batches to list.
    """

    objective: InBatchInfoNCE
    batch_size: int

    def __post_init__(self) -> None:
        checks.kind(self.objective, InBatchInfoNCE, "`objective`")
        checks.whole(self.batch_size, "`batch_size` (n)", least=2)

    @property
    def inverse_temperature(self) -> float:
        """τ²."""
        return self.objective.inverse_temperature

    def __call__(self, theta: Float[Array, " r"]) -> tuple[Float[Array, " r"], float]:
        """The force on every coordinate, and the loss."""
        counts, chance, moved = _batches(self.batch_size, len(theta))
        with np.errstate(divide="ignore"):
            logits = np.log(counts)[:, None, :] + self.inverse_temperature * (moved @ theta)
        total = logsumexp(logits, axis=2)
        anchors = chance[:, None] * counts / self.batch_size
        slope = np.einsum("bi,bij,bijp->p", anchors, np.exp(logits - total[:, :, None]), moved)
        return -2 * self.inverse_temperature * slope, float(2 * np.sum(anchors * total))


@lru_cache(maxsize=4)
def _batches(n: int, r: int) -> tuple[Array, Array, Array]:
    """Every batch up to order: how often it has each pattern of signs, its chance, and what θ weighs in the logits."""
    patterns = 1.0 - 2.0 * ((np.arange(2**r)[:, None] >> np.arange(r)) & 1)
    size = round(np.exp(gammaln(n + 2**r) - gammaln(n + 1) - gammaln(2**r)))
    if size > LARGEST:
        raise ValueError(f"`batch_size` (n) must leave at most {LARGEST:,} batches to list; got {size:,}.")
    counts = np.array(list(_compositions(n, 2**r)), dtype=float)
    chance = np.exp(gammaln(n + 1) - gammaln(counts + 1).sum(axis=1) - n * r * np.log(2))
    anchors = patterns - (counts @ patterns / n)[:, None, :]  # batches × patterns × r
    return counts, chance, (patterns - patterns[:, None, :]) * anchors[:, :, None, :]


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _compositions(total - first, parts - 1)]


def centering_shift(theta: Float[Array, " r"], inverse_temperature: float) -> float:
    r"""n times what centring adds to the in-batch loss, for large batches.

    .. math:: \lim_{n\to\infty}n\,\Delta L=2\sum_p\Big[\frac{x_p^2}{2\cosh^2x_p}-x_p\tanh x_p\,(1-\tanh x_p)\Big],
              \qquad x_p=\tau^2\theta_p

    Source: ours; second order in the batch's mean, whose variance is 1/n.

    >>> centering_shift(np.zeros(3), 1.0)
    0.0
    """
    x = checks.positive(inverse_temperature, "`inverse_temperature` (τ²)") * checks.real_array(
        theta, "`theta` (θ)", ndim=1
    )
    t = np.tanh(x)
    return float(2 * np.sum(x**2 * (1 - t**2) / 2 - x * t * (1 - t)))
