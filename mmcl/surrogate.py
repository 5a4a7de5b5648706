"""A world of the theory that starts with the same spectrum as real pairs."""

from __future__ import annotations

import numpy as np

from mmcl import checks
from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs


def surrogate(pairs: EmpiricalPairs, signal_dim: int) -> PairedData:
    r"""The symmetric world whose untrained representation shares as much, direction by direction, as that of `pairs`.

    .. math:: \sigma_p^2=\frac{s_p(\mathbb E x_Ax_B^\top)}{\sqrt{\mathbb E\|x_A\|^2\,\mathbb E\|x_B\|^2}},\qquad
              \sum_p\sigma_p^2+(d-r)\,\sigma_\xi^2=1

    At infinite width random weights have these $s_p$ as the singular values of $\mathbb Ef_Af_B^\top$. What the leading
    r directions do not hold becomes noise of one scale; d is the smaller of the two dimensions.

    Source: ours, a model of real data and no more: their signal and noise need not be independent, nor the modalities
    alike.

    Args:
        pairs: real pairs.
        signal_dim: r, how many directions count as signal.

    Raises:
        TypeError, ValueError: if a modality is all zero, r is not below both dimensions, or a direction shares
            nothing.
    """
    pairs = checks.kind(pairs, EmpiricalPairs, "`pairs`")
    d = min(pairs.ambient_dim)
    r = checks.whole(signal_dim, "`signal_dim` (r)")
    largest = [float(np.abs(x).max()) for x in (pairs.a, pairs.b)]
    if not all(largest):
        raise ValueError(f"`pairs` must not be all zero in a modality; got largest entries {largest}.")
    # Only ratios enter, and products could leave the range of floats.
    moments = EmpiricalPairs(*(x / unit for x, unit in zip((pairs.a, pairs.b), largest, strict=True)))
    shared = np.linalg.svd(moments.cross_covariance, compute_uv=False)
    total = np.sqrt(np.trace(moments.covariance_a) * np.trace(moments.covariance_b))
    if r >= d or shared[r - 1] <= 1e-12 * shared[0]:
        count = int(np.sum(shared > 1e-12 * shared[0]))
        raise ValueError(
            f"`signal_dim` (r) must be below both dimensions, {d}, and at most the number of directions shared, "
            f"{count}; got {r}."
        )
    squares = shared[:r] / total
    left = max(0.0, 1 - squares.sum())  # round-off may leave less than nothing
    return PairedData(signal_a=np.sqrt(squares), noise_a=np.sqrt(left / (d - r)), ambient_dim=d)
