"""Two views of one signal: a positive pair with its learner, and what the views share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray as Array

from mmcl.data import Batch, PairedData
from mmcl.figures import style


def positive_pair(data: PairedData, pair: Batch) -> Figure:
    """One positive pair as bars, signal in the colours of its coordinates and noise in grey; the learner beside it.

    Args:
        data: the world, in the axes of the coordinates.
        pair: samples of it; the first is drawn.
    """
    with style.style():
        figure = Figure(figsize=(style.TEXT_WIDTH, 3.1), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.75, 1))
        tops = [figure.add_subplot(grid[row, 0]) for row in (0, 1)]
        for axes, x, letter in zip(tops, (pair.a[0], pair.b[0]), "AB", strict=True):
            _bars(axes, x, data.signal_dim)
            axes.set_ylabel(rf"$x_{letter}$", rotation=0, labelpad=10, va="center")
        tops[0].text(-0.5, 2.5, "signal: shared", ha="left", color=style.POSITIVE)
        tops[0].text(0.5 * (data.signal_dim + len(pair.a[0])), 2.5, "noise: private", ha="center", color=style.NOISE)
        tops[0].set_xticks([])
        tops[1].set_xlabel("coordinate")
        tops[1].set_xticks([0, data.signal_dim - 1, len(pair.a[0]) - 1], ["1", "r", "d"])
        _learner(figure.add_subplot(grid[:, 1]))
    return figure


def _bars(axes: Axes, x: Float[Array, " d"], r: int) -> None:
    # The first coordinate is the strongest.
    colours = [*reversed(style.coordinate_colours(r)), *[style.NOISE] * (len(x) - r)]
    axes.bar(np.arange(len(x)), x, color=colours, width=0.8)
    axes.axhline(0, color=style.INK, linewidth=0.5)
    axes.set(ylim=(-2.3, 2.3), xlim=(-1, len(x)), yticks=[-2, 0, 2])


def _learner(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    box = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": style.INK, "linewidth": 0.8}
    arrow = {"arrowstyle": "->", "color": style.INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    for y, letter, turn in ((0.79, "A", -1), (0.31, "B", 1)):
        axes.text(0.29, y, rf"$W_{letter}^\top x_{letter}$", ha="center", va="center", bbox=box)
        axes.text(0.8, y, rf"$f_{letter}$", ha="center", va="center", bbox=box)
        axes.annotate("", (0.1, y), xytext=(0.0, y), arrowprops=arrow)
        axes.annotate("", (0.7, y), xytext=(0.48, y), arrowprops=arrow)
        axes.text(0.585, y + 0.035, rf"$/N_{letter}$", ha="center", va="bottom", fontsize=9)
        axes.annotate("", (0.8, 0.55 - turn * 0.055), xytext=(0.8, y + turn * 0.09), arrowprops=arrow)
    axes.text(0.8, 0.55, r"score $\tau^2 f_A\cdot f_B$", ha="center", va="center")


def shared_and_private(data: PairedData, pairs: Batch) -> Figure:
    """Exact second moments (lines) and those of samples (dots): within one view, and across the two.

    Args:
        data: the world.
        pairs: samples of it.
    """
    n = len(pairs.a)
    exact = np.linalg.svd(data.covariance_a)[1], np.linalg.svd(data.cross_covariance)[1]
    sampled = (np.linalg.svd(pairs.a.T @ x / n)[1] for x in (pairs.a, pairs.b))
    names = (r"within one view, $\mathrm{E}\,x_Ax_A^\top$", r"across the views, $\mathrm{E}\,x_Ax_B^\top$")
    r = data.signal_dim
    with style.style():
        figure, panels = style.panels(2, height=2.7, sharey=True)
        for axes, theory, found, name in zip(panels, exact, sampled, names, strict=True):
            index = np.arange(1, len(theory) + 1)
            axes.plot(index[:r], theory[:r], color=style.POSITIVE, **style.THEORY)
            axes.plot(index[r:], theory[r:], color=style.NOISE, **style.THEORY)
            for part, colour in ((slice(0, r), style.POSITIVE), (slice(r, None), style.NOISE)):
                axes.plot(index[part], found[part], color=colour, **style.TRAINING | {"markersize": 3.4})
            axes.set(title=name, xlabel="direction", ylim=(-0.15, None), xticks=[1, r, len(theory)])
        panels[0].set_ylabel("singular value")
        style.name_line(panels[0], "signal", (5, exact[0][4]), colour=style.POSITIVE, xytext=(12, 6))
        style.name_line(panels[0], "noise", (36, data.covariance_a[-1, -1]), colour=style.NOISE, xytext=(0, 14))
        style.name_line(panels[1], "no noise: it is not shared", (24, 0.0), colour=style.NOISE, xytext=(0, 16))
    return figure
