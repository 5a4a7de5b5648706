"""Methods without negatives: their paths, what a predictor does to each direction, and the noise that is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced
from mmcl.methods.predictor_flow import PredictorFlow
from mmcl.methods.values import SimSiam
from mmcl.worlds import CANONICAL

COLOURS = {
    "SimSiam": style.NEGATIVE,
    "BYOL": style.coordinate_colours(2)[1],
    "DirectPred": style.ACCENT,
    "SimSiam, gradient not stopped": style.POSITIVE,
    "SimSiam, no predictor": style.NOISE,
}
"""A colour for every method with a predictor, or with one taken away."""


def paths(keeps: Evidence, stopped: Evidence, direct: Evidence) -> Figure:
    """Alignment and κ over time of the methods with a predictor: lines are the exact flow, dots trained towers."""
    homes = dict(zip(COLOURS, (keeps, keeps, direct, stopped, stopped), strict=True))
    with style.style():
        figure, (left, right) = style.panels(2, height=3.3)
        for row, (name, found) in enumerate(homes.items()):
            curves, colour = found.curves, COLOURS[name]
            for axes, what in ((left, "alignment"), (right, "kappa")):
                axes.plot(curves["time"][1:], curves[f"{name} {what}"][1:], color=colour, **style.THEORY)
                if f"{name} run time" in curves:
                    keep = log_spaced(curves[f"{name} run time"], 16)
                    run = curves[f"{name} run time"][keep], curves[f"{name} run {what}"][keep]
                    axes.plot(*run, color=colour, **style.TRAINING)
            left.text(0.98, 0.41 - 0.08 * row, name, color=colour, ha="right", transform=left.transAxes, fontsize=9)
        style.alignment_axis(left)
        style.condition_axis(right, top=13)
        for axes in (left, right):
            style.time_axis(axes)
            axes.set_xlim(0.5, None)
    return figure


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


def reconstruction(found: Evidence) -> Figure:
    """Alignment and κ under masked reconstruction from long and from short rows."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9)
        for start, colour in (("1", style.POSITIVE), ("0.1", style.NEGATIVE)):
            for axes, what in ((left, "alignment"), (right, "kappa")):
                axes.plot(curves[f"{start} time"][1:], curves[f"{start} {what}"][1:], color=colour, **style.THEORY)
                keep = log_spaced(curves[f"{start} run time"], 20)
                axes.plot(
                    curves[f"{start} run time"][keep],
                    curves[f"{start} run {what}"][keep],
                    color=colour,
                    **style.TRAINING,
                )
            end = (1.0, curves[f"{start} alignment"][-1])
            style.name_line(left, f"$s={start}$", end, colour=colour, xytext=(0, -11), ha="right")
        style.alignment_axis(left)
        style.condition_axis(right, top=14)
        for axes in (left, right):
            style.time_axis(axes)
            axes.set_xlim(4e-3, None)
    return figure


def kept_noise(*found: Evidence) -> Figure:
    """κ and the share of noise over time of VICReg and Barlow Twins; dotted: the noise at the optimum."""
    names = {
        "VICReg": (style.ACCENT, "VICReg"),
        "VICReg, λ = 0.2": (style.NOISE, r"VICReg, $\lambda=0.2$"),
        "Barlow Twins": (style.NEGATIVE, "Barlow Twins"),
        "Barlow Twins, λ = 0.05": (style.POSITIVE, r"Barlow Twins, $\lambda=0.05$"),
    }
    curves = {label: values for evidence in found for label, values in evidence.curves.items()}
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        for row, (name, (colour, label)) in enumerate(names.items()):
            time = curves[f"{name} time"]
            keep = log_spaced(time, 24)
            left.plot(time[keep], curves[f"{name} kappa"][keep], color=colour, lw=0.8)
            left.plot(time[keep], curves[f"{name} kappa"][keep], color=colour, **style.TRAINING)
            right.plot(time[keep], curves[f"{name} noise"][keep], color=colour, **style.TRAINING)
            right.axhline(curves[f"{name} end"][3], color=colour, lw=1.3, ls=(0, (2, 3)))
            left.text(0.98, 0.97 - 0.085 * row, label, color=colour, ha="right", va="top", transform=left.transAxes)
        style.condition_axis(left, top=12)
        right.set(ylabel="share of noise", ylim=(-0.03, 0.9))
        for axes in (left, right):
            style.time_axis(axes)
    return figure
