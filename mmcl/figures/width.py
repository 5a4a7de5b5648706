"""The solvable model: training on the theory to round-off, and how fast random weights approach it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style


def orthonormal_start(found: Evidence) -> Figure:
    """Shares of the alignment over time: gradient flow of the definition on the theory, with and without negatives.

    Args:
        found: the evidence of the claim `flow-is-descent`.
    """
    time, fine = found.curves["time"], found.curves["fine time"]
    with style.style():
        figure, panels = style.panels(2, height=2.7, sharey=True)
        for axes, name in zip(panels, ("InfoNCE", "positives only"), strict=True):
            theory, run = found.curves[f"fine {name}"], found.curves[f"run {name}"]
            for p, colour in enumerate(style.coordinate_colours(2)[::-1]):  # the first coordinate is the stronger
                axes.plot(fine, theory[:, p], color=colour, **style.THEORY)
                axes.plot(time, run[:, p], color=colour, **style.TRAINING)
                at = (fine[30], theory[30, p])
                style.name_line(
                    axes, rf"$\theta_{p + 1}$", at, colour=colour, xytext=((-4, 14), (4, -14))[p], ha="center"
                )
            axes.set_title(name)
            style.time_axis(axes, log=False)
            axes.set(xlim=(-0.15, time[-1] * 1.03))
        panels[0].set(ylabel=r"share $\theta_p$ of the alignment", ylim=(-0.02, None))
    return figure


def width_law(found: Evidence) -> Figure:
    r"""Spread and bias of $\log\kappa$ against the width, each with its prediction.

    Args:
        found: the evidence of the claim `width`.
    """
    curves, width = found.curves, found.curves["width"]
    error = curves["spread"] / np.sqrt(curves["kappa"].shape[1])
    mean = curves["kappa"].mean(axis=1)
    theta = curves["theta"]
    law = np.exp(np.mean(np.log(theta * np.sqrt(width))[width >= 256])) / np.sqrt(width)
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        left.plot(width, curves["predicted spread"], color=style.INK, **style.THEORY)
        left.plot(width, curves["spread"], color=style.POSITIVE, **style.TRAINING)
        left.plot(width, law, color=style.NOISE, **style.THEORY | {"linewidth": 1.2})
        left.plot(width, theta, color=style.NEGATIVE, **style.TRAINING)
        style.name_line(left, r"$\log\kappa$, positives only", (600, 0.06), colour=style.POSITIVE)
        style.name_line(left, r"$\theta$, InfoNCE", (600, 0.0045), colour=style.NEGATIVE)
        left.set_ylabel("spread over random starts")
        _decades(left, width, (3e-4, 0.2))
        right.plot(width, curves["repulsion"], color=style.INK, **style.THEORY)
        _bars(right, width, mean, error)
        style.name_line(right, "level repulsion", (260, 0.05))
        right.set_ylabel(r"mean error of $\log\kappa$")
        _decades(right, width, (3e-4, 0.2))
    return figure


def _decades(axes: Axes, width: Float[Array, " W"], limits: tuple[float, float]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(width[::2])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="width $m$", ylim=limits, xlim=(width[0] / 1.3, width[-1] * 1.3))


def _bars(axes: Axes, width: Float[Array, " W"], mean: Float[Array, " W"], error: Float[Array, " W"]) -> None:
    """Means with one standard error; a mean below zero shows the upper end of its bar alone."""
    floor = 1e-6
    low, high = np.maximum(mean - error, floor), np.maximum(mean + error, floor)
    axes.vlines(width, low, high, color=style.POSITIVE, linewidth=1.2)
    seen = mean > floor
    axes.plot(width[seen], mean[seen], color=style.POSITIVE, **style.TRAINING)
