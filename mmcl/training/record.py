"""What a run records of a learner's present state, and of many learners' at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.data import PairedData
from mmcl.metrics import condition_numbers
from mmcl.pair import Pair


def recorded(
    data: PairedData, units: Pair[float], scales: Float[Array, " D"], factor: Float[Array, "*S D k"]
) -> dict[str, Array]:
    r"""The series of a `Trajectory` at one time, their names as there.

    Args:
        data: the world.
        units: the largest scale of each modality, which `scales` are in.
        scales: of the rows of the factor.
        factor: F, of one learner or of a stack of them; $K=DF$.

    Returns:
        Arrays whose first axes are those of the stack.
    """
    r, split = data.signal_dim, data.views.a.ambient_dim
    norms = np.add.reduceat(np.vecdot(factor, factor) * scales**2, [0, split], axis=-1)
    rows = np.add.outer([0, split], np.arange(r))
    k = scales[rows][..., None] * factor[..., rows, :]
    k_a, k_b = k[..., 0, :, :], k[..., 1, :, :]
    theta = np.vecdot(k_a, k_b) / np.sqrt(norms).prod(axis=-1)[..., None]
    kappa = condition_numbers(k.mT)
    apart = units.a * k_a - units.b * k_b
    return {
        "alignment": theta.sum(axis=-1),
        "condition_number": kappa[..., 0],
        "condition_number_b": kappa[..., 1],
        "theta": theta,
        "noise_share": 1 - np.vecdot(k, k).sum(axis=-1) / norms,
        "misalignment": np.vecdot(apart, apart) / 4,
    }
