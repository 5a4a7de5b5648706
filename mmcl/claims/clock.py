"""Claim: the weight K of the negatives is only a clock."""

from __future__ import annotations

import numpy as np
from numpy import ndarray as Array
from scipy.interpolate import CubicSpline

from mmcl.claims.claim import Evidence, Run, claim, close, zero
from mmcl.claims.definition import lengths, weights_along_flow
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.symbolic.potentials import potential
from mmcl.training.initial import orthonormal_weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, UNEQUAL

TAU2 = 1.0
WEIGHTS = (1e-3, 10.0, 511.0, 1e6)
ALIGNMENT = 0.9


@claim(
    id="clock",
    statement="From an orthogonal start the weight $K$ of the negatives changes the speed and nothing else: one path "
    "for all $K$, and the time to any point of it is affine in $1/K$.",
    source="ours",
    chapter="stage-two",
)
def measure(flow: Run = gradient_flow) -> Evidence:
    """The path at K = 1, its two clocks, and what other K give at the times that the clocks predict."""
    times = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 600)])
    path = flow(CANONICAL, InfoNCE(TAU2), times, tolerance=1e-11)
    bare, weighted = clocks(path, TAU2)
    checks, kappas = [], [path.condition_number]
    reason = "a spline through 600 points, and an integrator at 1e-11"
    for K in WEIGHTS:
        predicted = bare + weighted / K
        other = flow(CANONICAL, InfoNCE(TAU2, negatives=K), predicted, tolerance=1e-11)
        kappas.append(other.condition_number)
        gap = np.abs(other.theta - path.theta).max()
        checks += [
            zero(f"K = {K:g}: distance to the path of K = 1", gap, tolerance=1e-6, reason=reason),
            close(
                f"K = {K:g}: time to alignment {ALIGNMENT}",
                _reached(path, predicted),
                _reached(other),
                rel=1e-6,
                reason=reason,
            ),
        ]
    checks += [
        zero(
            f"definition, K = {K:g}: distance to the path of K = 1",
            _off_path(K, flow),
            tolerance=1e-6,
            reason="a spline through 600 points, and integrators at 1e-9 and 1e-10",
        )
        for K in (0.1, 10.0)
    ]
    curves = {
        "alignment": path.alignment,
        "bare": bare,
        "weighted": weighted,
        "kappa": np.array(kappas),
        "K": np.array([1.0, *WEIGHTS]),
        "offset": np.array(_reached(path, bare)),
        "slope": np.array(_reached(path, weighted)),
    }
    return Evidence(tuple(checks), curves)


def clocks(path: Trajectory, inverse_temperature: float) -> tuple[Array, Array]:
    r"""The times $t_{\mathrm{DCL}}$ and $J$ of every point of the path of K = 1, with $t_K=t_{\mathrm{DCL}}+J/K$.

    The common factor of the force is $2(1-S)$ with $1/(1-S)=1+e^{-u}/K$ and $u=\sum_p\varphi(\theta_p)$, so
    $t_{\mathrm{DCL}}=\int dt\,(1-S)$ and $J=\int dt\,(1-S)e^{-u}$ along the path of K = 1.
    """
    u = potential(InfoNCE(inverse_temperature)).numeric.phi(path.theta).sum(axis=1)
    share = 1 / (1 + np.exp(-u))  # 1 - S at K = 1
    return tuple(CubicSpline(path.time, rate).antiderivative()(path.time) for rate in (share, share * np.exp(-u)))


def _off_path(K: float, flow: Run) -> float:
    """Weights by autograd of the definition at K, at the times that the clocks predict, against the path of K = 1."""
    times = np.concatenate([[0.0], np.geomspace(1e-3, 6.0, 600)])
    path = flow(UNEQUAL, InfoNCE(3.0), times, tolerance=1e-11)
    bare, weighted = clocks(path, 3.0)
    due = (bare + weighted / K)[::60]
    dims = Pair(*(view.ambient_dim for view in UNEQUAL.views))
    start = orthonormal_weights(dims, sum(dims), rng=np.random.default_rng(43))
    run = [lengths(UNEQUAL, w) for w in weights_along_flow(UNEQUAL, InfoNCE(3.0, negatives=K), start, due)]
    theta = np.array([c / np.sqrt((a.sum() + n_a) * (b.sum() + n_b)) for a, b, c, n_a, n_b in run])
    return float(np.abs(theta - path.theta[::60]).max())


def _reached(path: Trajectory, clock: Array | None = None) -> float:
    """When the alignment first reaches the mark, on the path's own clock or another."""
    clock = path.time if clock is None else clock
    return float(CubicSpline(path.alignment, clock)(ALIGNMENT))
