"""Claim: unequal spectra and unequal noise of the two modalities, with the width that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray as Array
from scipy.stats import kstest, kstwo, norm

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim, close
from mmcl.claims.practice import GOOD, SHARE, coverage, enough, gaussian_by_law
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.training import train
from mmcl.training.initial import Weights
from mmcl.trajectory import Trajectory

#: What is strongest in A is weakest in B, and B is noisier; seven signs.
OPPOSED = PairedData(signal_a=(2.0, 1.4, 1.0), signal_b=(1.0, 1.3, 1.8), noise_a=0.5, noise_b=0.8, ambient_dim=5)
LOSS = InfoNCE(4.0)
TIME = 12.0
D = 10  # rows of both modalities
PLAN: dict[str, Any] = {"step_size": 0.1, "steps": 120, "record_every": 120, "progress": False}


@claim(
    id="unequal",
    statement="Opposed spectra and unequal noise leave the flow exact. What a finite width adds to either modality's "
    "log κ, beside the error of the step, is as normal as a hundred runs can tell, with a spread $s\\,m^{-1/2}$; $s$ "
    "follows from runs at infinite width whose start differs in a length or an overlap.",
    source="ours",
    chapter="practice",
)
def unequal(spread: Callable[..., Array] | None = None, flow: Run = gradient_flow, seeds: int = 100) -> Evidence:
    """From orthonormal rows against the flow, at two steps; from random rows against orthonormal ones, at one."""
    ideal = Pair(*np.split(np.eye(D), 2))
    errors = []
    for step in (0.1, 0.05):
        fine = PLAN | {"step_size": step, "steps": round(TIME / step), "record_every": round(0.6 / step)}
        run = train(OPPOSED, LOSS, weights=ideal, **fine)
        theory = flow(OPPOSED, LOSS, run.time)
        errors.append(max(np.abs(x - y).max() for x, y in (
            (run.theta, theory.theta), (run.noise_share, theory.noise_share),
            (_logs(run), _logs(theory)),
        )))  # fmt: skip
    size = (spread or spreads)()
    widths = [enough(s) for s in size]
    m = max(widths)
    limit = _logs(train(OPPOSED, LOSS, weights=ideal, **PLAN))[-1]
    rngs = np.random.default_rng([77, m]).spawn(seeds)
    ends = np.array([_logs(train(OPPOSED, LOSS, weights=gaussian_by_law(5, m, rng=rng), **PLAN))[-1] for rng in rngs])
    far = ends - limit
    worst = kstwo.isf(1 / 600, seeds)
    checks: list[Check] = [
        close("error at half the step, over that at the whole", 0.5, errors[1] / errors[0], rel=0.1,
              reason="first order, with a relative remainder of the size of the step"),
        at_most("largest error of θ, noise shares and log κ at η = 0.05", GOOD, errors[1],
                reason="one percent is the bar"),
    ]  # fmt: skip
    for i, letter in enumerate("AB"):
        due = coverage(size[i], m)
        checks.append(close(f"spread of log κ of {letter}, times √m", size[i], np.sqrt(m * np.mean(far[:, i] ** 2)),
                            rel=3 / np.sqrt(2 * seeds) + 0.02,
                            reason="three standard errors of a spread, and 2% for the bias"))  # fmt: skip
        checks.append(at_most(f"largest distance of the distribution of log κ of {letter} from the normal one", worst,
                              kstest(far[:, i] * np.sqrt(m) / size[i], norm.cdf).statistic,
                              reason="Kolmogorov and Smirnov's, which exceeds it once in 600 trials"))  # fmt: skip
        checks.append(Check(f"share of runs whose κ of {letter} is within 1% of infinite width", due,
                            float(np.mean(np.abs(far[:, i]) <= GOOD)),
                            3 * np.sqrt(due * (1 - due) / seeds) + 0.01,
                            "three standard errors of a share, and 1% for the bias"))  # fmt: skip
    narrow = train(OPPOSED, LOSS, weights=gaussian_by_law(5, 1024, rng=np.random.default_rng(3)), **fine)
    grid = np.linspace(0, TIME, 81)
    exact = flow(OPPOSED, LOSS, grid)
    return Evidence(
        tuple(checks),
        {
            "time": narrow.time, "run": np.exp(_logs(narrow)), "grid": grid, "flow": np.exp(_logs(exact)),
            "width": np.array(widths), "spread": size, "far": far, "share": np.array(SHARE),
            "run noise": narrow.noise_share, "noise": exact.noise_share, "step": limit - _logs(exact)[-1],
        },
    )  # fmt: skip


def _logs(path: Trajectory) -> Array:
    """log κ of either modality, shape (T, 2)."""
    return np.log(np.column_stack([path.condition_number, path.condition_number_b]))


def spreads(step: float = 1e-3) -> Array:
    r"""$s_A,s_B$: a Gaussian start has entries of the Gram matrix of variance 2/m on the diagonal and 1/m off it.

    By sign symmetry only the lengths of rows and the overlaps of a coordinate with itself count to first order. The
    derivatives are central differences of runs at infinite width, off by about the square of `step`.
    """
    r, half = OPPOSED.signal_dim, D // 2
    places = [(i, i, 2.0) for i in range(D)] + [(p, half + p, 1.0) for p in range(r)]
    total = np.zeros(2)
    for row, column, variance in places:
        ends = []
        for sign in (1, -1):
            start = np.eye(D)
            start[row, column] += sign * step * (0.5 if row == column else 1.0)
            weights: Weights = Pair(*np.split(start, 2))
            ends.append(_logs(train(OPPOSED, LOSS, weights=weights, **PLAN))[-1])
        total += variance * ((ends[0] - ends[1]) / (2 * step)) ** 2
    return np.sqrt(total)
