"""What neighbouring theories say: collapsing spectra, a fatal augmentation, a flat valley, learned features."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray as Array

from mmcl.claims import Evidence
from mmcl.figures import style

CORNERS = np.array([[0.0, 0.0], [0.5, np.sqrt(0.75)], [1.0, 0.0]])
"""Where a triangle puts all of the alignment on one coordinate."""


def spectra(found: Evidence) -> Figure:
    """Every eigenvalue of the covariance over time, with negatives and without; trained ones at the end.

    Args:
        found: the evidence of the claim `dimensional-collapse`.
    """
    time = found.curves["time"]
    with style.style():
        figure, panels = style.panels(2, height=3.2, sharey=True)
        for axes, name in zip(panels, ("InfoNCE", "positives only"), strict=True):
            signal, noise = found.curves[f"{name} signal"], found.curves[f"{name} noise"]
            trained = found.curves[f"{name} orthonormal"]
            shades = style.coordinate_colours(signal.shape[1])[::-1]
            axes.plot(time[1:], noise[1:], color=style.NOISE, **style.THEORY)
            axes.plot([time[-1]], [trained[len(shades) :].mean()], color=style.NOISE, **style.TRAINING)
            for p, colour in enumerate(shades):
                axes.plot(time[1:], signal[1:, p], color=colour, **style.THEORY)
                axes.plot([time[-1]], [trained[p]], color=colour, **style.TRAINING)
            middle = len(time) // 2
            style.name_line(axes, "noise", (time[middle], noise[middle]), colour=style.NOISE, xytext=(-4, -12))
            axes.set(title=name, yscale="log", ylim=(1e-4, 1))
            style.time_axis(axes)
        panels[0].set_ylabel("eigenvalue of the covariance")
    return figure


def fatal_augmentation(found: Evidence) -> Figure:
    """The share of a direction at the end against the noise along it, and the predicted thresholds.

    Args:
        found: the evidence of the claim `augmentation-threshold`.
    """
    relative = found.curves["relative"]
    names = {"τ² = 1, K = 1": (r"InfoNCE, $\tau^2=1$", 1.0), "τ² = 2, K = 1": (r"InfoNCE, $\tau^2=2$", 0.6)}
    with style.style():
        figure, axes = style.panels(1, height=3.0)
        for name, (label, strength) in names.items():
            threshold, share = float(found.curves[f"{name} threshold"]), found.curves[f"{name} shares"][:, -1]
            axes.plot(
                threshold * relative, share, color=style.NEGATIVE, alpha=strength, **style.TRAINING | {"linestyle": ":"}
            )
            axes.axvline(threshold, color=style.ACCENT, linewidth=1.1)
            style.name_line(axes, f"{threshold:.2f}", (threshold, 0.3), colour=style.ACCENT)
            style.name_line(axes, label, (threshold * relative[0], share[0]), colour=style.NEGATIVE, xytext=(7, 4))
        alone = found.curves["positives only shares"][:, -1]
        axes.plot(relative, alone, color=style.POSITIVE, **style.TRAINING | {"linestyle": ":"})
        style.name_line(axes, "positives only", (relative[0], alone[0]), colour=style.POSITIVE, xytext=(4, 10))
        axes.set(xscale="log", xlabel=r"noise along the direction, $\nu^2/\sigma^2$", ylim=(-0.01, 0.34))
        axes.set_ylabel("its eigenvalue at the end")
        axes.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
        axes.minorticks_off()
    return figure


def ends_on_the_simplex(found: Evidence) -> Figure:
    """Paths of the shares from starts of different shapes, without negatives (left) and with them (right).

    Args:
        found: the evidence of the claim `many-ends`.
    """
    with style.style():
        figure, (left, right) = style.panels(2, height=3.3)
        for axes, name, colour in ((left, "alone", style.POSITIVE), (right, "contrast", style.NEGATIVE)):
            _triangle(axes)
            for path in found.curves[name]:
                x, y = _placed(path[1:]).T
                axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.7)
                axes.plot(x[-1:], y[-1:], color=colour, **style.TRAINING)
        x, y = _placed(found.curves["ends"]).T
        left.plot(x, y, color=style.ACCENT, linestyle="", marker="o", markersize=8, markerfacecolor="none")
        left.set_title("positives only")
        right.set_title("InfoNCE")
    return figure


def _placed(theta: Array) -> Array:
    """Points of the triangle for shares, whatever their sum."""
    return theta / theta.sum(axis=1, keepdims=True) @ CORNERS


def _triangle(axes: Axes) -> None:
    x, y = np.vstack([CORNERS, CORNERS[:1]]).T
    axes.plot(x, y, color=style.NOISE, linewidth=0.9)
    axes.plot(*CORNERS.mean(axis=0), color=style.NOISE, marker="+", markersize=9)
    for (px, py), name, shift in zip(CORNERS, ("strongest", "middle", "weakest"), (-0.05, 0.04, -0.05), strict=True):
        axes.text(px, py + shift, name, color=style.NOISE, ha="center", va="bottom" if shift > 0 else "top")
    axes.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1.02))
    axes.set_axis_off()


def learned_features(seen: Evidence, head: Evidence) -> Figure:
    """θ of every sparse coordinate for three ways of training (left), and how many neurons found signal (right).

    Args:
        seen: the evidence of the claim `relu-features`.
        head: that of `prediction-head`.
    """
    ways = {
        "InfoNCE": (seen.curves["InfoNCE theta"], style.NEGATIVE),
        "positives only": (seen.curves["positives only theta"], style.POSITIVE),
        "positives and head": (head.curves["ReLU head theta"], style.ACCENT),
    }
    bars = {
        "InfoNCE": ("InfoNCE", style.NEGATIVE),
        "positives only": ("positives\nonly", style.POSITIVE),
        "common noise": ("InfoNCE,\nnoise in common", style.NOISE),
    }
    with style.style():
        figure, (left, right) = style.panels(2, height=3.1)
        for row, (name, (theta, colour)) in enumerate(ways.items()):
            order = np.arange(1, theta.shape[1] + 1)
            shares = theta / theta.sum(axis=1, keepdims=True)
            left.plot(order, shares.mean(axis=0), color=colour, linewidth=1.0)
            left.plot(order, shares.T, color=colour, **style.TRAINING | {"markersize": 3.4})
            left.text(0.97, 0.93 - 0.1 * row, name, color=colour, ha="right", transform=left.transAxes)
        left.set(xlabel="sparse coordinate, from the strongest", ylabel=r"share of $\sum\theta$", ylim=(-0.05, 1.05))
        for place, (name, (_, colour)) in enumerate(bars.items()):
            values = seen.curves[f"{name} on_signal"]
            right.plot(np.full(len(values), place), values, color=colour, **style.TRAINING)
        untrained = len(next(iter(ways.values()))[0][0]) / 40
        right.axhline(untrained, color=style.NOISE, linewidth=0.8)
        style.name_line(right, "untrained", (0.35, untrained), colour=style.NOISE, xytext=(0, 7))
        right.set(ylabel="neurons on signal", ylim=(-0.03, 1.03), xlim=(-0.5, 2.5))
        right.set_xticks(range(3), [label for label, _ in bars.values()])
    return figure
