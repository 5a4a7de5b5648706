"""How far practice is from the limit: batches, steps, momentum, decay, Adam and other worlds, beside the flow."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from mmcl.claims import Evidence
from mmcl.figures import style


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
        curves = momentum.curves
        for p, colour in enumerate(style.coordinate_colours(2)[::-1]):
            left.plot(curves["clock"], curves["theory"][:, p], color=colour, **style.THEORY)
            left.plot(curves["clock"], curves["theta"][:, p], color=colour, **style.TRAINING)
            fine = decay.curves["fine"]
            right.plot(fine, decay.curves["theory"][:, p], color=colour, **style.THEORY)
            right.plot(fine, decay.curves["plain"][:, p], color=style.NOISE, **style.THEORY | {"linewidth": 1.0})
            right.plot(decay.curves["time"], decay.curves["theta"][:, p], color=colour, **style.TRAINING)
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
            left.plot(curves[f"{name} alignment"][::2], curves[f"{name} kappa"][::2], color=colour, **style.TRAINING)
            right.plot(curves[f"{words} alignment"], curves[f"{words} kappa"], color=colour, **style.THEORY)
            run = (curves[f"{words} run alignment"], curves[f"{words} run kappa"])
            right.plot(*run, color=colour, **style.TRAINING)
            row = 0.95 if name == "alone" else 0.86
            left.text(0.02, row, words, color=colour, transform=left.transAxes)
        style.condition_axis(left, top=10)
        left.set(xlabel="alignment", xlim=(-0.02, 1.02), title="lines: the flow")
        right.set(xlabel="alignment", xlim=(-0.02, 1.02), title="lines: Adam's own limit")
    return figure


def latents(found: Evidence) -> Figure:
    """Shares over time for three laws of the latents: trained on the flow."""
    names = ("Gaussian", "uniform", "sparse")
    with style.style():
        figure, panels = style.panels(3, height=2.7, sharey=True)
        for axes, name in zip(panels, names, strict=True):
            time = found.curves[f"{name} time"]
            for p, colour in enumerate(style.coordinate_colours(3)[::-1]):
                axes.plot(time, found.curves[f"{name} theory"][:, p], color=colour, **style.THEORY)
                axes.plot(time, found.curves[f"{name} run"][:, p], color=colour, **style.TRAINING | {"markersize": 3})
            axes.set(title=name, xlabel="time $t$")
            axes.axhline(1 / 6 if name == "Gaussian" else 1 / 3, color=style.NOISE, linewidth=0.8)
        panels[0].set(ylabel=r"share $\theta_p$", ylim=(0, 0.36))
    return figure


def overlap(found: Evidence) -> Figure:
    """Noise shares of the two modalities and κ, where A has a loud feature of its own."""
    curves = found.curves
    time, keep = curves["time"], slice(None, None, 2)
    with style.style():
        figure, (left, right) = style.panels(2, height=2.8)
        for side, mark in enumerate((style.MARK_A, style.MARK_B)):
            left.plot(time, curves["noise"][:, side], color=style.NOISE, **style.THEORY)
            dots = style.TRAINING | {"marker": mark}
            left.plot(time[keep], curves["run noise"][keep, side], color=style.NOISE, **dots)
        left.set(xlabel="time $t$", ylabel="noise share", ylim=(0, 0.75))
        style.name_line(left, "A", (0, 0.67), colour=style.NOISE, xytext=(6, 4))
        style.name_line(left, "B", (0, 0.43), colour=style.NOISE, xytext=(4, -12))
        right.plot(time, curves["kappa"], color=style.NEGATIVE, **style.THEORY)
        right.plot(time[keep], curves["run kappa"][keep], color=style.NEGATIVE, **style.TRAINING)
        right.set(xlabel="time $t$")
        style.condition_axis(right, top=2.6)
    return figure
