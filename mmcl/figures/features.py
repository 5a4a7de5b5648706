"""What normalising, centring, a common offset and unequal modalities do, beside their predictions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style


def normalisation(found: Evidence) -> Figure:
    """Distances between normalisations against width and against batch size, with the predicted powers."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        _law(left, curves["width"], curves["listed"], -1.0, style.NEGATIVE, "all pairs")
        _law(left, curves["width"], curves["noise"], -0.5, style.NOISE, "batches of 64", mark=style.MARK_B,
             above=False)  # fmt: skip
        by_batch, by_sample = curves["by batch"].T
        _law(right, curves["batch"], by_batch, -1.0, style.NOISE, "in the batch", mark=style.MARK_B)
        _law(right, curves["batch"], by_sample, -1.0, style.NEGATIVE, "by sample", above=False)
        left.set(xlabel="width $m$", ylabel=r"distance of $\theta$", ylim=(1.2e-5, 4e-4))
        right.set(xlabel="batch size $n$", ylim=(6e-5, 4e-3))
    return figure


def _law(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    power: float,
    colour: str,
    name: str,
    *,
    mark: str = style.MARK_A,
    above: bool = True,
) -> None:
    """Dots, and a line of the predicted power through their middle, named above its first half or below its second."""
    axes.loglog(x, y, color=colour, **style.TRAINING | {"marker": mark})
    middle = np.exp(np.mean(np.log(y) - power * np.log(x)))
    axes.loglog(x, middle * x**power, color=colour, **style.THEORY)
    axes.xaxis.set_major_locator(FixedLocator(list(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: _power_of_ten(value))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    at = np.sqrt(x[0] * x[1]) if above else np.sqrt(x[1] * x[2])
    place = {"xytext": (6, 9)} if above else {"xytext": (-6, -10), "ha": "right"}
    style.name_line(axes, name, (at, middle * at**power), colour=colour, **place)


def _power_of_ten(value: float) -> str:
    exponent = int(np.floor(np.log10(value) + 1e-9))
    first = round(value / 10.0**exponent)
    return f"$10^{{{exponent}}}$" if first == 1 else rf"${first}\cdot10^{{{exponent}}}$"


def centring(centred: Evidence, offset: Evidence) -> Figure:
    """What centring adds to the in-batch loss; and a common offset, with negatives and without."""
    curves = centred.curves
    with style.style():
        figure, (left, middle, right) = style.panels(3, height=2.7)
        left.semilogx(curves["batch"], curves["shift"], color=style.NEGATIVE, base=2, **style.TRAINING)
        left.axhline(float(curves["due"]), color=style.NEGATIVE, **style.THEORY)
        left.axhline(0, color=style.NOISE, linewidth=0.8)
        left.xaxis.set_major_locator(FixedLocator([2, 8, 32]))
        left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.set(title=r"centring: $n\,\Delta L$", xlabel="batch size $n$", yticks=[-0.04, -0.02, 0, 0.02])
        curves = offset.curves
        time, fine = curves["InfoNCE time"], curves["fine"]
        middle.plot(fine, curves["InfoNCE offset"], color=style.INK, **style.THEORY)
        middle.plot(time, curves["InfoNCE power"], color=style.INK, **style.TRAINING)
        middle.set(title="InfoNCE: offset", xlabel="time $t$", ylim=(-0.14, 1.02), yticks=[0, 0.5, 1])
        time, due = curves["positives only time"], curves["positives only shares"]
        strong, weak = style.coordinate_colours(2)[::-1]
        for p, (colour, name) in enumerate(((strong, "strong"), (weak, "weak"), (style.INK, "offset"))):
            right.plot(fine, due[:, p], color=colour, **style.THEORY)
            right.plot(time, curves["positives only theta"][:, p], color=colour, **style.TRAINING)
            style.name_line(right, name, (fine[-1], due[-1, p]), colour=colour,
                            xytext=(0, -10 if p == 1 else 11), ha="right")  # fmt: skip
        right.set(title=r"positives only: $\theta_p$", xlabel="time $t$", ylim=(-0.14, 1.02), yticks=[0, 0.5, 1])
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
                                xytext=(4, 10 if above else -18))  # fmt: skip
        style.condition_axis(left, top=2.4)
        right.set(ylabel="noise share", ylim=(0, 0.2), yticks=[0, 0.1, 0.2])
        for axes in (left, right):
            axes.set(xlabel="time $t$", xticks=[0, 4, 8, 12])
    return figure
