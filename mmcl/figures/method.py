"""One method in one figure: its exact flow as a line, its trained run as dots, its end in closed form dotted.

All methods of the family are drawn alike, so that a reader compares them page by page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced

HEIGHT, DOTS = 2.35, 18
END: dict[str, Any] = {"linewidth": 1.1, "linestyle": (0, (2, 3))}
PLACE = {"alignment": 0, "kappa": 1, "noise": 3}  # where an end keeps a quantity
EXPECTED = {"alignment": 1.0, "kappa": 1.0, "noise": 0.0}  # an end that needs no line of its own


class Line(NamedTuple):
    """What is drawn in one colour: the curves of the evidence that start with `name`, as far as they are there."""

    name: str
    colour: str
    label: str = ""
    dots: bool = True


class Panel(NamedTuple):
    """One method: its lines, the quantities of its two panels, and how far the axes reach."""

    lines: tuple[Line, ...]
    shown: tuple[str, str] = ("alignment", "kappa")
    top: float = 10.0
    start: float = 0.5
    names_at: tuple[float, float] = (0.02, 0.98)
    names_in: int = 0  # which of the two panels has room for them


def draw(panel: Panel, *found: Evidence) -> Figure:
    """Two quantities over logarithmic time."""
    curves = {key: values for one in found for key, values in one.curves.items()}
    with style.style():
        figure, both = style.panels(2, height=HEIGHT)
        for axes, what in zip(both, panel.shown, strict=True):
            over_time(axes, what, panel, curves)
        write_names(both[panel.names_in], panel)
    return figure


def over_time(axes: Axes, what: str, panel: Panel, curves: Mapping[str, Array]) -> None:
    """Every line of the panel in one quantity: "alignment", "kappa" or "noise"."""
    for line in panel.lines:
        if f"{line.name} {what}" in curves:
            time = curves["time"]
            keep = time >= panel.start / 2
            axes.plot(time[keep], curves[f"{line.name} {what}"][keep], color=line.colour, **style.THEORY)
        if line.dots and f"{line.name} run time" in curves:
            time = curves[f"{line.name} run time"]
            keep = log_spaced(time, DOTS)
            axes.plot(time[keep], curves[f"{line.name} run {what}"][keep], color=line.colour, **style.TRAINING)
        end = curves[f"{line.name} end"][PLACE[what]] if f"{line.name} end" in curves else EXPECTED[what]
        if abs(end - EXPECTED[what]) > 1e-3:
            axes.axhline(end, color=line.colour, **END)
    _axis(axes, what, panel)


def _axis(axes: Axes, what: str, panel: Panel) -> None:
    style.time_axis(axes)
    axes.set_xlim(panel.start, None)
    if what == "kappa":
        style.condition_axis(axes, top=panel.top)
    else:
        style.alignment_axis(axes, label="alignment" if what == "alignment" else "share of noise")


def write_names(axes: Axes, panel: Panel) -> None:
    """The names of the lines, one below the other, in their colours."""
    x, y = panel.names_at
    for row, line in enumerate(panel.lines):
        axes.text(
            x, y - 0.105 * row, line.label or line.name, color=line.colour, fontsize=9,
            ha="left" if x < 0.5 else "right", va="top", transform=axes.transAxes,
        )  # fmt: skip
