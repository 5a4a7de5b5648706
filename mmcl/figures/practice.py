"""How far practice is from the limit: batches, steps, momentum, decay, Adam and other worlds, beside the flow."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced


def batches(found: Evidence) -> Figure:
    """κ over time at several batch sizes, and the excess of its largest value against n."""
    curves = found.curves
    sizes = curves["batch"]
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0)
        time = curves["time"][1:]
        for row, (n, colour) in enumerate(zip(sizes, style.coordinate_colours(len(sizes))[::-1], strict=True)):
            left.plot(time, curves[f"kappa {n}"][1:], color=colour, **style.THEORY | {"linewidth": 1.3})
            left.text(0.98, 0.95 - 0.085 * row, f"$n={n}$", color=colour, ha="right", transform=left.transAxes)
        left.plot(time, curves["limit"][1:], color=style.NOISE, **style.THEORY | {"linewidth": 1.3})
        colour = style.coordinate_colours(len(sizes))[-1]
        left.plot(curves["run time"][1:], curves["run kappa"][1:], color=colour, **style.TRAINING)
        style.time_axis(left)
        style.condition_axis(left, top=3.6)
        right.loglog(sizes, curves["excess"], color=style.NEGATIVE, **style.TRAINING)
        law = curves["excess"][-1] * sizes[-1] / sizes
        right.loglog(sizes, law, color=style.NEGATIVE, **style.THEORY)
        right.axhline(0.01, color=style.NOISE, linewidth=0.8)
        right.xaxis.set_major_locator(FixedLocator(list(sizes)))
        right.xaxis.set_minor_locator(NullLocator())
        right.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        right.set(xlabel="batch size $n$", ylabel=r"excess of the largest $\kappa$")
    return figure


def edge(found: Evidence, decayed: Evidence) -> Figure:
    """By how much 400 steps of each size lengthen disturbed weights; and a disturbance under weight decay."""
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        ratio = found.curves["ratio"]
        left.semilogy(ratio, found.curves["grown"] - 1, color=style.NEGATIVE, **style.TRAINING)
        left.axvline(1, color=style.INK, linewidth=0.9)
        left.set(xlabel=r"step over the predicted limit", ylabel=r"growth of $\|W\|^2$", ylim=(1e-8, 300))
        time = decayed.curves["edge time"]
        right.semilogy(time, decayed.curves["edge distance"], color=style.NEGATIVE, **style.TRAINING)
        right.axvline(float(decayed.curves["edge"]), color=style.INK, linewidth=0.9)
        right.set(xlabel="time $t$", ylabel="distance from balance")
    return figure


def clocks(momentum: Evidence, decay: Evidence) -> Figure:
    """Shares of the alignment under momentum and under decay, on the flow at the predicted times."""
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8, sharey=True)
        curves, fine = momentum.curves, decay.curves["fine"]
        for p, (colour, name) in enumerate(zip(style.coordinate_colours(2)[::-1], ("strong", "weak"), strict=True)):
            plain = decay.curves["plain"][:, p]  # the flow of the same world and loss
            left.plot(fine, plain, color=colour, **style.THEORY)
            left.plot(curves["clock"], curves["theta"][:, p], color=colour, **style.TRAINING)
            right.plot(fine, decay.curves["theory"][:, p], color=colour, **style.THEORY)
            right.plot(fine, plain, color=style.NOISE, **style.THEORY | {"linewidth": 1.0})
            right.plot(decay.curves["time"], decay.curves["theta"][:, p], color=colour, **style.TRAINING)
            place = {"xytext": (0, 12)} if p == 0 else {"xytext": (6, -12), "ha": "left"}
            style.name_line(left, name, (fine[20], plain[20]), colour=colour, **{"ha": "right", **place})
        style.name_line(right, "no decay", (fine[60], decay.curves["plain"][60, 1]), colour=style.NOISE,
                        xytext=(0, -14), ha="center")  # fmt: skip
        left.set(xlabel="predicted clock", ylabel=r"share $\theta_p$", title="momentum")
        right.set(xlabel="time $t$", title="weight decay")
    return figure


def adam(found: Evidence) -> Figure:
    """κ against alignment: Adam in the large world beside the flow, and in a small one beside its own limit."""
    curves = found.curves
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0, sharey=True)
        for name, colour, words in (
            ("alone", style.POSITIVE, "positives only"), ("run", style.NEGATIVE, "InfoNCE"),
        ):  # fmt: skip
            flow = "flow alone" if name == "alone" else "flow"
            left.plot(curves[f"{flow} alignment"], curves[f"{flow} kappa"], color=colour, **style.THEORY)
            _spaced(left, curves[f"{name} alignment"], curves[f"{name} kappa"], colour)
            right.plot(curves[f"{words} alignment"], curves[f"{words} kappa"], color=colour, **style.THEORY)
            _spaced(right, curves[f"{words} run alignment"], curves[f"{words} run kappa"], colour)
            row = 0.95 if name == "alone" else 0.86
            left.text(0.02, row, words, color=colour, transform=left.transAxes)
        style.condition_axis(left, top=10)
        for axes, title in ((left, "lines: plain descent's flow"), (right, "lines: Adam's own limit")):
            axes.set(xlabel="alignment", xlim=(-0.04, 1.02), xticks=[0, 0.5, 1], title=title)
    return figure


def _spaced(axes: Axes, alignment: np.ndarray, kappa: np.ndarray, colour: str) -> None:
    """Dots of a run at about equal distances in alignment, wherever the run lingers."""
    keep = np.unique([int(np.abs(alignment - at).argmin()) for at in np.linspace(0, 1, 21)])
    axes.plot(alignment[keep], kappa[keep], color=colour, **style.TRAINING)


def latents(found: Evidence) -> Figure:
    """Shares over time for three laws of the latents: trained on the flow."""
    names = ("Gaussian", "uniform", "sparse")
    with style.style():
        figure, panels = style.panels(3, height=2.7, sharey=True)
        for axes, name in zip(panels, names, strict=True):
            time = found.curves[f"{name} time"]
            for p, colour in enumerate(style.coordinate_colours(3)[::-1]):
                fine, theory = found.curves[f"{name} fine"], found.curves[f"{name} fine theory"][:, p]
                axes.plot(fine, theory, color=colour, **style.THEORY | {"linewidth": 1.4})
                axes.plot(time, found.curves[f"{name} run"][:, p], color=colour, **style.TRAINING | {"markersize": 3})
                if axes is panels[2] and p != 1:
                    style.name_line(axes, "weakest" if p else "strongest", (fine[-1], theory[-1]), colour=colour,
                                    xytext=(0, -12 if p else 10), ha="right")  # fmt: skip
            axes.set(title=name, xlabel="time $t$")
            axes.axhline(1 / 6 if name == "Gaussian" else 1 / 3, color=style.NOISE, linewidth=0.8)
        panels[0].set(ylabel=r"share $\theta_p$", ylim=(0, 0.36))
    return figure


def overlap(found: Evidence) -> Figure:
    """What a loud feature of A alone holds of A's power, beside all noise of A and of B; and κ."""
    curves = found.curves
    time, fine = curves["time"], curves["fine"][1:]
    keep = log_spaced(time, 24)
    loud, noise = curves["fine loud"][1:], curves["noise"][1:]
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9)
        for side, mark in enumerate((style.MARK_A, style.MARK_B)):
            left.plot(fine, noise[:, side], color=style.NOISE, **style.THEORY)
            dots = style.TRAINING | {"marker": mark}
            left.plot(time[keep], curves["run noise"][keep, side], color=style.NOISE, **dots)
        left.plot(fine, loud, color=style.ACCENT, **style.THEORY)
        left.plot(time[keep], curves["loud"][keep], color=style.ACCENT, **style.TRAINING)
        style.name_line(left, "all noise of A", (fine[2], noise[2, 0]), colour=style.NOISE, xytext=(0, 12))
        style.name_line(left, "all noise of B", (fine[2], noise[2, 1]), colour=style.NOISE, xytext=(0, 9))
        style.name_line(left, "the loud feature", (fine[2], loud[2]), colour=style.ACCENT, xytext=(0, -50))
        left.set(ylabel="share of the power", ylim=(-0.02, 0.75))
        right.plot(fine, curves["kappa"][1:], color=style.NEGATIVE, **style.THEORY)
        right.plot(time[keep], curves["run kappa"][keep], color=style.NEGATIVE, **style.TRAINING)
        style.condition_axis(right, top=2.6)
        for axes in (left, right):
            style.time_axis(axes)
    return figure
