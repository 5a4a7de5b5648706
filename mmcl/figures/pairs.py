"""Real pairs beside the model: what they look like, and how uneven their shared features are."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray as Array

from mmcl.figures import style

LEVELS = (0.2, 0.5, 0.8)
"""Where a grey value counts as light, middle and full ink."""


def pictures_and_names(pictures: UInt8[Array, "n side side"], names: Sequence[str]) -> Figure:
    """Pictures in a row, each over its name."""
    with style.style():
        figure, panels = style.panels(len(names), height=1.75, sharey=True)
        for axes, picture, name in zip(panels, pictures, names, strict=True):
            draw_picture(axes, picture)
            axes.set_xlabel("\n".join(textwrap.wrap(name.lower(), 13)), fontsize=8.5)
    return figure


def draw_picture(axes: Axes, picture: UInt8[Array, "side side"]) -> None:
    """The picture's pixels as runs of ink, in the colour of the page's text, in three strengths."""
    side, ink = len(picture), picture / 255
    for level, strength in zip(LEVELS, (0.35, 0.5, 1.0), strict=True):
        runs = [
            Rectangle((start - 0.02, row - 0.02), stop - start + 0.04, 1.04)
            for row, line in enumerate(ink)
            for start, stop in _runs(line > level)
        ]
        axes.add_collection(PatchCollection(runs, facecolor=style.INK, edgecolor="none", alpha=strength))
    axes.set(xlim=(0, side), ylim=(side, 0), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, color=style.NOISE, linewidth=0.6)


def _runs(dark: Array) -> list[tuple[int, int]]:
    """Where runs of True begin and end."""
    turns = np.flatnonzero(np.diff(np.concatenate([[0], dark.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in turns.reshape(-1, 2)]


def shared_spectra(
    model: Float[Array, " k"], real: Float[Array, " l"], shuffled: Float[Array, " l"], signal_dim: int
) -> Figure:
    """Singular values of the cross-covariance over the first one: of the model, of real pairs, of shuffled ones.

    Args:
        model: of samples from a world of the theory, descending.
        real: of real pairs, descending.
        shuffled: of the same rows with the pairing destroyed.
        signal_dim: r of the world.
    """
    shown = 200
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9, sharey=True)
        for axes, values, title in (
            (left, model[:signal_dim], "the canonical world"),
            (right, real, "pictures and names"),
        ):
            axes.set_yscale("log")
            _dots(axes, values[:shown] / values[0], style.POSITIVE)
            axes.set(xscale="log", title=title, xlabel="direction", ylim=(3e-3, 1.5))
            axes.set_xticks([1, 10, 100], ["1", "10", "100"])
            axes.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
            axes.minorticks_off()
        left.set_ylabel("singular value / the first")
        _dots(right, shuffled[:shown] / real[0], style.NOISE)
        _dots(left, model[signal_dim:] / model[0], style.NOISE, first=signal_dim + 1)
        left.axvline(signal_dim + 0.5, color=style.NOISE, linewidth=0.8)
        left.annotate("$r$", (signal_dim + 0.5, 1.0), xytext=(4, 0), textcoords="offset points", color=style.NOISE)
        left.text(11, 0.027, "chance", color=style.NOISE)
        right.text(1.1, 0.055, "shuffled pairs", color=style.NOISE)
        right.text(9, 0.5, "pairs", color=style.POSITIVE)
    return figure


def _dots(axes: Axes, values: Array, colour: str, *, first: int = 1) -> None:
    index = np.arange(first, first + len(values))
    axes.plot(index, values, color=colour, **style.TRAINING | {"markersize": 3})
