"""What the book says of a method: five numbers of the end of its run for the table, three curves for its figure."""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array

from mmcl.trajectory import Trajectory

ALIGNED = 0.9  # the alignment whose time is reported
QUANTITIES = ("alignment", "kappa", "effective rank", "noise share", "time to alignment 0.9")


def summary(path: Trajectory) -> Array:
    r"""The `QUANTITIES` of a run: alignment, κ, effective rank and noise share at its end, and when it aligned.

    A claim keeps them in its curves as ``"<method> summary"``, and what theory predicts as ``"<method> predicted"``.

    Returns:
        Shape (5,). κ is the larger of the two modalities', the noise share their mean; the time is infinite if the
        alignment never reaches 0.9.
    """
    above = path.alignment >= ALIGNED
    first = int(np.argmax(above))
    if not above.any():
        time = np.inf
    elif first == 0:
        time = float(path.time[0])
    else:
        across = slice(first - 1, first + 1)
        time = float(np.interp(ALIGNED, path.alignment[across], path.time[across]))
    kappa = max(path.condition_number[-1], path.condition_number_b[-1])
    return np.array([path.alignment[-1], kappa, path.effective_rank[-1], path.noise_share[-1].mean(), time])


def drawn(name: str, path: Trajectory) -> dict[str, Array]:
    """The curves of a method's exact flow, as its figure finds them; the claim keeps their ``"time"`` itself."""
    return {
        f"{name} alignment": path.alignment,
        f"{name} kappa": path.condition_number,
        f"{name} noise": path.noise_share.mean(axis=1),
    }


def dots(name: str, run: Trajectory) -> dict[str, Array]:
    """The curves of a trained run, times included, as the method's figure finds them."""
    return {f"{name} run time": run.time} | drawn(f"{name} run", run)
