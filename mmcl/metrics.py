"""What is measured on a representation: conditioning and effective rank."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks


def condition_number(weights: Float[Array, "m r"]) -> float:
    r"""Ratio of the largest to the smallest singular value of a representation.

    .. math:: \kappa(K) = s_{\max}(K) / s_{\min}(K)

    Source: the quantity that Ren & Li (2023) bound; here m < r is allowed too, where it is infinite.

    Args:
        weights: latent-space weights $K = W^\top A$, shape (m, r), no unit.

    Returns:
        $\kappa\ge1$; ``inf`` when a direction is lost.

    Raises:
        TypeError, ValueError: if `weights` is not a non-empty, finite matrix.

    >>> condition_number(np.diag([3.0, 1.0]))
    3.0
    """
    return float(condition_numbers(checks.real_array(weights, "`weights` (K)", ndim=2)))


def condition_numbers(weights: Float[Array, "*S m r"]) -> Float[Array, "*S"]:
    """That of every matrix of a stack, unchecked."""
    m, r = weights.shape[-2:]
    s = np.linalg.svd(weights, compute_uv=False)
    largest, smallest = s[..., 0], s[..., -1]
    # Below round-off of the largest singular value nothing distinguishes a direction from a lost one.
    lost = (m < r) | (smallest <= largest * max(m, r) * np.finfo(float).eps)
    return np.divide(largest, smallest, out=np.full(largest.shape, np.inf), where=~lost)


def effective_rank(values: Float[Array, " r"]) -> float:
    r"""How many directions carry a spectrum: $(\sum_i s_i)^2/\sum_i s_i^2$.

    Args:
        values: a spectrum $s$, at least 0 and not all zero, shape (r,).

    Returns:
        Between 1 (one value carries all) and r (all equal).

    Raises:
        TypeError, ValueError: on an empty, negative, non-finite or all-zero spectrum.

    >>> effective_rank([1.0, 1.0, 0.0])
    2.0
    """
    s = np.array(checks.scales(values, "`values` (s)", zero_allowed=True))
    if not s.any():
        raise ValueError(f"`values` (s) must not be empty or all zero; got {len(s)} values, none above 0.")
    s = s / s.max()
    return float(s.sum() ** 2 / (s**2).sum())
