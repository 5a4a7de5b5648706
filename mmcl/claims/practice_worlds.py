"""Claims: worlds with other latents, and with a signal that one modality alone has."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim, close
from mmcl.claims.practice import TRIPLE
from mmcl.covariance import covariance_flow
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.latents import GaussianLatents, Latents, SparseLatents, UniformLatents
from mmcl.objectives import InfoNCE
from mmcl.training import orthonormal_weights, train
from mmcl.training.initial import Weights

LATENTS: dict[str, Latents] = {
    "Gaussian": GaussianLatents(),
    "uniform": UniformLatents(),
    "sparse": SparseLatents(0.25),
}
#: The scale of a feature that A alone has, louder than all that is shared; with it the step of a descent.
LOUDNESS = {3.0: 0.1, 10.0: 0.01}
EARLY, LATE = 3.0, 20.0  # times at which of neither all is gone, and at which both are


def loud(scale: float) -> PairedData:
    """`TRIPLE` with one more feature in A, of which B knows nothing."""
    return PairedData(signal_a=TRIPLE.signal_a, noise_a=(scale,) + 20 * (0.5,), noise_b=0.5, ambient_dim=24)


LOUD = loud(3.0)
#: Steps after which it is trained and weighed: dense at first, when the loud feature goes.
MARKS = np.unique(np.geomspace(1, 1000, 41).round().astype(int))


@claim(
    id="latents",
    statement="The closure holds for any independent symmetric latents. With Gaussian ones the force changes sign at "
    "$\\tau^2\\theta_p=1$: the flow balances, at $\\theta_p=\\min(1/r,1/\\tau^2)$, and stops short of alignment.",
    source="ours",
    chapter="practice",
)
def latents(flow: Run = gradient_flow) -> Evidence:
    """Where the flow ends for Gaussian latents, and training on drawn pairs with exact negatives, for three laws."""
    loss, checks = InfoNCE(6.0), list[Check]()
    curves: dict[str, Array] = {}
    start = orthonormal_weights((24, 24), 48, rng=np.random.default_rng(2))
    for name, law in LATENTS.items():
        world = replace(TRIPLE, latents=law)
        run = train(world, loss, weights=start, step_size=0.1, steps=400, batch_size=256, record_every=20,
                    rng=np.random.default_rng(4), progress=False)  # fmt: skip
        theory, fine = flow(world, loss, run.time), np.linspace(0, run.time[-1], 161)
        error = np.abs(run.theta - theory.theta).max()
        reason = "the bar is chosen, above a step's noise, of order √(η/n), and its error of order η"
        checks.append(at_most(f"{name}: largest error of θ along a trained run", 0.03, error, reason=reason))
        curves |= {f"{name} time": run.time, f"{name} run": run.theta, f"{name} theory": theory.theta}
        curves |= {f"{name} fine": fine, f"{name} fine theory": flow(world, loss, fine).theta}
        curves |= {f"{name} run kappa": run.condition_number, f"{name} kappa": theory.condition_number}
    gaussian = replace(TRIPLE, latents=GaussianLatents())
    for tau2, due in ((6.0, 1 / 6), (2.0, 1 / 3)):
        end = flow(gaussian, InfoNCE(tau2), [0.0, 1e5])
        reason = "what is left to go at t = 100,000"
        checks.append(close(f"Gaussian, τ² = {tau2:g}: smallest θ at the end", due, end.theta[-1].min(), rel=1e-3,
                            reason=reason))  # fmt: skip
        curves |= {f"end {tau2:g}": np.array([end.alignment[-1], end.noise_share[-1, 0], end.condition_number[-1]])}
    return Evidence(tuple(checks), curves)


@claim(
    id="missing-overlap",
    statement="A feature that one modality alone has is noise, even at five times the scale of the loudest shared one: "
    "of any two such features in one modality the logarithms of what is left are as $\\sigma^2$, so the louder is "
    "sooner gone.",
    source="ours",
    chapter="practice",
)
def missing_overlap(flow: Run = gradient_flow) -> Evidence:
    """Training beside the flow; what the loud feature has left; and a very loud one."""
    loss = InfoNCE(4.0)
    plan: dict[str, Any] = {"step_size": 0.1, "batch_size": 128, "record_every": 1000, "progress": False}
    start = orthonormal_weights((24, 24), 48, rng=np.random.default_rng(6))
    legs = [train(LOUD, loss, weights=start, steps=int(MARKS[0]), rng=np.random.default_rng(7), **plan)]
    for steps in np.diff(MARKS):
        legs.append(train(LOUD, loss, start=legs[-1], steps=int(steps), **plan))
    run = reduce(lambda earlier, later: later.after(earlier), legs)
    theory = flow(LOUD, loss, run.time)
    loud = np.array([_share_of_the_loud_one(weights) for weights in (start, *(leg.weights for leg in legs))])
    fine = np.concatenate([[0.0], np.geomspace(run.time[1], run.time[-1], 120)])
    path = flow(LOUD, loss, fine)
    reason = "the bar is chosen, above a step's noise, of order √(η/n), and its error of order η"
    return Evidence(
        (
            at_most("largest error of θ along a trained run", 0.02, np.abs(run.theta - theory.theta).max(),
                    reason=reason),
            at_most("largest error of the noise shares", 0.02, np.abs(run.noise_share - theory.noise_share).max(),
                    reason=reason),
            at_most("the loud feature's share of the power, over its share at the start", 1e-2, loud[-1] / loud[0],
                    reason="the bar is chosen"),
            close("κ at t = 100", theory.condition_number[-1], run.condition_number[-1], rel=0.03, reason=reason),
            *(check for scale, step in LOUDNESS.items() for check in _fading(scale, step, flow)),
        ),
        {
            "time": run.time, "run noise": run.noise_share, "run kappa": run.condition_number,
            "run alignment": run.alignment, "loud": loud, "fine": fine, "noise": path.noise_share,
            "kappa": path.condition_number, "alignment": path.alignment,
            "fine loud": covariance_flow(LOUD, loss, fine).noise[:, 0],
        },
    )  # fmt: skip


def _fading(scale: float, step: float, flow: Run) -> list[Check]:
    """A feature of that scale beside the quiet noise, early and late."""
    world, name = loud(scale), f"scale {scale:g}"
    plan: dict[str, Any] = {"step_size": step, "batch_size": 128, "record_every": round(0.1 / step), "progress": False}
    start = orthonormal_weights((24, 24), 48, rng=np.random.default_rng(6))
    run = train(world, InfoNCE(4.0), weights=start, steps=round(EARLY / step), rng=np.random.default_rng(7), **plan)
    late = train(world, InfoNCE(4.0), start=run, steps=round((LATE - EARLY) / step), **plan)
    theory = flow(world, InfoNCE(4.0), late.time)
    assert run.weights is not None and start is not None  # a trained run has them
    left = np.log(np.sum(run.weights.a**2, axis=1))
    share = _share_of_the_loud_one(late.weights, world) / _share_of_the_loud_one(start, world)
    reason = "the bar is chosen, above a step's noise, of order √(η/n), and its error of order η"
    off = max(np.abs(late.theta - theory.theta).max(), np.abs(late.noise_share - theory.noise_share).max())
    return [
        close(f"{name}: logarithm of what is left at t = 3, over that of the quiet noise", (scale / 0.5) ** 2,
              left[3] / left[4:].mean(), rel=0.03,
              reason="a step takes some 3% of the loud feature, whose logarithm is then off by half of that"),
        at_most(f"{name}: largest error of θ and the noise shares from t = 3 to 20", 0.02, off, reason=reason),
        at_most(f"{name}: its share of the power at t = 20, over its share at the start", 1e-2, share,
                reason="the bar is chosen"),
    ]  # fmt: skip


def _share_of_the_loud_one(weights: Weights | None, world: PairedData = LOUD) -> float:
    """The share of A's power that the feature of A alone holds."""
    assert weights is not None  # a trained run has them
    power = np.sum((weights.a * world.views.a.scales[:, None]) ** 2, axis=1)
    return float(power[world.signal_dim] / power.sum())
