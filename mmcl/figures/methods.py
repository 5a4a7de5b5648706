"""Methods without negatives: the figure of each, and what a predictor does to each direction."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.method import Line, Panel, draw
from mmcl.methods.predictor_flow import PredictorFlow
from mmcl.methods.values import SimSiam
from mmcl.worlds import CANONICAL

THIRD = style.coordinate_colours(2)[1]
PANELS = {
    "positives only": Panel((Line("positives only", style.POSITIVE),), top=13),
    "simsiam": Panel((Line("SimSiam", style.NEGATIVE, r"SimSiam, $\beta=\frac{1}{4}$"),)),
    "byol": Panel((Line("SimSiam", style.NOISE, dots=False), Line("BYOL", THIRD, r"BYOL, $\beta=\frac{1}{4}$"))),
    "part taken": Panel(
        (
            Line("SimSiam, gradient not stopped", style.POSITIVE, "gradient not stopped"),
            Line("SimSiam, no predictor", style.NOISE, "no predictor"),
        ),
        top=13,
    ),
    "direct": Panel(
        (
            Line("DirectPred", style.ACCENT, r"DirectPred, $\epsilon=0.1$"),
            Line("DirectPred, relative", style.NOISE, r"on $s/\max s$"),
        ),
        shown=("kappa", "noise"),
        top=3.5,
        names_at=(0.98, 0.98),
    ),
    "reconstruction": Panel(
        (
            Line("masked reconstruction, s = 1", style.POSITIVE, "$s=1$"),
            Line("masked reconstruction, s = 0.1", style.NEGATIVE, "$s=0.1$"),
        ),
        top=14,
        start=4e-3,
        names_at=(0.02, 0.9),
    ),
    "vicreg": Panel(
        (
            Line("VICReg", style.ACCENT, "the paper's weights"),
            Line("VICReg, λ = 0.2", style.NOISE, r"$\lambda<2\nu/r$, small world"),
        ),
        shown=("kappa", "noise"),
        top=12,
        start=0.05,
        names_at=(0.98, 0.98),
    ),
    "barlow": Panel(
        (
            Line("Barlow Twins", style.NEGATIVE, r"$m=128$, $\lambda=0.005$"),
            Line("Barlow Twins, λ = 0.05", style.POSITIVE, r"$m=32$, $\lambda=0.05$"),
        ),
        shown=("kappa", "noise"),
        top=12,
        names_at=(0.98, 0.98),
    ),
}


def method(name: str, *found: Evidence) -> Figure:
    """The figure of one method of `PANELS`."""
    return draw(PANELS[name], *found)


def eigenvalues(slow: float, fast: float) -> Figure:
    """The predictor's eigenvalues on k₊ and k₋ of every coordinate, for a slow predictor and for a fast one."""
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e4, 160)])
    r = CANONICAL.signal_dim
    with style.style():
        figure, panels = style.panels(2, height=3.1, sharex=True)
        for axes, rate in zip(panels, (slow, fast), strict=True):
            system = PredictorFlow(CANONICAL, SimSiam(predictor_rate=rate))
            _, q, _ = system.parts(system.along(times))
            for plus, minus, colour in zip(q[:r][::-1], q[r : 2 * r][::-1], style.coordinate_colours(r), strict=True):
                axes.plot(times[1:], plus[1:], color=colour, lw=1.3)
                axes.plot(times[1:], minus[1:], color=colour, lw=1.3, ls=(0, (3, 2)))
            axes.axhline(0, color=style.NOISE, linewidth=0.8)
            style.time_axis(axes)
            axes.set_title(rf"$\beta={rate:g}\,q_0^2$")
            style.name_line(axes, "on $k_+$", (times[-1], q[0, -1]), xytext=(0, -12), ha="right")
            style.name_line(axes, "on $k_-$", (times[-1], q[r, -1]), xytext=(0, 10), ha="right")
        panels[0].set_ylabel("eigenvalue of the predictor")
    return figure


def threshold(found: Evidence) -> Figure:
    """Alignment and noise share at the end, against the predictor's rate."""
    curves = found.curves
    with style.style():
        figure, axes = style.panels(1, height=2.8)
        for what, colour in (("alignment", style.NEGATIVE), ("noise", style.NOISE)):
            axes.plot(curves["fine rate"], curves[f"fine {what}"], color=colour, **style.THEORY)
            axes.plot(curves["rate"], curves[f"rate {what}"], color=colour, **style.TRAINING)
        style.name_line(axes, "alignment", (0.1, 1.0), colour=style.NEGATIVE, xytext=(4, -10))
        style.name_line(
            axes, "noise share", (10, curves["fine noise"][-1]), colour=style.NOISE, xytext=(-4, 10), ha="right"
        )
        axes.set(xscale="log", xlabel=r"rate of the predictor, $\beta/q_0^2$")
        style.alignment_axis(axes, label="at the end")
        axes.set_ylim(-0.04, 1.06)
    return figure
