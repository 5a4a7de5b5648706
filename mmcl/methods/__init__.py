"""Methods that learn from positive pairs alone and keep from collapse by other means than negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.methods.values import (
    BYOL,
    METHODS,
    BarlowTwins,
    DirectPred,
    MaskedReconstruction,
    Method,
    SimSiam,
    VICReg,
)
from mmcl.training.initial import Weights
from mmcl.training.loop import descend
from mmcl.training.plan import Plan

if TYPE_CHECKING:
    from mmcl.trajectory import Trajectory

__all__ = [
    "BYOL",
    "METHODS",
    "BarlowTwins",
    "DirectPred",
    "MaskedReconstruction",
    "Method",
    "SimSiam",
    "VICReg",
    "train_method",
]


def train_method(
    data: PairedData | EmpiricalPairs,
    method: Method,
    *,
    step_size: float,
    steps: int,
    width: int | None = None,
    weights: Weights | None = None,
    predictor: Float[Array, "m m"] | None = None,
    rng: np.random.Generator | None = None,
    record_every: int | None = None,
    progress: bool | None = False,
) -> Trajectory:
    r"""Train two linear towers by a method without negatives, with the population's exact gradient.

    Source: the papers named at each method; the towers and the world are those of Ren & Li (2023).

    Args:
        data: the world, or real pairs (centred: the moments are about zero).
        method: what to do.
        step_size: η; time is the sum of the step sizes.
        steps: how many steps.
        width: m; not needed where `weights` are given.
        weights: initial $W_A, W_B$, shapes (d, m); None: independent $\mathcal N(0,1/m)$ entries.
        predictor: initial Q, shape (m, m), for SimSiam and BYOL; None: $q_0I$.
        rng: where the weights come from.
        record_every: steps between two rows of the record; None: about 200 rows.
        progress: a progress bar: True, False, or None for one on long work at a terminal.

    Returns:
        The `Trajectory`. Its shares and condition numbers are those of outputs normalised to $\mathbb E\|f\|^2=1$, as a
        whole or, for BarlowTwins, axis by axis.

    Raises:
        TypeError, ValueError: on arguments that do not fit, in one sentence.
        TrainingDiverged: if the step size was too large.
    """
    from mmcl.methods.learner import Learner  # torch, only where it is needed
    from mmcl.training import starting_weights

    data = checks.kind(data, (PairedData, EmpiricalPairs), "`data`")
    method = checks.kind(method, METHODS, "`method`")
    every = max(1, checks.whole(steps, "`steps`") // 200) if record_every is None else record_every
    plan = Plan(step_size, steps, None, every, "population", None, None, progress)
    moments = [float(np.trace(x)) for x in (data.covariance_a, data.covariance_b)]
    if not all(moments):
        raise ValueError(f"`data` must not be all zero in a modality; got mean squares of {moments}.")
    if weights is None and width is None:
        raise TypeError("`width` (m) must be given where `weights` are not.")
    initial = starting_weights(data, method, width, weights, None, rng)
    if predictor is not None:
        predictor = _given(method, predictor, initial.a.shape[1])
    return descend(Learner(data, method, initial, predictor), plan)


def _given(method: Method, predictor: Float[Array, "m m"], m: int) -> Float[Array, "m m"]:
    if not (isinstance(method, BYOL) or (isinstance(method, SimSiam) and method.predictor)):
        raise TypeError(f"`predictor` (Q) must be left out for a method that learns none; got {method!r}.")
    matrix = checks.real_array(predictor, "`predictor` (Q)", ndim=2)
    if matrix.shape != (m, m):
        raise ValueError(f"`predictor` (Q) must have shape {(m, m)}; got {matrix.shape}.")
    if not matrix.any():
        raise ValueError("`predictor` (Q) must not be all zero, for what it gives is normalised.")
    return np.ascontiguousarray(matrix)
