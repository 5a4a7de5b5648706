r"""Claims: where the forces vanish before the noise is gone, nothing holds the lengths, and a descent may not rest.

Two reasons are told apart, each with a number of its own: a step that is too long for the curvature, and the noise of
batches, which goes on while the mean force is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.batch_drift import lengthening, over_all_batches, removed
from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, zero
from mmcl.claims.summary import dots
from mmcl.data import PairedData
from mmcl.family import Sigmoid, Spectral
from mmcl.flow import gradient_flow
from mmcl.pair import Pair
from mmcl.training import orthonormal_weights, train
from mmcl.training.initial import Weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

LONG, EARLY = Spectral(16.0), Sigmoid(10.0, 5.0, 15.0)
STEP, ANCHORS, HORIZON = 1 / 2, 256, 400.0  # as for every other loss of the family
FEW = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=3)  # sixteen patterns of signs
FINE, REST = 1 / 32, 20.0  # a step far below the spectral loss's limit, and when its flow rests
DRIFTS = ((1 / 128, 64, 16, 250), (1 / 16, 128, 16, 160))  # step, batch, steps, and how many runs are averaged


def curvature(data: PairedData, objective: Spectral, weights: Weights) -> float:
    r"""$\lambda_{\max}$: the largest curvature of the spectral loss in the weights where its forces vanish.

    There only $\mu^2\|R\|_F^2$ bends, so the curvatures are $2\mu^2$ times the eigenvalues of the inner products of the
    slopes of all $R_{jk}$. The images are orthogonal: an entry off the diagonal is a direction of its own, with
    $(\sigma_{A,j}^2\|k_{B,k}\|^2+\sigma_{B,k}^2\|k_{A,j}\|^2)/N_A^2N_B^2$; those on it share the normalisers.

    Args:
        data: the world.
        objective: the loss.
        weights: $W_A,W_B$ with orthogonal images.
    """
    k_a, k_b = (view.mixing.T @ w for view, w in zip(data.views, weights, strict=True))
    (a, b), (s_a, s_b) = (np.sum(k**2, axis=1) for k in (k_a, k_b)), (view.scales**2 for view in data.views)
    N2_a, N2_b = a.sum(), b.sum()
    slopes = (s_a[:, None] * b + a[:, None] * s_b) / (N2_a * N2_b)
    d = min(len(a), len(b))
    R = np.sum(k_a[:d] * k_b[:d], axis=1) / np.sqrt(N2_a * N2_b)
    shared = -(s_a[:d] / N2_a + s_b[:d] / N2_b) + (s_a @ a / N2_a**2 + s_b @ b / N2_b**2) / 2
    own = np.diag(slopes.diagonal()) + np.outer(R, R) * (shared[:, None] + shared)
    np.fill_diagonal(slopes, 0.0)
    return float(2 * objective.square_norm**2 * max(slopes.max(), np.linalg.eigvalsh(own)[-1]))


@claim(
    id="at-rest",
    statement="Where the forces vanish before the noise is gone, nothing holds the lengths. Under the spectral loss "
    "with $\\mu=16$ a step beyond $2/\\lambda_{\\max}$ throws them off; under the sigmoid loss with $b=5$ the noise "
    "of batches lengthens image j by $\\eta^2v\\sigma_j^4/N^2$ a step, $1+\\sigma_j^2/N^2$ times that if it is signal, "
    "with $v\\propto1/n(n-1)$, until forces answer.",
    source="ours",
    chapter="losses",
)
def at_rest(
    flow: Run = gradient_flow,
    descend: Run = train,
    law: Callable[..., Array] = lengthening,
    moved: Callable[..., float] = removed,
) -> Evidence:
    """Spectral: two steps, with the full gradient. Sigmoid: all batches, many brief runs on small ones, and a long."""
    end = flow(CANONICAL, LONG, [0.0, REST]).condition_number[-1]
    long = _descent(descend, LONG, STEP, None, HORIZON)
    fine = _descent(descend, LONG, FINE, None, REST)
    edge = 2 / STEP
    checks = [
        at_least(
            "μ = 16: curvature where the flow rests",
            edge,
            curvature(CANONICAL, LONG, _weights(fine)),
            reason="2/η for η = 1/2, which can therefore not rest there",
        ),
        at_most(
            "μ = 16: curvature where steps of 1/2 end",
            edge,
            curvature(CANONICAL, LONG, _weights(long)),
            reason="2/η: a descent rests only where its step is short enough",
        ),
        at_least(
            "μ = 16: κ where steps of 1/2 end",
            2 * end,
            long.condition_number[-1],
            reason="twice the flow's is chosen; from orthonormal rows with full gradients nothing is random",
        ),
    ]
    sharp = replace(EARLY, bias=40.0)
    far = max(np.abs(over_all_batches(FEW, sharp, n) / law(FEW, sharp, n) - 1).max() for n in (2, 3))
    checks.append(
        zero(
            "b = 40, all batches of 2 and 3: largest relative error of what a step adds to a length",
            far,
            tolerance=1e-10,
            reason="round-off; positive pairs pull by sigmoid(−40)",
        )
    )
    drifts, laws = zip(*(_drift(flow, descend, moved, *setting) for setting in DRIFTS), strict=True)
    loud = _descent(descend, EARLY, STEP, ANCHORS, HORIZON)
    return Evidence(
        (*checks, *drifts),
        dots("spectral, μ = 16, η = 1/2", long) | dots("sigmoid, b = 5, n = 256", loud) | {"laws": np.array(laws)},
    )


def _drift(
    flow: Run, descend: Run, moved: Callable[..., float], step: float, n: int, steps: int, runs: int
) -> tuple[Check, float]:
    """The mean noise share that brief runs lose against what batches remove and the flow; and the law by itself."""
    start: Weights = Pair(*np.split(np.eye(2 * CANONICAL.views.a.ambient_dim), 2))
    lost = []
    for rng in np.random.default_rng([92, n]).spawn(runs):
        run = descend(
            CANONICAL, EARLY, weights=start, step_size=step, steps=steps, batch_size=n, rng=rng, record_every=steps,
            progress=False,
        )  # fmt: skip
        lost.append(float((run.noise_share[0] - run.noise_share[-1]).mean()))
    alone = flow(CANONICAL, EARLY, [0.0, step * steps]).noise_share[:, 0]
    due, law = (moved(CANONICAL, EARLY, step, n, steps, answered=answered) for answered in (True, False))
    error = float(np.std(lost, ddof=1) / np.sqrt(runs))
    check = Check(
        f"b = 5: noise share lost by t = {step * steps:g}, η = 1/{1 / step:g}, n = {n}",
        due + float(alone[0] - alone[1]),
        float(np.mean(lost)),
        4 * error + (law - due) ** 2 / law,
        f"four standard errors of {runs} runs, and the square of the share by which forces answer",
    )
    return check, law


def _descent(
    descend: Run, objective: Spectral | Sigmoid, step: float, n: int | None, until: float, *, seed: int = 92
) -> Trajectory:
    """From orthonormal rows, so that the width plays no part."""
    rng, steps = np.random.default_rng(seed), round(until / step)
    weights, every = orthonormal_weights((64, 64), 128, rng=rng), max(1, steps // 200)
    return descend(
        CANONICAL, objective, weights=weights, step_size=step, steps=steps, batch_size=n, rng=rng, record_every=every,
        progress=False,
    )  # fmt: skip


def _weights(run: Trajectory) -> Weights:
    if run.weights is None:
        raise ValueError("`descend` must return a trained `Trajectory`, with its weights.")
    return run.weights
