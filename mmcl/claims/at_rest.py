r"""Claims: where the forces vanish before the noise is gone, nothing holds the lengths, and a descent may not rest.

Two reasons are told apart, each with a number of its own: a step that is too long for the curvature, and the noise of
batches, which goes on while the mean force is zero.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim
from mmcl.claims.summary import dots
from mmcl.data import PairedData
from mmcl.family import Sigmoid, Spectral
from mmcl.flow import gradient_flow
from mmcl.training import orthonormal_weights, train
from mmcl.training.initial import Weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL

LONG, EARLY = Spectral(16.0), Sigmoid(10.0, 5.0, 15.0)
STEP, ANCHORS, HORIZON = 1 / 2, 256, 400.0  # as for every other loss of the family
FINE, REST = 1 / 32, 20.0  # a step far below the spectral loss's limit, and when its flow rests
DRIFTS = ((1 / 32, 64), (1 / 16, 64), (1 / 32, 128))  # steps and batches whose drift is measured
BRIEF, RUNS = 0.5, 64  # before forces answer the drift; how many runs are averaged


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


def batch_drift(data: PairedData, objective: Sigmoid, step_size: float, batch_size: int, time: float) -> float:
    r"""How much of the noise share batches remove by `time` from an orthogonal start of a symmetric world, to first
    order.

    While R is small every pair of the batch pulls alike, and the gradient in R is
    $\tau^2K\,\mathrm{sigmoid}(b)$ times a mean of $\varepsilon_{A,i}\varepsilon_{B,j}^\top$ over pairs $i\ne j$. Its
    expectation is zero; an entry has the variance $v=(\tau^2K\,\mathrm{sigmoid}(b))^2/n(n-1)$. Such steps lengthen
    every image, $\frac{d}{dt}a_j=\eta v\sigma_j^4/N^2$: the strong ones most.

    Args:
        data: the world.
        objective: the loss, with a bias b large enough that positive pairs hardly pull.
        step_size: η.
        batch_size: n.
        time: t, short.
    """
    view, n = data.views.a, batch_size
    s, x = view.signal**2, view.noise**2
    N2, noise = s.sum() + x.sum(), x.sum()
    v = (objective.inverse_temperature * objective.negatives * expit(objective.bias)) ** 2 / (n * (n - 1))
    longer = step_size * v * time / N2
    return float(longer * (noise * np.sum(s**2) - s.sum() * np.sum(x**2)) / N2**2)


@claim(
    id="at-rest",
    statement="Where the forces vanish before the noise is gone, nothing holds the lengths. Under the spectral loss "
    "with $\\mu=16$ a step beyond $2/\\lambda_{\\max}$ throws them off; under the sigmoid loss with $b=5$ the noise "
    "of batches moves them, in proportion to $\\eta/n(n-1)$.",
    source="ours",
    chapter="losses",
)
def at_rest(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """Spectral: two steps, with the full gradient. Sigmoid: one long run, and many brief ones on small batches."""
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
            reason="twice the flow's; how far counts as thrown off is chosen",
        ),
    ]
    loud = _descent(descend, EARLY, STEP, ANCHORS, HORIZON)
    checks += [_drift(descend, step, n) for step, n in DRIFTS]
    return Evidence(tuple(checks), dots("spectral, μ = 16, η = 1/2", long) | dots("sigmoid, b = 5, n = 256", loud))


def _drift(descend: Run, step: float, n: int) -> Check:
    """The mean noise share that brief runs lose; the flow loses none by then, to within 1e-5."""
    runs = [_descent(descend, EARLY, step, n, BRIEF, seed=seed) for seed in range(RUNS)]
    lost = [float((run.noise_share[0] - run.noise_share[-1]).mean()) for run in runs]
    due, error = batch_drift(CANONICAL, EARLY, step, n, BRIEF), float(np.std(lost, ddof=1) / np.sqrt(RUNS))
    return Check(
        f"b = 5: noise share that batches remove by t = {BRIEF:g}, η = 1/{1 / step:g}, n = {n}",
        due,
        float(np.mean(lost)),
        4 * error + 0.05 * due,
        f"four standard errors of {RUNS} runs, whose scatter is skewed, and 5% for forces, which begin to answer",
    )


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
