"""The benchmark at a glance: how many times as fast, and what the width costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from mmcl.benchmark import AT_LEAST, Growth, Nothing, Race, Results, quantity
from mmcl.benchmark.table import number
from mmcl.figures import style
from mmcl.figures.display import Display, show

SHORT = {
    "training-float32": "800 steps, exact negatives, float32",
    "training-float64": "800 steps, exact negatives, float64",
    "training-same-float32": "800 steps, the same loss, float32",
    "training-same-float64": "800 steps, the same loss, float64",
    "full-gradient-start": "full gradient to 1%, at the start",
    "full-gradient-5": "full gradient to 1%, at t = 5",
    "widest": "a step at the largest width",
    "in-batch-open-clip": "in-batch loss, open_clip, float32",
    "in-batch-open-clip-float64": "in-batch loss, open_clip, float64",
    "in-batch-info_nce": "in-batch loss, info-nce-pytorch, one direction",
    "in-batch-lightly": "in-batch loss, lightly, 2n × 2n",
    "in-batch-metric-learning": "in-batch loss, pytorch-metric-learning, 2n × 2n",
    "memory-open_clip": "memory, open_clip",
    "memory-lightly": "memory, lightly",
    "flow": "exact flow, SciPy RK45",
    "flow-scaled": "exact flow until balanced, SciPy RK45",
    "flow-unlike": "exact flow, modalities unlike, SciPy RK45",
    "flow-lsoda-8": "exact flow of 8, SciPy LSODA",
    "flow-lsoda-100": "exact flow of 100, SciPy LSODA",
    "flow-lsoda-1000": "exact flow of 1,000, SciPy LSODA",
}
"""Races that the figure names; the table has all."""
CAPTION = (
    "<strong>Against others, on this machine.</strong> Above: how many times more the other takes than this package; "
    "left of the line, the other takes less. Lines run from the lowest round to the highest, ticks are the bars. "
    "Below: a step of training against the width."
)


@dataclass(frozen=True)
class Captioned:
    """A drawing with its caption, for a cell that may as well have nothing to show."""

    display: Display
    caption: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        bundle = self.display._repr_mimebundle_()
        caption = f'<figcaption><p><span class="caption-text">{self.caption}</span></p></figcaption>'
        return bundle | {"text/html": f'<figure class="align-default">{bundle["text/html"]}{caption}</figure>'}


def drawing(found: Results | Nothing) -> Captioned | None:
    """The figure for the page, or None where nothing has been measured.

    Args:
        found: what `mmcl.benchmark.results` returned.
    """
    if not isinstance(found, Results) or not _named(found):
        return None
    said = "; ".join(f"{SHORT[race.id]} {number(race.ratio)} times" for race in _named(found))
    alt = f"Bars over a logarithmic axis, one for each race: {said}. Below them, a step of training against the width."
    return Captioned(show(ratios(found), name="benchmark", alt=alt), CAPTION)


def ratios(found: Results) -> Figure:
    """How many times more the others take, and the cost of the width.

    Args:
        found: one run of the benchmark.
    """
    races, widths = _named(found), [one for one in found.growths if one.id in ("width", "width-plain")]
    above, below = 0.9 + 0.27 * len(races), 2.6 if widths else 0.0
    with style.style():
        rows = {"rows": 2, "height_ratios": [above, below]} if widths else {"rows": 1}
        figure, panels = style.panels(1, height=above + below, squeeze=False, **rows)
        _bars(panels[0, 0], races)
        if widths:
            _width(panels[1, 0], widths)
    return figure


def _named(found: Results) -> list[Race]:
    return [race for race in found.races if race.id in SHORT and race.relation == AT_LEAST]


def _bars(axes: Axes, races: Sequence[Race]) -> None:
    """A bar from the lowest round to the highest, a dot at the middle, a tick at what was promised."""
    for place, race in enumerate(races):
        low, high, bound = race.ratios.min(), race.ratios.max(), race.bound
        axes.plot([low, high], [place] * 2, color=style.NEGATIVE, **style.THEORY | {"linewidth": 3.0})
        axes.plot(race.ratio, place, color=style.NEGATIVE, **style.TRAINING | {"markersize": 6.0})
        if bound is not None:
            axes.plot(bound, place, color=style.POSITIVE, marker="|", markersize=11, markeredgewidth=2, linestyle="")
        label = f"{'> ' if race.censored else ''}{number(race.ratio)}×"
        style.name_line(axes, label, (max(high, bound or 0), place), xytext=(9, 0))
    axes.axvline(1.0, color=style.NOISE, linewidth=1.0)
    axes.set(xscale="log", ylim=(len(races) - 0.5, -0.5), xlabel="times as much as this package")
    axes.set_xlim(None, axes.get_xlim()[1] * 5)  # room for the last number
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=7))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(races)), [SHORT[race.id] for race in races])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _width(axes: Axes, growths: Sequence[Growth]) -> None:
    """A step at every width: this package is flat."""
    names = {"width": ("this package", style.NEGATIVE), "width-plain": ("PyTorch loop", style.POSITIVE)}
    for one in growths:
        label, colour = names[one.id]
        axes.plot(one.sizes, np.array(one.values) * 1e3, color=colour, marker="o", markersize=4.2, linewidth=1.8)
        said = f"{label}, {quantity(one.values[-1])}"
        style.name_line(axes, said, (one.sizes[-1], one.values[-1] * 1e3), colour=colour, xytext=(0, 8), ha="right")
    axes.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="a step, in milliseconds")
    sizes = growths[0].sizes
    axes.xaxis.set_major_locator(FixedLocator(list(sizes[::2])))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
