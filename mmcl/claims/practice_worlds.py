"""Claims: worlds with other latents, and with a signal that one modality alone has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim, close
from mmcl.claims.practice import TRIPLE
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.latents import GaussianLatents, Latents, SparseLatents, UniformLatents
from mmcl.objectives import InfoNCE
from mmcl.training import orthonormal_weights, train

LATENTS: dict[str, Latents] = {
    "Gaussian": GaussianLatents(),
    "uniform": UniformLatents(),
    "sparse": SparseLatents(0.25),
}
#: The scale of a feature that only modality A has, louder than all that is shared; with it the step and the horizon.
LOUD = {3.0: (0.1, 100.0), 10.0: (0.01, 20.0)}
EARLY = 3.0  # a time at which of neither all is gone


def loud(scale: float) -> PairedData:
    """`TRIPLE` with one more feature in A, of which B knows nothing."""
    return PairedData(signal_a=TRIPLE.signal_a, noise_a=(scale,) + 20 * (0.5,), noise_b=0.5, ambient_dim=24)


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
        theory = flow(world, loss, run.time)
        error = np.abs(run.theta - theory.theta).max()
        reason = "the bar is chosen, above a step's noise, of order √(η/n), and its error of order η"
        checks.append(at_most(f"{name}: largest error of θ along a trained run", 0.03, error, reason=reason))
        curves |= {f"{name} time": run.time, f"{name} run": run.theta, f"{name} theory": theory.theta}
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
    """Training beside the flow with a loud feature and a very loud one; and what they have left."""
    runs = {scale: _overlap(scale, step, until, flow) for scale, (step, until) in LOUD.items()}
    return Evidence(tuple(check for checks, _ in runs.values() for check in checks), runs[3.0][1])


def _overlap(scale: float, step: float, until: float, flow: Run) -> tuple[list[Check], dict[str, Array]]:
    """One loud feature, early and late."""
    loss, world = InfoNCE(4.0), loud(scale)
    start = orthonormal_weights((24, 24), 48, rng=np.random.default_rng(6))
    early, run = (
        train(world, loss, weights=start, step_size=step, steps=round(t / step), batch_size=128, progress=False,
              record_every=round(t / step / 50), rng=np.random.default_rng(7))
        for t in (EARLY, until)
    )  # fmt: skip
    theory = flow(world, loss, run.time)
    assert run.weights is not None and early.weights is not None  # a trained run has them
    power = np.array([np.sum((w.a * world.views.a.scales[:, None]) ** 2, axis=1) for w in (start, run.weights)])
    share = power[:, 3] / power.sum(axis=1)
    left = np.log(np.sum(early.weights.a**2, axis=1))
    reason = "the bar is chosen, above a step's noise, of order √(η/n), and its error of order η"
    checks = [
        at_most(f"scale {scale:g}: largest error of θ along a trained run", 0.02,
                np.abs(run.theta - theory.theta).max(), reason=reason),
        at_most(f"scale {scale:g}: largest error of the noise shares", 0.02,
                np.abs(run.noise_share - theory.noise_share).max(), reason=reason),
        at_most(f"scale {scale:g}: its share of the power, over its share at the start", 1e-2, share[1] / share[0],
                reason="the bar is chosen"),
        close(f"scale {scale:g}: logarithm of what is left at t = {EARLY:g}, over that of the quiet noise",
              (scale / 0.5) ** 2, left[3] / left[4:].mean(), rel=0.03,
              reason="a step takes some 3% of the loud feature, whose logarithm is then off by half of that"),
        close(f"scale {scale:g}: κ at t = {until:g}", theory.condition_number[-1], run.condition_number[-1], rel=0.03,
              reason=reason),
    ]  # fmt: skip
    return checks, {
        "time": run.time, "run noise": run.noise_share, "noise": theory.noise_share, "run kappa":
        run.condition_number, "kappa": theory.condition_number, "kappa b": theory.condition_number_b,
        "loud": share, "alignment": theory.alignment, "run alignment": run.alignment,
    }  # fmt: skip
