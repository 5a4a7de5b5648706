"""The visual grammar of the book: one colour, one mark and one axis for each quantity.

Theory is a line, training is dots on it. Positive pairs are warm, negative pairs cool, noise grey; the coordinates of
the signal run along one scale from weak to strong; modality A and B differ by mark. As a page shows it, every colour
can be read as text, on the light page and on the dark one, and the set stays apart for colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

INK = "#000000"
"""Text and axes; the page turns it into its own text colour."""
PAPER = "#ffffff"
"""The page's background, for halos behind labels; the page turns it into its own."""
POSITIVE = "#d4570a"
"""Positive pairs, and whatever they alone do."""
NEGATIVE = "#1878b8"
"""Negative pairs, and whatever they add."""
NOISE = "#808080"
"""Noise, references and bounds."""
ACCENT = "#0b8f6a"
"""A third thing, where a figure needs one: a prediction in closed form, for example."""
STRENGTH = LinearSegmentedColormap.from_list("strength", ["#a88a12", "#c2566b", "#b0479b", "#7d45c4"])
"""The coordinates of the signal, from the weakest (0) to the strongest (1)."""

LIGHT_PAGE, DARK_PAGE = "#ffffff", "#121212"
"""The two backgrounds of the site."""
READABLE = 4.5
"""The contrast that the WCAG ask of text."""

TEXT_WIDTH = 7.2
"""Width of a figure that spans the text, in inches."""

THEORY: dict[str, Any] = {"linestyle": "-", "linewidth": 1.8, "marker": ""}
"""How a theoretical curve is drawn."""
TRAINING: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 4.2, "markeredgewidth": 0.0}
"""How training is drawn; modality B takes ``marker=MARK_B``."""
MARK_A, MARK_B = "o", "D"
"""Marks of the two modalities."""

RC: dict[Any, Any] = {
    "figure.figsize": (TEXT_WIDTH, 2.9),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",  # letters as outlines: no font to load, and formulas look alike everywhere
    "svg.hashsalt": "mmcl",
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[POSITIVE, NEGATIVE, ACCENT, NOISE]),
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "axes.unicode_minus": True,
}
"""Matplotlib's settings for every figure of the book."""


@contextmanager
def style(**changes: Any) -> Iterator[None]:
    """Draw in the book's style inside a ``with`` block; keywords override single settings (``__`` for ``.``).

    >>> with style():
    ...     mpl.rcParams["axes.spines.top"]
    False
    """
    settings: dict[Any, Any] = {name.replace("__", "."): value for name, value in changes.items()}
    with mpl.rc_context({**RC, **settings}):
        yield


def panels(
    columns: int = 1, *, rows: int = 1, height: float = 2.9, width: float = TEXT_WIDTH, **options: Any
) -> tuple[Figure, Any]:
    """A figure at text width with its axes, made without the global state of pyplot.

    Call it inside `style`. A single panel comes as one axes, several as an array.

    >>> with style():
    ...     figure, (left, right) = panels(2)
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def coordinate_colours(count: int) -> list[str]:
    """Colours of `count` signal coordinates, ordered from the weakest to the strongest.

    >>> coordinate_colours(2)
    ['#a88a12', '#7d45c4']
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1; got {count}.")
    return [to_hex(STRENGTH(place)) for place in (np.linspace(0, 1, count) if count > 1 else [1.0])]


def time_axis(axes: Axes, *, log: bool = True, label: str = "time $t$") -> None:
    """Time along the bottom; logarithmic unless told, because the two stages lie decades apart."""
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10, numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)


def alignment_axis(axes: Axes, *, label: str = "alignment") -> None:
    """Alignment up the side, always from 0 to 1."""
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_ylabel(label)


def condition_axis(axes: Axes, *, top: float | None = None, label: str = r"condition number $\kappa$") -> None:
    """The condition number up the side, logarithmic from 1, with ticks written as plain numbers."""
    axes.set_yscale("log")
    axes.set_ylim(0.97, top)
    axes.yaxis.set_minor_locator(NullLocator())
    highest = axes.get_ylim()[1]
    decades = highest / 0.97 > 30
    ticks = [10.0**power for power in range(0, 13)] if decades else [1, 2, 3, 5, 10, 20, 30]
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= highest * 1.001]))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_ylabel(label)


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:g}" if 1e-3 < abs(value) < 1e5 or value == 0 else f"$10^{{{np.log10(value):.0f}}}$"


def name_line(axes: Axes, text: str, at: tuple[float, float], *, colour: str = INK, **options: Any) -> None:
    """Write a line's name beside it, in its colour, instead of a legend; `at` is in the data's units."""
    axes.annotate(
        text, at, color=colour, **{"xytext": (4, 0), "textcoords": "offset points", "va": "center", **options}
    )


def shade(axes: Axes, start: float, stop: float, *, colour: str, label: str = "") -> None:
    """Shade a stretch of time and name it at the top."""
    axes.axvspan(start, stop, color=colour, alpha=0.09, linewidth=0)
    if label:
        middle = np.sqrt(start * stop) if axes.get_xscale() == "log" else (start + stop) / 2
        axes.text(middle, 1.0, label, color=colour, ha="center", va="bottom", transform=axes.get_xaxis_transform())


def contrast(colour: str, background: str) -> float:
    """Contrast of two colours by the rule of the WCAG, from 1 (equal) to 21 (black on white).

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    light, dark = sorted((_luminance(colour), _luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, page: str) -> str:
    """The colour, mixed with black or white, away from the page, by no more than it takes to be read there as text.

    >>> readable("#7d45c4", LIGHT_PAGE), readable("#7d45c4", DARK_PAGE)
    ('#7d45c4', '#9466cf')
    """
    away = np.array(mpl.colors.to_rgb(INK if _luminance(page) > 0.5 else PAPER))
    for part in np.linspace(0, 1, 101):
        mixed = to_hex((1 - part) * np.array(mpl.colors.to_rgb(colour)) + part * away)
        if contrast(mixed, page) >= READABLE:
            return mixed
    raise ValueError(f"`page` must leave room for text of contrast {READABLE}; got {page!r}.")


def _luminance(colour: str) -> float:
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def colours() -> Sequence[str]:
    """Every colour that a line of the book may take."""
    return [POSITIVE, NEGATIVE, NOISE, ACCENT, *coordinate_colours(9)]
