"""Linear towers on the glyphs: what they learn over the steps, with which spectrum, and what they find."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.pairs import draw_picture
from mmcl.real_pairs import Glyphs

COLOURS = {"positives": style.POSITIVE, "contrastive": style.NEGATIVE, "shuffled": style.NOISE}
"""Positives only, with negatives, and with negatives on pairs matched at random."""
NAMES = {"positives": "positives only", "contrastive": "with negatives", "shuffled": "shuffled pairs"}
NOTHING = 3e-4
"""Where a logarithmic axis draws a recall of zero."""
JOINED = style.TRAINING | {"linestyle": "-", "linewidth": 0.8}
"""Training without a theory to lie on: dots, joined by a thin line."""


def over_steps(found: Evidence) -> Figure:
    """Held-out alignment, effective rank and recall over the steps; the directions of recall differ by mark.

    Args:
        found: the evidence of the claim `real-pairs`.
    """
    curves = found.curves
    step = np.maximum(curves["steps"], 0.35)  # the start, left of the first step
    with style.style():
        figure, panels = style.panels(3, height=3.1)
        for run, colour in COLOURS.items():
            for axes, quantity in zip(panels, ("alignment", "effective_rank"), strict=False):
                axes.plot(step, curves[f"{run}.{quantity}"], color=colour, **JOINED)
            for values, mark in zip(curves[f"{run}.recall_1"].T, (style.MARK_A, style.MARK_B), strict=True):
                panels[2].plot(step, np.maximum(values, NOTHING), color=colour, **JOINED | {"marker": mark})
        for axes in panels:
            _step_axis(axes)
        style.alignment_axis(panels[0], label="alignment, held out")
        panels[1].set(ylabel="effective rank, held out", ylim=(0, 24), yticks=[1, 10, 20])
        _recall_axis(panels[2], float(curves["chance"]))
        style.name_line(panels[0], "positives\nonly", (14, 0.68), colour=style.POSITIVE)
        style.name_line(panels[0], "with\nnegatives", (14, 0.36), colour=style.NEGATIVE)
        style.name_line(panels[0], NAMES["shuffled"], (3, 0.09), colour=style.NOISE)
    return figure


def _step_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.35, 1, 10, 100]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "0" if value < 1 else f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("step")


def _recall_axis(axes: Axes, chance: float) -> None:
    axes.set_yscale("log")
    axes.set(ylim=(2.4e-4, 2), ylabel="recall@1, held out")
    axes.yaxis.set_major_locator(FixedLocator([NOTHING, 1e-3, 1e-2, 1e-1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: "0" if value < 9e-4 else f"{value:.3g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.axhline(chance, color=style.INK, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.text(330, chance * 0.9, "chance", color=style.INK, ha="right", va="top", fontsize=9)
    axes.plot([], [], color=style.INK, **style.TRAINING | {"marker": style.MARK_A}, label="picture → name")
    axes.plot([], [], color=style.INK, **style.TRAINING | {"marker": style.MARK_B}, label="name → picture")
    axes.legend(loc="upper left", handletextpad=0.1, borderpad=0, borderaxespad=0, fontsize=9)


def spectra(found: Evidence) -> Figure:
    """The singular values of the three final representations, and the cosines that say whether they are aligned.

    Args:
        found: the evidence of the claim `real-pairs`.
    """
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        for run, colour in COLOURS.items():
            values, cosines = found.curves[f"{run}.singular_values"], found.curves[f"{run}.cosines"]
            order = np.arange(1, len(values) + 1)
            left.semilogy(order, values, color=colour, **style.TRAINING | {"markersize": 3})
            right.plot(order, cosines, color=colour, **style.TRAINING | {"markersize": 3})
        left.set(xlabel="direction $i$", ylabel=r"singular value $s_i$", ylim=(1e-7, 2), xticks=[1, 16, 32, 48, 64])
        left.set_yticks([1, 1e-2, 1e-4, 1e-6], ["1", "0.01", "$10^{-4}$", "$10^{-6}$"])
        left.yaxis.set_minor_locator(NullLocator())
        right.set(xlabel="direction $i$", ylabel=r"$\cos_i$", ylim=(-0.6, 1.05), xticks=[1, 16, 32, 48, 64])
        right.set_yticks([-0.5, 0, 0.5, 1])
        right.axhline(0, color=style.NOISE, linewidth=0.8)
        for place, run in zip((0.62, 0.9, 0.8), COLOURS, strict=True):
            left.text(0.98, place, NAMES[run], color=COLOURS[run], ha="right", transform=left.transAxes)
    return figure


def what_is_found(data: Glyphs, found: Evidence, rows: Sequence[int] | Int[Array, " k"]) -> Figure:
    """Held-out pictures with their names, and the name that each run puts first; a hit is set in bold.

    Args:
        data: the glyphs.
        found: the evidence of the claim `real-pairs`.
        rows: which held-out pairs.
    """
    heads = {"positives": 0.38, "contrastive": 0.59, "shuffled": 0.8}
    with style.style():
        figure = Figure(figsize=(style.TEXT_WIDTH, 0.35 + 0.66 * len(rows)))
        figure.set_layout_engine("none")
        top = 0.35 / figure.get_figheight()
        _write(figure, 0.12, 1 - top / 2, "picture and name", style.INK)
        for run, x in heads.items():
            _write(figure, x, 1 - top / 2, NAMES[run], COLOURS[run])
        for place, row in enumerate(rows):
            height = (1 - top) / len(rows)
            bottom = 1 - top - height * (place + 1)
            draw_picture(
                figure.add_axes((0.01, bottom + 0.06 * height, 0.085, 0.88 * height)), data.held_out_pictures[row]
            )
            middle = bottom + height / 2
            _write(figure, 0.12, middle, _wrapped(data.held_out_names[row], 27), style.INK)
            for run, x in heads.items():
                answer = int(found.curves[f"{run}.found"][row, 0])
                hit = "bold" if answer == row else "normal"
                _write(figure, x, middle, _wrapped(data.held_out_names[answer], 19), COLOURS[run], weight=hit)
    return figure


def _wrapped(name: str, width: int) -> str:
    return "\n".join(textwrap.wrap(name.lower(), width, max_lines=3, placeholder=" …"))


def _write(figure: Figure, x: float, y: float, text: str, colour: str, weight: str = "normal") -> None:
    figure.text(x, y, text, color=colour, va="center", fontsize=8.5, weight=weight, linespacing=1.15)
