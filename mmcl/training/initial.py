"""Where training starts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.pair import Pair

Weights = Pair[Float[Array, "d m"]]


def gaussian_weights(ambient_dim: tuple[int, int], width: int, *, rng: np.random.Generator) -> Weights:
    r"""Independent $\mathcal N(0,1/m)$ entries: every row has unit length on average, rows are almost orthogonal.

    Args:
        ambient_dim: $(d_A, d_B)$.
        width: m.
        rng: where the entries come from.
    """
    m, rng = checks.whole(width, "`width` (m)"), checks.generator(rng)
    return Pair(*(rng.standard_normal((d, m)) / np.sqrt(m) for d in ambient_dim))


def orthonormal_weights(ambient_dim: tuple[int, int], width: int, *, rng: np.random.Generator) -> Weights:
    """All $d_A+d_B$ rows orthonormal, so that the infinite-width flow is exact at this width.

    Raises:
        ValueError: if the width is less than $d_A + d_B$.
    """
    d_a, d_b = ambient_dim
    m, rng = checks.whole(width, "`width` (m)"), checks.generator(rng)
    if m < d_a + d_b:
        raise ValueError(f"`width` (m) must be at least d_A + d_B = {d_a + d_b} for orthonormal rows; got {m}.")
    frame, _ = np.linalg.qr(rng.standard_normal((m, d_a + d_b)))
    return Pair(*np.split(frame.T, [d_a]))
