"""Claim: what centring the features by their batch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray as Array

from mmcl.centering import CenteredBatchForce, centering_shift
from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, slope, zero
from mmcl.claims.practice_steps import TINY
from mmcl.flow import gradient_flow
from mmcl.force_flow import force_flow
from mmcl.forces import BatchForce
from mmcl.objectives import InBatchInfoNCE, PositiveOnly
from mmcl.training import orthonormal_weights, train
from mmcl.trajectory import Trajectory

WARM, COLD = InBatchInfoNCE(1.0), InBatchInfoNCE(4.0)
STEP, PARTED = 0.02, 2.2  # by then centring has moved θ about as far as it ever does, under COLD at n = 4
SIZES = np.array([2, 4, 8, 16, 32, 64])


@claim(
    id="centring",
    statement="Let outputs be normalised in the population, whose norms no batch centres. Then centring the features "
    "by their batch slows positives down by $1-1/n$ and changes nothing else. The in-batch loss it leaves as it is at "
    "$n=2$ and shifts by a known amount of order $1/n$ beyond; it stays a function of θ, and its flow still balances, "
    "on a path that is off by order $1/n$.",
    source="ours",
    chapter="practice",
)
def centring(
    force: Callable[..., CenteredBatchForce] = CenteredBatchForce, descend: Run = train, seeds: int = 24
) -> Evidence:
    """The listed force and its flow against the uncentred ones, and training on centred batches against both."""
    loss, theta = InBatchInfoNCE(2.0), np.array([0.4, 0.2])
    shift = np.array([n * (force(loss, int(n))(theta)[1] - BatchForce(loss, int(n))(theta)[1]) for n in SIZES])
    due = centering_shift(theta, 2.0)
    checks = (
        zero("n = 2: what centring adds to the loss", shift[0] / 2, tolerance=1e-12, reason="round-off"),
        close("n times what it adds to the loss, extrapolated", due, 2 * shift[-1] - shift[-2], rel=0.03,
              reason="the remainder is of relative order $n^{-2}$ at n = 32 and 64"),
    )  # fmt: skip
    curves = {"batch": SIZES, "shift": shift, "due": np.array(due)}
    return Evidence((*checks, *_paths(force), *_trained(force, descend, seeds)), curves)


def _paths(force: Callable[..., CenteredBatchForce]) -> list[Check]:
    """Whole flows, centred and not."""
    times = np.concatenate([[0.0], np.geomspace(0.3, 200, 50)])
    settings = ((WARM, 4), (WARM, 8), (COLD, 4), (COLD, 8), (COLD, 16))
    pairs = [[force_flow(TINY, f(heat, n), times, tolerance=1e-7) for f in (force, BatchForce)] for heat, n in settings]
    kappas = [(one.condition_number, two.condition_number) for one, two in pairs]
    peaks = [abs(one.max() / two.max() - 1) for one, two in kappas[:2]]
    moved = np.array([np.abs(one.theta - two.theta).max() for one, two in pairs[3:]])
    return [
        at_most("τ² = 1, n = 4 and 8: largest change of the largest κ", 1e-3, max(peaks),
                reason="the bar is chosen: a tenth of one percent"),
        at_most("τ² = 1 and 4, n from 4 on: largest change of κ at any time", 0.03,
                max(np.abs(one / two - 1).max() for one, two in kappas), reason="the bar is chosen"),
        Check("τ² = 4: power of n in the largest change of θ at any time, n = 8 and 16", -1.0,
              slope(np.array([8, 16]), moved), 1 / 8, "the remainder is of relative order 1/n"),
        at_most("τ² = 1 and 4: κ at t = 200, centred", 1.001, max(one[-1] for one, _ in kappas),
                reason="the bar is chosen: what is left to decay"),
    ]  # fmt: skip


def _trained(force: Callable[..., CenteredBatchForce], descend: Run, seeds: int) -> list[Check]:
    """Runs on centred batches of four."""
    start = orthonormal_weights((3, 3), 6, rng=np.random.default_rng(3))
    plan: dict[str, Any] = {"weights": start, "centering": True, "batch_size": 4, "progress": False, "step_size": STEP}
    steps = round(PARTED / STEP)
    runs = [descend(TINY, COLD, steps=steps, record_every=steps, rng=rng, **plan)
            for rng in np.random.default_rng(17).spawn(seeds)]  # fmt: skip
    theory, plain = (force_flow(TINY, f(COLD, 4), runs[0].time, tolerance=1e-8) for f in (force, BatchForce))
    alone = [descend(TINY, PositiveOnly(), steps=150, record_every=150, rng=rng, **plan)
             for rng in np.random.default_rng(18).spawn(2 * seeds)]  # fmt: skip
    slow = gradient_flow(TINY, PositiveOnly(), [0.0, 0.75 * 3.0])
    reason = "a t-distributed score of that many runs exceeds 3.3 once in 300 trials, two coordinates; {} for the step"
    return [
        at_most("τ² = 4, n = 4: largest z-score of trained θ at t = 2.2", 4.8, _score(runs, theory.theta[-1]),
                reason=reason.format("1.5")),
        at_least("the same against the flow without centring", 4.8, _score(runs, plain.theta[-1]),
                 reason="what is centred is told from what is not"),
        at_most("positives, n = 4: largest z-score against the flow at 3t/4", 4.0, _score(alone, slow.theta[-1]),
                reason=reason.format("0.7")),
    ]  # fmt: skip


def _score(runs: list[Trajectory], due: Array) -> float:
    ends = np.array([run.theta[-1] for run in runs])
    return float((np.abs(ends.mean(axis=0) - due) / (ends.std(axis=0, ddof=1) / np.sqrt(len(ends)))).max())
