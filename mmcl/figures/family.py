"""The family of losses: what each does to balance over time, and what it keeps of the noise."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style


def over_time(found: tuple[Evidence, ...], names: tuple[str, ...]) -> Figure:
    """Alignment and κ over time for every method in `names`, on the exact flow."""
    curves = {name: values for one in found for name, values in one.curves.items()}
    colours = [style.POSITIVE, style.NEGATIVE, *style.coordinate_colours(len(names) - 2)]
    with style.style():
        figure, (left, right) = style.panels(2, height=3.3)
        for row, (name, colour) in enumerate(zip(names, colours, strict=True)):
            time = curves["time"][1:]
            left.plot(time, curves[f"{name} alignment"][1:], color=colour, lw=1.5)
            right.plot(time, curves[f"{name} kappa"][1:], color=colour, lw=1.5)
            left.text(0.02, 0.98 - 0.085 * row, name, color=colour, va="top", transform=left.transAxes, fontsize=9.5)
        for axes in (left, right):
            style.time_axis(axes)
        left.set_xlim(8e-3, None)  # room for the names
        style.alignment_axis(left)
        style.condition_axis(right, top=10)
    return figure


def kept_noise(found: Evidence) -> Figure:
    """The share of noise at the end of alignment and uniformity, against the weight of uniformity."""
    weight, kept = found.curves["weight"], found.curves["kept"]
    critical = float(found.curves["critical"])
    with style.style():
        figure, axes = style.panels(1, height=2.6)
        axes.semilogx(weight, kept, color=style.NOISE, **style.THEORY)
        measured = [float(found.curves[f"uniformity, λ = {x} summary"][3]) for x in (1, 3)]
        axes.plot([1, 3], measured, color=style.NEGATIVE, **style.TRAINING)
        axes.axvline(critical, color=style.ACCENT, linewidth=0.9)
        style.name_line(axes, r"$\lambda_c$", (critical, 0.75), colour=style.ACCENT)
        axes.set(xlabel=r"weight of uniformity $\lambda$", ylabel="noise share kept", ylim=(-0.03, 0.9))
        axes.set_xticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
        axes.set_xticks([], minor=True)
        axes.set_xlim(float(np.min(weight)), float(np.max(weight)))
    return figure
