"""The losses with negatives: what each does to alignment, balance and noise over time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.method import HEIGHT, Line, Panel, draw, over_time, write_names

THIRD = style.coordinate_colours(2)[1]
LEFT_ALONE = style.NOISE  # a descent that does not follow the flow
PANELS = {
    "infonce": Panel(
        (Line("positives only", style.POSITIVE, dots=False), Line("InfoNCE", style.NEGATIVE, r"InfoNCE, $\tau^2=4$")),
    ),
    "spectral": Panel(
        (
            Line("spectral, μ = 1", style.NEGATIVE, r"$\mu=1$"),
            Line("spectral, μ = 16", style.ACCENT, r"$\mu=16$"),
            Line("spectral, μ = 16, η = 1/2", LEFT_ALONE, r"$\mu=16$, $\eta=\frac{1}{2}$"),
        ),
        start=0.1,
    ),
    "sigmoid": Panel(
        (
            Line("sigmoid, b = −10", style.NEGATIVE, r"$b=-10$, $K=15$"),
            Line("sigmoid, b = −10, K = 511", THIRD, r"$b=-10$, $K=511$"),
            Line("sigmoid, b = 5", style.ACCENT, r"$b=5$"),
            Line("sigmoid, b = 5, n = 256", LEFT_ALONE, r"$b=5$, $\eta=\frac{1}{2}$, $n=256$"),
        ),
        top=28,
        start=0.1,
        names_in=1,
    ),
    "nt-xent": Panel((Line("NT-Xent", style.NEGATIVE, r"NT-Xent, $\tau^2=4$"),)),
    "uniformity": Panel(
        (
            Line("uniformity, λ = 1", style.NEGATIVE, r"$\lambda=1$"),
            Line("uniformity, λ = 3", style.ACCENT, r"$\lambda=3$"),
        ),
        names_at=(0.02, 0.36),
    ),
}


def method(name: str, *found: Evidence) -> Figure:
    """The figure of one loss of `PANELS`."""
    return draw(PANELS[name], *found)


def decoupled(found: Evidence) -> Figure:
    """κ over time, where the decoupled loss is ahead of InfoNCE, and against alignment, where both are one curve."""
    curves = found.curves
    panel = Panel(
        (Line("InfoNCE", style.NOISE), Line("DCL", style.NEGATIVE, "decoupled")), top=3.5, names_at=(0.98, 0.98)
    )
    with style.style():
        figure, (left, right) = style.panels(2, height=HEIGHT)
        over_time(left, "kappa", panel, curves)
        write_names(left, panel)
        right.plot(curves["InfoNCE alignment"], curves["InfoNCE kappa"], color=style.NOISE, **style.THEORY)
        run = curves["DCL run alignment"], curves["DCL run kappa"]
        right.plot(*run, color=style.NEGATIVE, **style.TRAINING)
        style.condition_axis(right, top=3.5)
        right.set(xlim=(-0.02, 1.02), xticks=[0, 0.5, 1], xlabel="alignment", ylabel="")
    return figure


def uniformity(found: Evidence) -> Figure:
    """The share of noise over time, and at the end against the weight of uniformity."""
    curves, panel = found.curves, PANELS["uniformity"]
    weight, critical = curves["weight"], float(curves["critical"])
    with style.style():
        figure, (left, right) = style.panels(2, height=HEIGHT)
        over_time(left, "noise", panel, curves)
        write_names(left, panel)
        right.semilogx(weight, curves["kept"], color=style.INK, **style.THEORY)
        for line, at in zip(panel.lines, (1, 3), strict=True):
            right.plot(at, curves[f"{line.name} summary"][3], color=line.colour, **style.TRAINING)
        right.axvline(critical, color=style.NOISE, linewidth=0.9)
        style.name_line(right, r"$\lambda_c$", (critical, 0.9), colour=style.NOISE)
        style.alignment_axis(right, label="")
        right.set_xlabel(r"weight of uniformity $\lambda$")
        right.set_xticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
        right.set_xticks([], minor=True)
        right.set_xlim(float(np.min(weight)), float(np.max(weight)))
    return figure
