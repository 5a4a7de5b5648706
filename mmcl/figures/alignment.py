"""Stage one: strong coordinates outgrow weak ones, and one curve ties the condition number to the alignment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.closed_form import StageOne
from mmcl.data import PairedData
from mmcl.figures import style
from mmcl.trajectory import Trajectory


def growth(data: PairedData, curve: StageOne, theory: Trajectory, found: Evidence) -> Figure:
    """Lengths of sum and difference of every coordinate against alignment, and the shares that come of it.

    Args:
        data: a world with symmetric modalities, scales decreasing.
        curve: its stage one in closed form.
        theory: the flow of positives only.
        found: the evidence of the claim `universal-curve`.
    """
    squares = data.views.a.signal**2
    colours = style.coordinate_colours(len(squares))[::-1]
    time, run = found.curves["run time"], found.curves["run theta"]
    keep = np.unique(np.geomspace(1, len(time) - 1, 16).astype(int))
    with style.style():
        figure, (left, right) = style.panels(2, height=3.2)
        for p, (square, colour) in enumerate(zip(squares, colours, strict=True)):
            left.semilogy(curve.alignment, np.exp(square * curve.growth), color=colour, lw=1.4)
            left.semilogy(curve.alignment, np.exp(-square * curve.decay), color=colour, lw=1.4)
            right.plot(theory.time[1:], theory.theta[1:, p], color=colour, **style.THEORY | {"linewidth": 1.4})
            right.plot(time[keep], run[keep, p], color=colour, **style.TRAINING | {"markersize": 2.8})
        left.axhline(1, color=style.NOISE, linewidth=0.8)
        left.set(xlabel="alignment", ylabel="length, at the start 1", xlim=(0, 1), ylim=(2e-2, 12))
        left.text(0.04, 3.0, r"sums $\|k_{+,p}\|$ grow", color=style.INK)
        left.text(0.04, 0.13, r"differences $\|k_{-,p}\|$ fade", color=style.INK)
        style.time_axis(right)
        right.set(
            ylabel=r"share $\theta_p$ of the alignment", xlim=(theory.time[1], theory.time[-1] * 6), ylim=(0, None)
        )
        _ends(right, theory)
    return figure


def _ends(axes: Axes, theory: Trajectory) -> None:
    strongest, weakest = style.coordinate_colours(2)[::-1]
    style.name_line(
        axes, "strongest", (theory.time[-1], theory.theta[-1, 0]), colour=strongest, xytext=(-22, 4), ha="right"
    )
    style.name_line(axes, "weakest", (theory.time[-1], theory.theta[-1, -1]), colour=weakest, xytext=(4, 6))


def universal_curve(found: Evidence, paths: Mapping[float, Trajectory]) -> Figure:
    """κ against alignment: the closed form with training on it, and InfoNCE leaving it at several temperatures.

    Args:
        found: the evidence of the claim `universal-curve`.
        paths: flows of InfoNCE by their inverse temperature.
    """
    alignment, kappa = found.curves["alignment"], found.curves["kappa"]
    run, run_kappa = found.curves["run alignment"], found.curves["run kappa"]
    keep = np.unique(np.searchsorted(run, np.linspace(0.02, run[-1], 20)).clip(0, len(run) - 1))
    with style.style():
        figure, (left, right) = style.panels(2, height=3.3, sharey=True)
        for axes in (left, right):
            axes.plot(alignment, kappa, color=style.ACCENT, **style.THEORY | {"linewidth": 2.2})
            axes.set(xlabel="alignment", xlim=(0, 1.04))
            axes.set_xticks([0, 0.5, 1])
        left.plot(run[keep], run_kappa[keep], color=style.POSITIVE, **style.TRAINING)
        style.name_line(left, "closed form", (0.5, 2.7), colour=style.ACCENT, xytext=(-8, 14), ha="right")
        style.name_line(
            left, "trained on\npositive pairs", (0.62, 3.2), colour=style.POSITIVE, xytext=(4, -26), va="top"
        )
        left.set_title("positives only")
        style.name_line(right, "closed form", (0.5, 2.7), colour=style.ACCENT, xytext=(-8, 14), ha="right")
        for place, (tau2, path) in enumerate(paths.items()):
            right.plot(
                path.alignment,
                path.condition_number,
                color=style.NEGATIVE,
                **style.THEORY | {"linewidth": 1.2 + 0.4 * place},
            )
            peak = int(path.condition_number.argmax())
            at = (path.alignment[peak], float(path.condition_number[peak]))
            style.name_line(
                right, rf"$\tau^2={tau2:g}$", at, colour=style.NEGATIVE, xytext=(2, -12 if place else -36), ha="right"
            )
        right.set_title("with negatives")
        style.condition_axis(left, top=10)
    return figure


def without_integrator(curve: StageOne, found: Evidence) -> Figure:
    """Alignment and κ over time from the closed form, with the trained learner on them."""
    time = found.curves["run time"]
    keep = np.unique(np.geomspace(2, len(time) - 1, 20).astype(int))
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        for axes, line, dots in (
            (left, curve.alignment, found.curves["run alignment"]),
            (right, curve.condition_number, found.curves["run kappa"]),
        ):
            axes.plot(curve.time[1:], line[1:], color=style.ACCENT, **style.THEORY)
            axes.plot(time[keep], dots[keep], color=style.POSITIVE, **style.TRAINING)
            style.time_axis(axes)
            axes.set_xlim(0.3, time[-1] * 1.2)
        style.alignment_axis(left)
        style.condition_axis(right, top=10)
        style.name_line(left, "closed form", (3.5, 0.5), colour=style.ACCENT, xytext=(-10, 8), ha="right")
        style.name_line(left, "trained", (12, 0.77), colour=style.POSITIVE, xytext=(8, -10))
    return figure
