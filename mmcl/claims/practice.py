"""Claims: how far a trained run is from the flow, by width, batch, step, momentum, decay and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray as Array
from scipy.optimize import brentq
from scipy.stats import norm

from mmcl.claims.claim import Check, Evidence, at_most, claim, close, slope
from mmcl.closed_form import terminal_spread
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.force_flow import force_flow
from mmcl.forces import BatchForce
from mmcl.objectives import InBatchInfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training import orthonormal_weights, train
from mmcl.training.initial import Weights

#: Three coordinates in 24 dimensions: large enough for noise, small enough for many runs.
TRIPLE = PairedData(signal_a=(2.0, 1.4, 1.0), noise_a=0.5, ambient_dim=24)
GOOD = 0.01  # the error of κ that counts as good
SHARE = 0.95  # of the runs that must be as good


@claim(
    id="enough-width",
    statement="The width from which on κ is good to 1% in 95 of 100 runs follows from the law of the errors.",
    source="ours",
    chapter="practice",
)
def enough_width(spread: Callable[[PairedData], float] = terminal_spread, seeds: int = 200) -> Evidence:
    """Fresh random starts at the predicted width and at a quarter of it; positives only, until t = 80."""
    size = spread(TRIPLE)
    width = enough(size)
    plan: dict[str, Any] = {"step_size": 1.0, "steps": 80, "record_every": 80, "progress": False}
    d = TRIPLE.views.a.ambient_dim
    limit = train(TRIPLE, PositiveOnly(), weights=Pair(np.eye(d, 2 * d), np.eye(d, 2 * d, k=d)), **plan)
    checks = []
    curves: dict[str, Array] = {"width": np.array([width // 4, width])}
    for m in (width, width // 4):
        rngs = np.random.default_rng([95, m]).spawn(seeds)
        runs = (train(TRIPLE, PositiveOnly(), weights=gaussian_by_law(d, m, rng=rng), **plan) for rng in rngs)
        errors = np.array([np.log(run.condition_number[-1] / limit.condition_number[-1]) for run in runs])
        due, name = coverage(size, m), "predicted width" if m == width else "a quarter of it"
        reason = f"three standard errors of a share of {seeds} runs, and 1% for the bias, of order 1/m"
        tolerance = 3 * np.sqrt(due * (1 - due) / seeds) + 0.01
        checks.append(
            Check(f"{name}: share of runs good to 1%", due, float(np.mean(np.abs(errors) <= GOOD)), tolerance, reason)
        )
        curves[f"errors {name}"] = errors
    return Evidence(tuple(checks), curves)


def coverage(size: float, width: float) -> float:
    """The share of runs within `GOOD` where the error of log κ is normal with the spread size/√m."""
    return float(2 * norm.cdf(GOOD * np.sqrt(width) / size) - 1)


def enough(size: float) -> int:
    """The width from which on that share of runs is as good."""
    return round(brentq(lambda m: coverage(size, m) - SHARE, 1, 1e9))


def gaussian_by_law(d: int, width: int, *, rng: np.random.Generator) -> Weights:
    """Weights with the Gram matrix of Gaussian ones of that width: Bartlett's triangle in place of 2d × m numbers."""
    triangle = np.tril(rng.standard_normal((2 * d, 2 * d)), -1)
    triangle[np.diag_indices(2 * d)] = np.sqrt(rng.chisquare(width - np.arange(2 * d)))
    return Pair(*np.split(triangle / np.sqrt(width), 2))


@claim(
    id="batch-bias",
    statement="The expected in-batch loss has an exact flow of its own at every $n$: small batches let κ rise higher, "
    "by a share that falls like $1/n$, and balance survives.",
    source="ours",
    chapter="practice",
)
def batch_bias(force: Callable[..., BatchForce] = BatchForce, seeds: int = 8) -> Evidence:
    """The flow's force against all batches of three, its path against training on pairs of pairs, and its 1/n law."""
    loss, times = InBatchInfoNCE(1.0), np.concatenate([[0.0], np.geomspace(0.3, 400, 80)])
    theta = np.array([0.4, 0.2, 0.1])
    checks = [
        close("n = 3: force on the first coordinate, against all batches", _force_by_listing(theta),
              force(loss, 3)(theta)[0][0], rel=1e-10, reason="round-off of a quadrature"),
    ]  # fmt: skip
    sizes, paths = np.array([2, 8, 16, 32, 64]), {}
    for n in sizes:
        paths[int(n)] = force_flow(TRIPLE, force(loss, int(n)), times, tolerance=1e-7)
    limit = gradient_flow(TRIPLE, loss.population(2), times)
    peaks = np.array([path.condition_number.max() for path in paths.values()])
    excess = peaks / limit.condition_number.max() - 1
    reason = "the remainder is of relative order 1/n"
    checks.append(Check("power of n in the excess of the largest κ", -1.0, slope(sizes[2:], excess[2:]), 0.05, reason))
    start = orthonormal_weights((24, 24), 48, rng=np.random.default_rng(3))
    rngs = np.random.default_rng(17).spawn(seeds)
    plan: dict[str, Any] = {
        "weights": start,
        "step_size": 0.02,
        "steps": 1000,
        "record_every": 100,
        "batch_size": 2,
        "progress": False,
    }
    runs = [train(TRIPLE, loss, rng=rng, **plan) for rng in rngs]
    theory = force_flow(TRIPLE, force(loss, 2), runs[0].time, tolerance=1e-8)
    ends = np.array([run.theta[-1] for run in runs])
    error = ends.std(axis=0, ddof=1) / np.sqrt(seeds)
    z = np.abs(ends.mean(axis=0) - theory.theta[-1]) / error
    checks.append(
        at_most("n = 2: largest z-score of trained θ at t = 20", 5.4, z.max(),
                reason=f"three t-distributed scores of {seeds} runs exceed 5.4 once in 300 trials")
    )  # fmt: skip
    curves = {"batch": sizes, "peaks": peaks, "excess": excess, "limit": limit.condition_number, "time": times}
    curves |= {f"kappa {n}": path.condition_number for n, path in paths.items()}
    curves |= {"run time": runs[0].time, "run kappa": np.mean([run.condition_number for run in runs], axis=0)}
    curves["enough"] = np.array(sizes[-1] * excess[-1] / GOOD)
    return Evidence(tuple(checks), curves)


def _force_by_listing(theta: Array, tau2: float = 1.0) -> float:
    """The force on the first coordinate for n = 3, one term per pair of sign patterns, from the definition."""
    patterns = [np.array([a, b, c]) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    total = 0.0
    for first in patterns:
        for second in patterns:
            weights = np.exp(tau2 * np.array([theta.sum(), first @ theta, second @ theta]))
            total += weights @ [1, first[0], second[0]] / weights.sum()
    return 2 * tau2 * (1 - total / len(patterns) ** 2)
