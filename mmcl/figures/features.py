"""What normalising, centring, a common offset and unequal modalities do, beside their predictions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style


def normalisation(found: Evidence) -> Figure:
    """Distances between normalisations against width and against batch size, with the predicted powers."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        _law(left, curves["width"], curves["listed"], -1.0, style.NEGATIVE, "all pairs")
        _law(left, curves["width"], curves["noise"], -0.5, style.NOISE, "batches")
        for how, colour, name in ((1, style.NEGATIVE, "sample"), (0, style.NOISE, "batch")):
            _law(right, curves["batch"], curves["by batch"][:, how], -1.0, colour, name, end=0 if how else -1)
        left.set(xlabel="width $m$", ylabel=r"distance of $\theta$")
        right.set(xlabel="batch size $n$")
    return figure


def _law(axes: Axes, x: np.ndarray, y: np.ndarray, power: float, colour: str, name: str, *, end: int = 0) -> None:
    """Dots, and a line of the predicted power through their middle."""
    axes.loglog(x, y, color=colour, **style.TRAINING)
    middle = np.exp(np.mean(np.log(y) - power * np.log(x)))
    axes.loglog(x, middle * x**power, color=colour, **style.THEORY)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    place = {"xytext": (6, 6)} if end == 0 else {"xytext": (-4, -10), "ha": "right"}
    style.name_line(axes, name, (x[end], y[end]), colour=colour, **place)


def centring(centred: Evidence, offset: Evidence) -> Figure:
    """What centring adds to the in-batch loss; and a common offset, with negatives and without."""
    curves = centred.curves
    with style.style():
        figure, (left, middle, right) = style.panels(3, height=2.7)
        left.semilogx(curves["batch"], curves["shift"], color=style.NEGATIVE, base=2, **style.TRAINING)
        left.axhline(float(curves["due"]), color=style.NEGATIVE, **style.THEORY)
        left.axhline(0, color=style.NOISE, linewidth=0.8)
        left.xaxis.set_major_locator(FixedLocator(list(curves["batch"])))
        left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.set(xlabel="batch size $n$", ylabel=r"$n$ times the change of $L$")
        curves = offset.curves
        time = curves["InfoNCE time"]
        middle.plot(time, curves["InfoNCE noise theory"], color=style.NOISE, **style.THEORY)
        middle.plot(time, curves["InfoNCE noise"], color=style.NOISE, **style.TRAINING)
        middle.set(title="InfoNCE", xlabel="time $t$", ylabel="noise and offset, share of A", ylim=(-0.03, 0.75))
        time, due = curves["positives only time"], curves["positives only theory"]
        for p, colour in enumerate((*style.coordinate_colours(2)[::-1], style.POSITIVE)):
            right.plot(time, due[:, p], color=colour, **style.THEORY)
            right.plot(time, curves["positives only theta"][:, p], color=colour, **style.TRAINING)
        style.name_line(right, "offset", (time[-1], due[-1, 2]), colour=style.POSITIVE, xytext=(0, -14), ha="right")
        right.set(title="positives only", xlabel="time $t$", ylabel=r"share $\theta_p$", ylim=(-0.03, 1.02))
    return figure


def unequal(found: Evidence) -> Figure:
    """Condition numbers and noise shares of two unequal modalities, trained and predicted."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        for side, mark in enumerate((style.MARK_A, style.MARK_B)):
            for axes, line, dots, colour in (
                (left, "flow", "run", style.NEGATIVE), (right, "noise", "run noise", style.NOISE),
            ):  # fmt: skip
                axes.plot(curves["grid"], curves[line][:, side], color=colour, **style.THEORY)
                axes.plot(curves["time"], curves[dots][:, side], color=colour, **style.TRAINING | {"marker": mark})
                above = (side == 0) == (axes is left)
                style.name_line(axes, "AB"[side], (curves["grid"][12], curves[line][12, side]), colour=colour,
                                xytext=(4, 9 if above else -11))  # fmt: skip
        left.set(xlabel="time $t$")
        style.condition_axis(left, top=2.4)
        right.set(xlabel="time $t$", ylabel="noise share", ylim=(0, 0.2))
    return figure
