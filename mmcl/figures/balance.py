"""Stage two: the force that switches itself off, the time to balance, and the three rates."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style
from mmcl.figures.two_stages import log_spaced
from mmcl.objectives import InfoNCE
from mmcl.symbolic.potentials import potential


def switching_force(inverse_temperature: float, signal_dim: int) -> Figure:
    """The potential φ and the pull −φ′ of one coordinate, with negatives (a curve) and without (a line)."""
    numeric = potential(InfoNCE(inverse_temperature)).numeric
    theta = np.linspace(0, 1, 200)
    pull = numeric.pull(theta)[0] / inverse_temperature
    with style.style():
        figure, (left, right) = style.panels(2, height=2.7)
        left.plot(theta, numeric.phi(theta), color=style.NEGATIVE, **style.THEORY)
        left.plot(theta, -theta * inverse_temperature, color=style.POSITIVE, **style.THEORY)
        style.name_line(left, "InfoNCE", (0.62, float(numeric.phi(0.62))), colour=style.NEGATIVE, xytext=(0, 12))
        style.name_line(
            left, "positives only", (0.2, -0.95 * inverse_temperature * 0.62), colour=style.POSITIVE, xytext=(0, -14)
        )
        left.set_ylim(-0.75 * inverse_temperature, 0.1 * inverse_temperature)
        left.set(xlabel=r"$\theta_p$", ylabel=r"$\varphi(\theta_p)$")
        right.plot(theta, pull, color=style.NEGATIVE, **style.THEORY)
        right.plot(theta, np.ones_like(theta), color=style.POSITIVE, **style.THEORY)
        right.axvline(1 / signal_dim, color=style.NOISE, linewidth=0.8)
        right.annotate(
            "balance, $1/r$", (1 / signal_dim, 0.88), xytext=(5, 0), textcoords="offset points", color=style.NOISE
        )
        right.set(xlabel=r"$\theta_p$", ylabel="pull on coordinate $p$", ylim=(0, 1.08))
    return figure


def time_to_balance(found: Evidence) -> Figure:
    """Time until κ = 1.1 and 1.3 against τ², and the runs that were timed."""
    tau2, wait = found.curves["tau2"], found.curves["wait"]
    trained = found.curves["trained"]
    shades = dict(zip(trained, style.coordinate_colours(len(trained)), strict=True))
    with style.style():
        figure, (left, right) = style.panels(2, height=3.0)
        left.loglog(tau2, wait, color=style.NEGATIVE, **style.THEORY)
        for row, value in enumerate(trained):
            time, kappa = found.curves[f"time {value:g}"], found.curves[f"kappa {value:g}"]
            fine = found.curves[f"theory time {value:g}"][1:]
            right.plot(
                fine,
                found.curves[f"theory kappa {value:g}"][1:],
                color=shades[value],
                **style.THEORY | {"linewidth": 1.2},
            )
            keep = log_spaced(time, 24)
            right.plot(time[keep], kappa[keep], color=shades[value], **style.TRAINING | {"markersize": 3.2})
            right.text(
                0.98,
                0.95 - 0.085 * row,
                rf"$\tau^2={value:g}$",
                color=shades[value],
                ha="right",
                transform=right.transAxes,
            )
        left.plot(trained, found.curves["due"], color=style.NEGATIVE, **style.THEORY | {"linewidth": 1.2})
        left.scatter(trained, found.curves["passed"], c=list(shades.values()), s=18, linewidths=0, zorder=3)
        style.name_line(left, r"$\kappa=1.1$", (tau2[2], wait[2]), colour=style.NEGATIVE, xytext=(6, 6))
        style.name_line(
            left,
            r"$\kappa=1.3$",
            (trained[0], found.curves["due"][0]),
            colour=style.NEGATIVE,
            xytext=(-6, -12),
            ha="right",
        )
        left.set(xlabel=r"inverse temperature $\tau^2$", ylabel="time")
        style.time_axis(right)
        right.set_xlim(1, None)
        style.condition_axis(right, top=4.4)
        right.axhline(1.3, color=style.NOISE, linewidth=0.8)
    return figure


def three_rates(found: Evidence) -> Figure:
    """What is left of imbalance, noise and misalignment, one panel for each slowest rate."""
    colours = {"balance": style.NEGATIVE, "noise": style.NOISE, "misalignment": style.POSITIVE}
    titles = {"balance": "imbalance is slowest", "noise": "noise is slowest", "misalignment": "misalignment is slowest"}
    with style.style():
        figure, panels = style.panels(3, height=2.9, sharey=True)
        for axes, (slowest, title) in zip(panels, titles.items(), strict=True):
            time = found.curves[f"{slowest} time"]
            for name, colour in colours.items():
                left = found.curves[f"{slowest} {name}"]
                axes.semilogy(time[1:], left[1:] / left.max(), color=colour, lw=2.2 if name == slowest else 1.3)
            axes.plot(
                time,
                np.exp(-time) * _touching(time, found.curves[f"{slowest} {slowest}"]),
                color=style.INK,
                lw=0.9,
                ls=(0, (2, 3)),
            )
            axes.set(title=title, xlabel="time × slowest rate", ylim=(1e-7, 2))
        panels[0].set_ylabel("left to remove")
        for place, (name, colour) in zip((0.93, 0.83, 0.73), colours.items(), strict=True):
            panels[2].text(
                0.97,
                place,
                {"balance": "imbalance"}.get(name, name),
                color=colour,
                ha="right",
                transform=panels[2].transAxes,
            )
    return figure


def _touching(time: np.ndarray, left: np.ndarray) -> float:
    """The factor that puts e^{-time} on the curve at its end."""
    return float(left[-1] / left.max() * np.exp(time[-1]))
