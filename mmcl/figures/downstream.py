"""What balance buys: labels, shots and search at equal alignment, predicted and drawn; and on real pairs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style

COLOURS = {"unbalanced": style.POSITIVE, "balanced": style.NEGATIVE}
GLYPHS = {"untrained": style.NOISE, "positives": style.POSITIVE, "contrastive": style.NEGATIVE}


def labels(found: Evidence) -> Figure:
    """The shares of the two representations (left), and the error of a ridge probe against its labels (right)."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9)
        for name, colour in COLOURS.items():
            held = curves[f"{name} shares"]
            left.semilogy(np.arange(1, len(held) + 1), held, color=colour, **style.THEORY | {"marker": "o"})
            right.loglog(curves["labels"], curves[f"{name} predicted"], color=colour, **style.THEORY)
            right.plot(curves["drawn"], curves[f"{name} found"], color=colour, **style.TRAINING)
        left.set(xlabel="latent $p$", ylabel="share $s_p$", ylim=(0.008, 0.6))
        left.set_yticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
        left.yaxis.set_minor_locator(NullLocator())
        left.text(0.98, 0.92, "positives only", color=style.POSITIVE, ha="right", transform=left.transAxes)
        left.text(0.98, 0.82, "with negatives", color=style.NEGATIVE, ha="right", transform=left.transAxes)
        right.set(xlabel="labels $n$", ylabel="error of the probe")
    return figure


def shots_and_search(shots: Evidence, search: Evidence) -> Figure:
    """Mistakes of the nearest mean against its examples, band from best to worst latent; and partners found first."""
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0)
        for name, colour in COLOURS.items():
            due = shots.curves[f"{name} predicted"]
            grid = shots.curves["shots"]
            left.fill_between(grid, due.min(axis=1), due.max(axis=1), color=colour, alpha=0.12, linewidth=0)
            left.semilogx(grid, due.mean(axis=1), color=colour, **style.THEORY)
            left.plot(shots.curves["drawn"], shots.curves[f"{name} found"].mean(axis=1), color=colour, **style.TRAINING)
            right.plot(search.curves["flip"], search.curves[f"{name} predicted"], color=colour, **style.THEORY)
            right.plot(search.curves["drawn"], search.curves[f"{name} found"], color=colour, **style.TRAINING)
        left.set(xlabel="examples of each class $k$", ylabel="mistakes", ylim=(0, 0.52))
        left.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        left.xaxis.set_minor_locator(NullLocator())
        right.set(xlabel=r"signs flipped $\rho$", ylabel="partner found first", ylim=(0, 1))
        right.text(0.98, 0.92, "positives only", color=style.POSITIVE, ha="right", transform=right.transAxes)
        right.text(0.98, 0.83, "with negatives", color=style.NEGATIVE, ha="right", transform=right.transAxes)
    return figure


def on_glyphs(found: Evidence) -> Figure:
    """Balanced accuracy of the script for three towers, a mark for each seed, by reader; and recall."""
    shots = found.curves["shots"]
    readers = [*(f"{k} shots" for k in shots), "probe"]
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9, width_ratios=[2, 1])
        for run, colour in GLYPHS.items():
            for axes, names in ((left, readers), (right, ["recall"])):
                for place, name in enumerate(names):
                    values = found.curves[f"{run} {name}"]
                    axes.plot(np.full(len(values), place), values, color=colour, **style.TRAINING)
        of_script, of_name = found.curves["chance"]
        for axes, chance in ((left, of_script), (right, of_name)):
            axes.axhline(chance, color=style.NOISE, linewidth=0.9, linestyle=(0, (2, 3)))
        style.name_line(left, "chance", (-0.4, of_script), colour=style.NOISE, xytext=(4, 8))
        left.set(ylabel="script found, held out", ylim=(0, 0.75), xlim=(-0.4, 3.4))
        left.set_xticks(range(4), [*(f"{k} examples" if k > 1 else "1 example" for k in shots), "probe"])
        right.set(ylabel="recall@1, held out", ylim=(-0.005, None), xlim=(-1, 1), xticks=[])
        for place, (text, colour) in enumerate(
            (("with negatives", style.NEGATIVE), ("positives only", style.POSITIVE), ("untrained", style.NOISE))
        ):
            left.text(0.98, 0.42 - 0.09 * place, text, color=colour, ha="right", transform=left.transAxes)
    return figure
