"""Exact negatives: the closed form against every sign pattern, and the bias of sampled ones."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style


def exact_and_sampled(found: Evidence) -> Figure:
    """Standard scores of sampled negatives on the left, the shortfall of the in-batch loss on the right.

    Args:
        found: the evidence of the claim `exact-negatives`.
    """
    curves = found.curves
    z = np.sort(curves["z"])
    batch, loss = curves["batch"], curves["batch loss"]
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9)
        left.axhspan(-2, 2, color=style.NOISE, alpha=0.12, linewidth=0)
        left.axhline(0, color=style.NEGATIVE, **style.THEORY)
        left.plot(np.arange(1, len(z) + 1), z, color=style.NEGATIVE, **style.TRAINING)
        left.annotate("closed form", (1, 0), xytext=(0, 8), textcoords="offset points", color=style.NEGATIVE)
        left.text(len(z), -1.9, "± 2 standard errors", ha="right", va="bottom", color=style.NOISE)
        left.set(xlabel="anchor, sorted", ylabel="sampled − exact, in standard errors", ylim=(-4, 4))
        left.set(xticks=[1, len(z)], yticks=[-4, -2, 0, 2, 4])
        right.plot(batch, -100 * curves["gap predicted"] / loss, color=style.NEGATIVE, **style.THEORY)
        right.errorbar(
            batch,
            -100 * curves["gap"] / loss,
            yerr=200 * curves["gap error"] / loss,
            color=style.NEGATIVE,
            elinewidth=1,
            **style.TRAINING,
        )
        right.set_xscale("log", base=2)
        right.xaxis.set_minor_locator(NullLocator())
        right.set_xticks([2, 8, 32, 128, 512], ["2", "8", "32", "128", "512"])
        right.set(xlabel="batch size $n$", ylabel="in-batch loss too small by, %", ylim=(0, None))
        style.name_line(right, "second order", (6, 6.3), colour=style.NEGATIVE, xytext=(8, 4))
    return figure
