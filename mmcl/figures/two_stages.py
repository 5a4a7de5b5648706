"""The headline: alignment and the condition number of one run, theory and training, over both stages."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray as Array

from mmcl.claims import Evidence, evidence
from mmcl.figures import style


def two_stages(found: Evidence, *, height: float = 3.0) -> Figure:
    """Alignment on the left, κ on the right, over logarithmic time; the stages shaded and named.

    Args:
        found: the evidence of the claim `two-stages`.
        height: in inches.
    """
    time, run_time = found.curves["theory time"], found.curves["run time"]
    kappa = found.curves["theory condition_number"]
    turn = float(time[kappa.argmax()])
    with style.style():
        figure, (left, right) = style.panels(2, height=height)
        for axes, name in ((left, "alignment"), (right, "condition_number")):
            _curve_and_dots(axes, time, found.curves[f"theory {name}"], run_time, found.curves[f"run {name}"])
            style.time_axis(axes)
            axes.set_xlim(0.8, time[-1])
            style.shade(axes, 0.8, turn, colour=style.POSITIVE, label="one: align")
            style.shade(axes, turn, float(time[-1]), colour=style.NEGATIVE, label="two: balance")
        style.alignment_axis(left)
        style.condition_axis(right, top=4.2)
        right.axhline(1, color=style.NOISE, linewidth=0.8)
        left.annotate(
            "theory",
            (6, np.interp(6, time, found.curves["theory alignment"])),
            xytext=(-8, 14),
            textcoords="offset points",
            ha="right",
        )
        left.annotate(
            "trained",
            (60, np.interp(60, run_time, found.curves["run alignment"])),
            xytext=(6, -16),
            textcoords="offset points",
            color=style.POSITIVE,
        )
    return figure


def _curve_and_dots(axes: Axes, time: Array, theory: Array, run_time: Array, run: Array) -> None:
    axes.plot(time[1:], theory[1:], color=style.INK, **style.THEORY)
    keep = log_spaced(run_time, 22)
    axes.plot(run_time[keep], run[keep], color=style.POSITIVE, zorder=3, **style.TRAINING)


def log_spaced(time: Float[Array, " T"], count: int) -> Array:
    """Indices of about `count` rows that lie evenly on a logarithmic axis, time 0 left out."""
    wanted = np.geomspace(time[1], time[-1], count)
    return np.unique(np.clip(np.searchsorted(time, wanted), 1, len(time) - 1))


def save_headline(path: str | Path) -> Path:
    """The headline as a file on white, for the README: ``python -m mmcl.figures.two_stages FILE``."""
    path = Path(path)
    figure = two_stages(evidence("two-stages"))
    with mpl.rc_context({key: style.RC[key] for key in ("svg.fonttype", "svg.hashsalt")}):
        figure.savefig(path, facecolor="white", metadata={"Date": None})
    return path


if __name__ == "__main__":
    save_headline(sys.argv[1])
