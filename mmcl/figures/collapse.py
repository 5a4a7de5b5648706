"""Without negatives: the plateau before the end, the power law in the dimension, and how few directions are left."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced
from mmcl.trajectory import Trajectory

GREYS = {0.5: 1.0, 0.1: 0.8, 0.01: 0.6}
"""How strongly the line of a noise scale is drawn."""


def plateau(found: Evidence) -> Figure:
    """κ of positives only over time for several noise scales, with the two ends of the closed form.

    Args:
        found: the evidence of the claim `terminal-condition`.
    """
    time = found.curves["time"]
    with style.style():
        figure, axes = style.panels(1, height=3.2)
        for noise, strength in GREYS.items():
            kappa = found.curves[f"kappa {noise:g}"]
            axes.plot(time[1:], kappa[1:], color=style.POSITIVE, alpha=strength, **style.THEORY)
            half = int(np.searchsorted(kappa, 5.3))
            at = (float(time[half]), float(kappa[half]))
            style.name_line(axes, rf"$\sigma_\xi={noise:g}$", at, colour=style.POSITIVE, xytext=(-5, 4), ha="right")
        still = found.curves["kappa 0"]
        axes.plot(time[1:], still[1:], color=style.NOISE, **style.THEORY)
        style.name_line(axes, r"$\sigma_\xi=0$", (time[-1], still[-1]), colour=style.NOISE, xytext=(0, -11), ha="right")
        for end in (found["canonical: κ∞"].predicted, found["no noise: κ∞"].predicted):
            axes.axhline(end, color=style.ACCENT, linewidth=1.1, linestyle=(0, (2, 3)))
        top = found["canonical: κ∞"].predicted
        style.name_line(axes, r"closed form, any noise", (0.35, top), colour=style.ACCENT, xytext=(0, 8))
        low = found["no noise: κ∞"].predicted
        style.name_line(axes, r"closed form, no noise", (150, low), colour=style.ACCENT, xytext=(0, -10))
        style.time_axis(axes)
        axes.set_xlim(0.3, time[-1])
        style.condition_axis(axes, top=12)
    return figure


def power_law(found: Evidence) -> Figure:
    """κ∞ against the ambient dimension, and its local power on the way to the asymptote.

    Args:
        found: the evidence of the claim `power-law`.
    """
    curves = found.curves
    d, fine, limit = curves["d"], curves["fine d"], float(curves["limit"])
    last = found["local power at d = 4096"]
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        shown = (fine > 10) & (fine < 1e4)
        left.plot(fine[shown], curves["fine kappa"][shown], color=style.ACCENT, **style.THEORY)
        left.plot(d, curves["kappa"], color=style.POSITIVE, **style.TRAINING)
        style.name_line(left, "closed form", (3000, 47), colour=style.ACCENT, xytext=(-8, 6), ha="right")
        style.name_line(left, "end of the flow", (d[3], curves["kappa"][3]), colour=style.POSITIVE, xytext=(7, -7))
        _dimension_axis(left, [10, 100, 1000, 10000])
        style.condition_axis(left, top=100, label=r"$\kappa_\infty$")
        shown = (fine > 10) & (fine < 1e10)
        right.plot(fine[shown], curves["fine slope"][shown], color=style.ACCENT, **style.THEORY)
        right.plot(d[-1:], [last.measured], color=style.POSITIVE, **style.TRAINING)
        right.axhline(limit, color=style.NOISE, linewidth=0.9)
        right.set(ylim=(0.34, 0.56), ylabel=r"local power of $d$ in $\kappa_\infty$")
        right.set_yticks([limit, 0.4, 0.45, 0.5, 0.55], [f"{limit:g}", "0.4", "0.45", "0.5", "0.55"])
        style.name_line(right, f"asymptote {limit:g}", (12, limit), colour=style.NOISE, xytext=(0, -9))
        style.name_line(
            right, f"{last.measured:.3f} at $d={d[-1]}$", (d[-1], last.measured), colour=style.POSITIVE, xytext=(6, 8)
        )
        _dimension_axis(right, [1e1, 1e3, 1e5, 1e7, 1e9])
    return figure


def _dimension_axis(axes: Axes, ticks: list[float]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("ambient dimension $d$")


def directions(
    theory: tuple[Trajectory, Trajectory],
    runs: tuple[Trajectory, Trajectory],
    ranks: tuple[tuple[Array, Array], tuple[Array, Array]],
    end: Float[Array, " r"],
) -> Figure:
    """Shares of the alignment at the end of the runs, and the effective rank over time; without and with negatives.

    Args:
        theory: the flow of positives only, and that of InfoNCE.
        runs: trained learners, likewise.
        ranks: effective ranks of `theory` and of `runs`, one array for each trajectory.
        end: the shares that positives alone end with.
    """
    order = np.arange(1, len(end) + 1)
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        left.plot(order, end, color=style.ACCENT, linestyle=(0, (2, 3)), linewidth=1.4)
        for flow, run, colour, rank_flow, rank_run in zip(
            theory, runs, (style.POSITIVE, style.NEGATIVE), *ranks, strict=True
        ):
            left.plot(order, flow.theta[-1], color=colour, **style.THEORY)
            left.plot(order, run.theta[-1], color=colour, **style.TRAINING)
            right.plot(flow.time[1:], rank_flow[1:], color=colour, **style.THEORY)
            keep = log_spaced(run.time, 20)
            right.plot(run.time[keep], rank_run[keep], color=colour, **style.TRAINING)
        left.set(
            xlabel="coordinate $p$, from the strongest", ylabel=r"share $\theta_p$ of the alignment", ylim=(-0.02, 0.62)
        )
        left.set(xticks=order, yticks=[0, 1 / len(end), 0.5], yticklabels=["0", "$1/r$", "0.5"])
        style.name_line(left, "positives only", (1.6, 0.37), colour=style.POSITIVE, xytext=(4, 2))
        style.name_line(left, "InfoNCE", (5.2, 1 / len(end)), colour=style.NEGATIVE, xytext=(0, 11))
        style.time_axis(right)
        right.set(ylabel=r"effective rank of $\theta$", ylim=(0.7, len(end) + 0.4), xlim=(0.8, None))
        right.set(yticks=[1, 2, 4, 6, 8])
        right.axhline(len(end), color=style.NOISE, linewidth=0.8)
        last = float(1 / np.sum(end**2))
        right.axhline(last, color=style.ACCENT, linewidth=1.4, linestyle=(0, (2, 3)))
        style.name_line(right, "end of positives only", (0.95, last), colour=style.ACCENT, xytext=(0, -9))
    return figure
