"""The temperature: where forces are largest, how long balance takes, what learning it and scheduling it do."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced
from mmcl.optimum import optimal_temperatures

RUNS = {"slow": style.NEGATIVE, "fast": style.POSITIVE, "direct": style.ACCENT}


def optima(found: Evidence) -> Figure:
    """The two best temperatures in units of r against the weight of the negatives."""
    K = found.curves["K"]
    with style.style():
        figure, axes = style.panels(1, height=2.7)
        many = optimal_temperatures(1)
        for name, colour, limit in (
            ("balance", style.NEGATIVE, many.balance), ("alignment", style.POSITIVE, many.alignment),
        ):  # fmt: skip
            best = found.curves[name]
            axes.semilogx(K, best, color=colour, **style.THEORY)
            axes.axhline(limit, color=colour, linewidth=0.7, linestyle=(0, (2, 3)))
            style.name_line(axes, f"best for {name}", (1e8, limit), colour=colour, xytext=(0, 9), ha="right")
        axes.set(xlabel="weight of the negatives $K$", ylabel=r"best $\tau^2/r$", ylim=(0, 1.45))
    return figure


def waiting_map(found: Evidence) -> Figure:
    """Time to balance over (τ², K), powers of ten apart; grey where it exceeds a million."""
    tau2, K, wait = (found.curves[name] for name in ("tau2", "K", "balance"))
    shown = np.log10(wait)
    with style.style():
        figure, axes = style.panels(1, height=3.4)
        axes.set(xscale="log", yscale="log", xlabel=r"inverse temperature $\tau^2$", ylabel="weight $K$")
        levels = np.arange(1, 7)
        axes.contourf(tau2, K, shown, levels=[6, 99], colors=[style.NOISE], alpha=0.3)
        lines = axes.contour(tau2, K, shown, levels=levels, colors=style.NEGATIVE, linewidths=1.3)
        # Every line is named once, where they lie apart: left of the valley, and where few negatives cross the columns.
        places = [(float(np.interp(-x, -shown[38, :10], tau2[:10])), K[38]) for x in levels[:4]]
        places += [(tau2[i], float(np.interp(-x, -shown[:, i], K))) for x, i in zip(levels[4:], (3, 1), strict=True)]
        axes.clabel(lines, fmt={x: f"$10^{{{x}}}$" for x in levels}, colors=style.INK, manual=places, fontsize=9.5)
        best = np.array([_lowest(tau2, row) for row in shown])
        axes.plot(best, K, color=style.ACCENT, lw=1.6)
        axes.text(0.97, 0.06, "frozen", transform=axes.transAxes, ha="right", color=style.INK)
        style.name_line(axes, "fastest", (best[-8], K[-8]), colour=style.ACCENT, xytext=(8, 0))
    return figure


def _lowest(tau2: Array, row: Array) -> float:
    """Where a parabola in log τ² through the lowest three points is lowest."""
    i = int(np.clip(np.argmin(row), 1, len(row) - 2))
    around = slice(i - 1, i + 2)
    c2, c1, _ = np.polyfit(np.log(tau2[around]), row[around], 2)
    return float(np.exp(-c1 / (2 * c2)))


def learned(found: Evidence) -> Figure:
    """τ², alignment and κ over time for three ways of learning the temperature; a trained learner beside one."""
    time = found.curves["time"][1:]
    run_time = found.curves["run time"]
    keep = log_spaced(run_time, 22)
    with style.style():
        figure, panels = style.panels(3, height=2.9)
        for axes, quantity in zip(panels, ("tau2", "alignment", "kappa"), strict=True):
            for name, colour in RUNS.items():
                axes.plot(time, found.curves[f"{name} {quantity}"][1:], color=colour, **style.THEORY)
            axes.plot(
                run_time[keep],
                found.curves[f"run {quantity}"][keep],
                color=style.POSITIVE,
                **style.TRAINING | {"markersize": 3.2},
            )
            style.time_axis(axes)
            axes.xaxis.set_major_locator(LogLocator(numticks=4))
        panels[0].set(yscale="log", ylabel=r"$\tau^2$")
        panels[1].set(ylabel="alignment", ylim=(0, 1.04))
        style.condition_axis(panels[2], top=11)
        for place, (name, colour) in zip((0.93, 0.83, 0.73), RUNS.items(), strict=True):
            panels[0].text(0.04, place, name, color=colour, transform=panels[0].transAxes)
    return figure


def left_behind(found: Evidence) -> Figure:
    """Alignment and κ late in a run, against the rate at which log τ² learned."""
    rate = found.curves["rate"]
    with style.style():
        figure, (left, right) = style.panels(2, height=2.7)
        left.semilogx(rate, found.curves["alignment"], color=style.POSITIVE, **style.THEORY)
        left.set(xlabel=r"rate $\rho$ of $\log\tau^2$", ylabel="alignment", ylim=(0, 1.04))
        right.plot(rate, found.curves["kappa"], color=style.NEGATIVE, **style.THEORY)
        right.set(xscale="log", xlabel=r"rate $\rho$ of $\log\tau^2$")
        style.condition_axis(right, top=2.2)
    return figure


def schedules(found: Evidence, names: tuple[str, ...]) -> Figure:
    """τ² and κ over time for schedules; a dot where each is done."""
    time = found.curves["time"]
    colours = [style.ACCENT, *style.coordinate_colours(len(names) - 1)]
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        for row, (name, colour) in enumerate(zip(names, colours, strict=True)):
            tau2, kappa = found.curves[f"{name} tau2"], found.curves[f"{name} kappa"]
            line = {"color": colour, "lw": 1.5, "ls": "--" if name.startswith("linear") else "-"}
            left.plot(time[1:], tau2[1:], **line)
            right.plot(time[1:], kappa[1:], **line)
            done = float(found.curves[f"{name} done"])
            right.plot(
                [done],
                [np.interp(done, time, kappa)],
                color=colour,
                **style.TRAINING | {"marker": "|", "markersize": 12, "markeredgewidth": 1.5},
            )
            _listed(right, row, name, colour)
        left.set(yscale="log", ylabel=r"$\tau^2$")
        left.yaxis.set_major_locator(FixedLocator([1, 2, 4, 8, 16]))
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        left.yaxis.set_minor_locator(NullLocator())
        for axes in (left, right):
            style.time_axis(axes)
            axes.set_xlim(1, None)
        style.condition_axis(right, top=4.4)
    return figure


def on_glyphs(found: Evidence) -> Figure:
    """Effective rank over time at five temperatures: the surrogate world's (left), and trained with two step sizes."""
    tau2 = found.curves["tau2"]
    with style.style():
        figure, panels = style.panels(3, height=3.0, sharey=True)
        for value, colour in zip(tau2, style.coordinate_colours(len(tau2)), strict=True):
            time = found.curves[f"time {value:g}"][1:]
            panels[0].plot(time, found.curves[f"predicted {value:g}"][1:], color=colour, **style.THEORY)
            panels[1].plot(time, found.curves[f"trained {value:g}"][1:], color=colour, lw=0.8)
            panels[1].plot(time, found.curves[f"trained {value:g}"][1:], color=colour, **style.TRAINING)
            end = float(found.curves[f"predicted {value:g}"][-1])
            style.name_line(
                panels[0], rf"$\tau^2={value:g}$", (time[-1], end), colour=colour, xytext=(5, _NUDGED.get(value, 0))
            )
            if value in found.curves["halved"]:
                panels[2].plot(
                    found.curves[f"half time {value:g}"][1:],
                    found.curves[f"half trained {value:g}"][1:],
                    color=colour,
                    **style.TRAINING,
                )
        panels[0].set_xlim(None, 290)
        panels[0].set(title="predicted", ylabel="effective rank", xlabel="time $t$", ylim=(0, 34))
        panels[1].set(title="trained", xlabel="time $t$")
        panels[2].set(title="steps half as long", xlabel="time $t$")
    return figure


_NUDGED = {8.0: 4, 16.0: 0, 32.0: -8}  # points, where two names would meet


def _listed(axes: Axes, row: int, text: str, colour: str, top: float = 0.95) -> None:
    """A name in its colour, in a column at the upper right."""
    axes.text(0.98, top - 0.085 * row, text, color=colour, ha="right", va="top", transform=axes.transAxes)
