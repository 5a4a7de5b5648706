"""The derivation: how the loss depends on the weights, and its gradient held against autograd."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmcl.claims import Evidence
from mmcl.figures import style

CHAIN = (
    (r"$W_A, W_B$", "weights", "latent_space"),
    (r"$K_A, K_B$", "weights in\nlatent space", "weight_gradient"),
    (r"$R$", "scores of\nall pairs", "score_gradient"),
    (r"$L$", "loss", ""),
)
"""Each letter, its meaning, and the step that leads back to it from the next one."""


def chain() -> Figure:
    """The loss depends on the weights through K and R alone; the gradient goes back the same way, step by step."""
    backward = {"arrowstyle": "->", "color": style.NEGATIVE, "linewidth": 1.4, "connectionstyle": "arc3,rad=-0.22"}
    forward = {"arrowstyle": "->", "color": style.INK, "linewidth": 1.0, "connectionstyle": "arc3,rad=-0.22"}
    with style.style():
        figure, axes = style.panels(height=2.1)
        axes.set_axis_off()
        axes.set(xlim=(-0.35, 3.35), ylim=(-0.9, 0.75))
        for x, (letter, meaning, step) in enumerate(CHAIN):
            axes.text(x, 0.08, letter, ha="center", va="center", fontsize=14)
            axes.text(x, -0.06, meaning, ha="center", va="top", fontsize=9.5)
            if step:
                axes.annotate("", (x + 0.86, 0.26), xytext=(x + 0.14, 0.26), arrowprops=forward)
                axes.annotate("", (x + 0.24, -0.34), xytext=(x + 0.76, -0.34), arrowprops=backward)
                axes.text(
                    x + 0.5, -0.55, step, ha="center", va="top", color=style.NEGATIVE, family="monospace", fontsize=9
                )
        axes.text(1.5, 0.62, "forward: what the loss sees", ha="center", va="bottom", fontsize=9.5)
        axes.text(1.5, -0.74, "backward: the gradient", ha="center", va="top", color=style.NEGATIVE, fontsize=9.5)
    return figure


def against_autograd(found: Evidence) -> Figure:
    """Every entry of the gradient in the weights: autograd across, the formula up; and how far apart they are.

    Args:
        found: the evidence of the claim `derivation`.
    """
    marks = {"A": style.MARK_A, "B": style.MARK_B}
    pairs = {x: (found.curves[f"autograd {x}"].ravel(), found.curves[f"formula {x}"].ravel()) for x in marks}
    reach = 1.1 * max(np.abs(exact).max() for exact, _ in pairs.values())
    with style.style():
        figure, (left, right) = style.panels(2, height=2.9)
        left.plot([-reach, reach], [-reach, reach], color=style.INK, **style.THEORY | {"linewidth": 1.0})
        for (letter, (exact, formula)), place in zip(pairs.items(), ((-0.5, 0.9), (0.5, -0.5)), strict=True):
            options = style.TRAINING | {"marker": marks[letter], "color": style.NEGATIVE}
            left.plot(exact, formula, **options)
            right.plot(exact, np.maximum(np.abs(formula - exact), 1e-18), **options)
            left.plot(*place, **options | {"clip_on": False})
            style.name_line(left, rf"$\partial L/\partial W_{letter}$", place, colour=style.NEGATIVE, xytext=(8, 0))
        left.set(xlabel="autograd of the definition", ylabel="the formula", xlim=(-reach, reach), ylim=(-reach, reach))
        right.set(xlabel="autograd of the definition", ylabel="difference", yscale="log", ylim=(3e-19, 1))
        right.set_yticks([1e-18, 1e-12, 1e-6, 1])
        right.axhline(np.finfo(float).eps, color=style.NOISE, linewidth=0.8)
        right.annotate("round-off", (-1.0, 1e-15), color=style.NOISE)
    return figure
