"""The first moments of training: which coordinate moves how fast."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy import ndarray as Array

from mmcl.figures import style
from mmcl.trajectory import Trajectory


def first_moments(
    theory: Trajectory, run: Trajectory, scales: Float[Array, " r"], speeds: Float[Array, " r"], *, until: float
) -> Figure:
    """θ of every coordinate from the start on, and the speeds at the start against the coordinates' scales.

    Args:
        theory: the flow.
        run: training from the same start.
        scales: σ, one per coordinate, descending.
        speeds: the predicted speeds at time 0.
        until: the speeds at the start are those of a cubic fitted to training until then.
    """
    colours = [*reversed(style.coordinate_colours(len(scales)))]
    early, shown = run.time <= until, slice(None, None, max(1, len(run) // 20))
    found = np.polyfit(run.time[early], run.theta[early], 3)[-2]
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0)
        for p, colour in enumerate(colours):
            left.plot(theory.time, theory.theta[:, p], color=colour, **style.THEORY | {"linewidth": 1.3})
            left.plot(run.time[shown], run.theta[shown, p], color=colour, **style.TRAINING | {"markersize": 3})
            right.plot(scales[p], found[p], color=colour, **style.TRAINING | {"markersize": 5})
        right.loglog(scales, speeds, color=style.INK, zorder=1, **style.THEORY | {"linewidth": 1.2})
        left.set_xticks(np.linspace(0, run.time[-1], 5))
        left.set(xlabel="time $t$", ylabel=r"$\theta_p$", xlim=(0, 1.32 * run.time[-1]), ylim=(0, None))
        for p, name in ((0, "strongest"), (len(scales) - 1, "weakest")):
            at = (theory.time[-1], theory.theta[-1, p])
            style.name_line(left, name, at, colour=colours[p])
        right.set(xlabel=r"scale $\sigma_p$", ylabel="speed at the start")
        right.xaxis.set_minor_locator(NullLocator())
        right.yaxis.set_minor_locator(NullLocator())
        right.set_xticks([1, 1.5, 2], ["1", "1.5", "2"])
        right.set_yticks([0.01, 0.03, 0.1], ["0.01", "0.03", "0.1"])
        middle = len(scales) // 2
        style.name_line(right, r"slope 4", (scales[middle], speeds[middle]), xytext=(12, -8))
    return figure
