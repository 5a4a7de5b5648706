"""Claims: what Adam does at infinite width, and where it rests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray as Array

from mmcl.adam_limit import adam_limit
from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, slope
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.training import Adam, gaussian_weights, train
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

#: Few enough signs for a full gradient, and coordinates uneven enough to ruin.
SEVEN = PairedData(signal_a=(2.0, 1.4, 1.0), noise_a=0.5, ambient_dim=5)
LOSS = InfoNCE(4.0)
STEP, STEPS = 0.02, 400  # of one weight, in units of its scale at the start
WIDTHS = np.array([64, 256, 1024])
ALIGNED = 0.8  # far beyond the start, at zero; small batches leave the canonical world some noise


@claim(
    id="adam",
    statement="Adam divides the scale of every coordinate out. Where all forces are equal, at infinite width all "
    "signal rows follow one law: κ stays at $\\sigma_1/\\sigma_r$ for positives only, and there is no uneven first "
    "stage. The optimum is the loss's: with negatives κ still goes to one.",
    source="ours",
    chapter="practice",
)
def adam(limit: Callable[..., Trajectory] = adam_limit, descend: Run = train, seeds: int = 4) -> Evidence:
    """Adam with full gradients at three widths against its limit, with negatives and without; and the large world."""
    plan: dict[str, Any] = {"steps": STEPS, "record_every": 4}
    curves: dict[str, Array] = {"width": WIDTHS}
    for name, loss in (("InfoNCE", LOSS), ("positives only", PositiveOnly())):
        theory = limit(SEVEN, loss, step_size=STEP, particles=8192, rng=np.random.default_rng(5), **plan)
        curves |= {f"{name} alignment": theory.alignment, f"{name} kappa": theory.condition_number}
        errors = []
        for m in WIDTHS:
            runs = [_run(loss, int(m), seed, descend, plan) for seed in range(seeds)]
            far = [np.abs(run.theta - theory.theta).max() for run in runs]
            errors.append(np.sqrt(np.mean(np.square(far))))
        curves |= {f"{name} errors": np.array(errors), f"{name} run alignment": runs[0].alignment,
                   f"{name} run kappa": runs[0].condition_number, f"{name} end": runs[0].theta[-1]}  # fmt: skip
    powers = [_power(run) for run in runs]  # of positives only, at the largest width
    x = 2 * np.log(SEVEN.views.a.signal)
    spread = np.sqrt(2 / WIDTHS[-1] / np.sum((x - x.mean()) ** 2) / seeds)
    curves |= _canonical(descend)
    few = "an exponent from three widths, four seeds each, as error bars of a third allow"
    return Evidence(
        (
            Check("positives only: power of σ² in the squared length of a row's image", 1.0, float(np.mean(powers)),
                  3 * float(spread), "three standard errors of lengths of that many entries"),
            *(Check(f"{name}: power of m in the distance of θ from the limit", -0.5,
                    slope(WIDTHS, curves[f"{name} errors"]), 0.2, few) for name in ("InfoNCE", "positives only")),
            close("InfoNCE: κ at the end, m = 1024", 1.0, curves["InfoNCE run kappa"][-1], rel=0.03,
                  reason="the bar is chosen: a step of fixed size rattles about the optimum"),
            close("canonical world, positives only: κ at the end", 2.0, curves["alone kappa"][-1], rel=0.15,
                  reason="overlaps of order $m^{-1/2}$, at m = 128; the flow ends beyond nine"),
            at_most("canonical world, InfoNCE: largest κ over the first", 1.1,
                    curves["run kappa"].max() / curves["run kappa"][0], reason="the bar is chosen, for a width of 128"),
            *(at_least(f"{name}: alignment at the end", ALIGNED, curves[f"{key} alignment"][-1],
                       reason="the bar is chosen: κ is judged where the run has trained")
              for name, key in (
                  ("InfoNCE, m = 1024", "InfoNCE run"), ("positives only, m = 1024", "positives only run"),
                  ("canonical world, InfoNCE", "run"), ("canonical world, positives only", "alone"),
              )),
        ),
        curves,
    )  # fmt: skip


def _run(loss: InfoNCE | PositiveOnly, width: int, seed: int, descend: Run, plan: dict[str, Any]) -> Trajectory:
    start = gaussian_weights((5, 5), width, rng=np.random.default_rng([seed, width]))
    return descend(SEVEN, loss, weights=start, step_size=STEP / np.sqrt(width), optimizer=Adam(), progress=False,
                   **plan)  # fmt: skip


def _power(run: Trajectory) -> float:
    """The slope of log ‖k_p‖² over log σ_p², mean of both modalities."""
    assert run.weights is not None  # a trained run has them
    signal = SEVEN.views.a.signal
    lengths = [np.sum((w[:3] * signal[:, None]) ** 2, axis=1) for w in run.weights]
    return float(np.mean([slope(signal**2, length) for length in lengths]))


def _canonical(descend: Run) -> dict[str, Array]:
    """Adam in the canonical world, with negatives and without, beside the flow."""
    start = gaussian_weights((64, 64), 128, rng=np.random.default_rng(0))
    plan: dict[str, Any] = {"weights": start, "step_size": 1e-3, "optimizer": Adam(), "record_every": 2,
                            "steps": 500, "progress": False}  # fmt: skip
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e4, 300)])
    curves: dict[str, Array] = {}
    for name, path in (
        ("run", descend(CANONICAL, LOSS, batch_size=64, rng=np.random.default_rng(1), **plan)),
        ("alone", descend(CANONICAL, PositiveOnly(), **plan)),
        ("flow", gradient_flow(CANONICAL, LOSS, times)),
        ("flow alone", gradient_flow(CANONICAL, PositiveOnly(), times)),
    ):  # fmt: skip
        curves |= {f"{name} alignment": path.alignment, f"{name} kappa": path.condition_number}
    return curves
