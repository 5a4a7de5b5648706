"""Claims: the edge of stability, and the clocks of momentum and of weight decay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, claim, close, slope
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.stability import step_limit
from mmcl.training import Momentum, TrainingDiverged, orthonormal_weights, train
from mmcl.training.initial import Weights
from mmcl.trajectory import Trajectory
from mmcl.worlds import UNEQUAL

#: Few enough signs that a full gradient costs nothing.
TINY = PairedData(signal_a=(2.0, 1.0), noise_a=0.5, ambient_dim=3)
LOSS = InfoNCE(3.0, negatives=2.0)
STEPS = np.array([0.01, 0.005, 0.0025])  # of momentum, in effect


@claim(
    id="step-limit",
    statement="The edge of stability is $2/\\lambda_{\\max}$ over all directions of weight space. The stiffest may "
    "mix two coordinates: a direction that a symmetric start never takes, and a step that is too large does.",
    source="ours",
    chapter="practice",
)
def edge(limit: Callable[..., float] = step_limit) -> Evidence:
    """Growth of a small disturbance of the balanced point a little below the limit, and a little above."""
    checks: list[Check] = []
    for name, world, loss in (
        ("symmetric", TINY, InfoNCE(4.0)), ("cold", TINY, InfoNCE(1.0)), ("unequal", UNEQUAL, LOSS),
    ):  # fmt: skip
        due = limit(world, loss)
        growth = [_growth(world, loss, c * due) for c in (0.97, 1.03)]
        # |1 - ηλ| is linear in η where it exceeds one direction's alone
        found = due * np.interp(1.0, growth, [0.97, 1.03])
        reason = "a straight line between two steps, 6% apart, by the growth of a disturbance of 1e-7"
        checks.append(close(f"{name} world: edge of stability", due, found, rel=2e-3, reason=reason))
    ratios = np.concatenate([np.geomspace(0.1, 0.9, 7), [0.97, 1.03, 1.1, 1.2, 1.4]])
    left, grown = np.array([_end(TINY, InfoNCE(4.0), c * limit(TINY, InfoNCE(4.0))) for c in ratios]).T
    return Evidence(tuple(checks), {"ratio": ratios, "left": left, "grown": grown})


def balanced_weights(data: PairedData) -> Weights:
    """Weights at the balanced point, of the norm of a random start: rows along axes of their own, and no noise."""
    r, found = data.signal_dim, []
    for view in data.views:
        norm = view.active_dim * r / np.sum(view.signal**-2.0)
        rows = np.zeros((view.ambient_dim, 2 * view.ambient_dim + r))[:, : 2 * max(v.ambient_dim for v in data.views)]
        rows[np.arange(r), np.arange(r)] = np.sqrt(norm / r) / view.signal
        found.append(rows if view.basis is None else view.basis @ rows)
    return Pair(*found)


def _disturbed(data: PairedData, size: float) -> Weights:
    rng = np.random.default_rng(5)
    return Pair(*(w + size * rng.standard_normal(w.shape) for w in balanced_weights(data)))


def _growth(data: PairedData, objective: InfoNCE, step: float) -> float:
    """The factor per step by which the scores' distance from balance changes, late in the run."""
    weights = _disturbed(data, 1e-7)
    distances: list[float] = []
    for steps in (100, 40):
        weights = _ended(train(data, objective, weights=weights, step_size=step, steps=steps, progress=False))
        distances.append(_distance(data, weights))
    return float((distances[1] / distances[0]) ** (1 / 40))


def _ended(run: Trajectory) -> Weights:
    """The weights that a run ended with."""
    assert run.weights is not None  # a trained run has them
    return run.weights


def _distance(data: PairedData, weights: Weights) -> float:
    """The largest score between two different coordinates, which is zero at balance."""
    k_a, k_b = (view.mixing.T @ w for view, w in zip(data.views, weights, strict=True))
    scores = k_a @ k_b.T / np.sqrt(np.sum(k_a**2) * np.sum(k_b**2))
    r = data.signal_dim
    return float(np.abs(scores[:r, :r] * (1 - np.eye(r))).max())


def _end(data: PairedData, objective: InfoNCE, step: float) -> tuple[float, float]:
    """Distance from balance after 400 steps from a small disturbance, and the growth of ‖W‖² meanwhile."""
    start = _disturbed(data, 1e-3)
    try:
        run = train(data, objective, weights=start, step_size=step, steps=400, progress=False)
    except TrainingDiverged as stopped:
        run = stopped.trajectory
    grown = sum(float(np.sum(w**2)) for w in _ended(run)) / sum(float(np.sum(w**2)) for w in start)
    return max(_distance(data, _ended(run)), float(np.abs(run.theta[-1] - 0.5).max())), grown


@claim(
    id="momentum",
    statement="Momentum is the flow on a clock that runs $1/(1-\\beta)$ times as fast and starts late by "
    "$\\beta/(1-\\beta)$ steps of its own.",
    source="ours; the clock is folklore",
    chapter="practice",
)
def momentum(descend: Run = train) -> Evidence:
    """Descent with momentum against the flow at the predicted times; the error must be of order one in the step."""
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    steps = STEPS
    for beta, factor in ((0.5, 1.0), (0.9, 0.25)):
        errors = []
        for eta in steps * factor:
            run = _with_momentum(beta, float(eta), descend)
            clock = momentum_clock(run.time / (eta * (1 - beta)), beta, eta)
            errors.append(np.abs(run.theta - gradient_flow(UNEQUAL, LOSS, clock).theta).max())
        reason = "first order, with a relative remainder of the size of the delay"
        checks.append(Check(f"β = {beta}: order in the step", 1.0, slope(steps, np.array(errors)), 0.1, reason))
        curves |= {f"steps {beta}": steps * factor, f"errors {beta}": np.array(errors)}
    run = _with_momentum(0.9, 0.0025, descend)
    curves |= {"time": run.time, "theta": run.theta, "clock": momentum_clock(run.time / 0.00025, 0.9, 0.0025)}
    curves["theory"] = gradient_flow(UNEQUAL, LOSS, curves["clock"]).theta
    return Evidence(tuple(checks), curves)


def momentum_clock(steps: Array, beta: float, effective: float) -> Array:
    r"""Flow time after k steps of effective size $\eta/(1-\beta)$, for a gradient that hardly changes meanwhile.

    .. math:: t_k=\frac{\eta}{1-\beta}\Big(k-\beta\frac{1-\beta^k}{1-\beta}\Big)
    """
    return effective * (steps - beta * (1 - beta**steps) / (1 - beta))


def _with_momentum(beta: float, effective: float, descend: Run) -> Trajectory:
    start = orthonormal_weights((4, 5), 9, rng=np.random.default_rng(0))
    return descend(
        UNEQUAL, LOSS, weights=start, step_size=effective * (1 - beta), steps=round(4 / effective),
        optimizer=Momentum(beta), record_every=round(0.2 / effective), progress=False,
    )  # fmt: skip


@claim(
    id="weight-decay",
    statement="Weight decay λ changes no direction: the flow with it is the flow without at the time "
    "$s=(e^{2\\lambda t}-1)/2\\lambda$. So the effective step grows, and reaches the edge of stability at a time "
    "that is known beforehand.",
    source="ours",
    chapter="practice",
)
def weight_decay(descend: Run = train) -> Evidence:
    """Descent with decay against the flow on its clock; and a small disturbance of balance as the step grows."""
    checks: list[Check] = []
    steps = np.array([0.02, 0.01, 0.005])
    start = orthonormal_weights((4, 5), 9, rng=np.random.default_rng(0))
    for rate in (0.05, 0.3):
        errors = []
        for eta in steps:
            run = descend(UNEQUAL, LOSS, weights=start, step_size=eta, steps=round(4 / eta), weight_decay=rate,
                          record_every=round(0.2 / eta), progress=False)  # fmt: skip
            errors.append(np.abs(run.theta - gradient_flow(UNEQUAL, LOSS, decay_clock(run.time, rate)).theta).max())
        reason = "first order, with a relative remainder of the size of the step"
        checks.append(Check(f"λ = {rate}: order in the step", 1.0, slope(steps, np.array(errors)), 0.1, reason))
    fine = np.linspace(0, 4, 81)
    curves = {"time": run.time, "theta": run.theta, "fine": fine, "steps": steps, "errors": np.array(errors)}
    curves["theory"] = gradient_flow(UNEQUAL, LOSS, decay_clock(fine, 0.3)).theta
    curves["plain"] = gradient_flow(UNEQUAL, LOSS, fine).theta
    return Evidence((*checks, _edge_under_decay(curves, descend)), curves)


def decay_clock(time: Array, rate: float) -> Array:
    r"""$s(t)=(e^{2\lambda t}-1)/2\lambda$."""
    return np.expm1(2 * rate * time) / (2 * rate)


def _edge_under_decay(curves: dict[str, Array], descend: Run) -> Check:
    """When a disturbance of balance stops to shrink: the effective step η e^{2λt} has reached the edge."""
    loss, share = InfoNCE(4.0), 0.97
    eta = share * step_limit(TINY, loss)
    due = 200 * eta
    rate = -np.log(share) / (2 * due)
    times: list[float] = []
    distances: list[float] = []
    weights, now = _disturbed(TINY, 1e-6), 0.0
    for _ in range(40):
        run = descend(TINY, loss, weights=weights, step_size=eta, steps=10, weight_decay=rate, progress=False)
        weights, now = _ended(run), now + float(run.time[-1])
        times.append(now)
        distances.append(_distance(TINY, weights))
    curves |= {"edge time": np.array(times), "edge distance": np.array(distances), "edge": np.array(due)}
    curve, line, _ = np.polyfit(np.array(times)[5:], np.log(distances)[5:], 2)
    reason = "the lowest point of a parabola through 35 readings, ten steps apart"
    return close("time at which the edge is reached", due, -line / (2 * curve), rel=0.02, reason=reason)
