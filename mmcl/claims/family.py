"""Claims: the losses with negatives, each against its own paper's definition, its exact flow and its predicted end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, claim, close, zero
from mmcl.claims.clock import clocks
from mmcl.claims.family_definition import against_definition
from mmcl.claims.summary import dots, drawn, summary
from mmcl.closed_form import terminal_condition_number
from mmcl.data import PairedData
from mmcl.family import AlignmentUniformity, Decoupled, Family, NTXent, Sigmoid, Spectral
from mmcl.family_end import critical_weight, end_of
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.pair import Pair
from mmcl.training import orthonormal_weights, train
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, UNEQUAL

HORIZON, LATE = 400.0, 1e5
ANCHORS, STEP = 256, 0.5
#: One encoder has two augmentations alike; two noise scales, since within-view negatives see the noise.
AUGMENTED = PairedData(signal_a=(2.0, 1.0), noise_a=(0.5, 0.3), ambient_dim=4)
METHODS: dict[str, InfoNCE | PositiveOnly | Family] = {
    "positives only": PositiveOnly(),
    "InfoNCE": InfoNCE(4.0),
    "DCL": Decoupled(4.0),
    "spectral, μ = 1": Spectral(1.0),
    "spectral, μ = 16": Spectral(16.0),
    "sigmoid, b = 5": Sigmoid(10.0, 5.0, 15.0),
    "sigmoid, b = −10": Sigmoid(10.0, -10.0, 15.0),
    "sigmoid, b = −10, K = 511": Sigmoid(10.0, -10.0, 511.0),
    "uniformity, λ = 1": AlignmentUniformity(1.0, 2.0),
    "uniformity, λ = 3": AlignmentUniformity(3.0, 2.0),
    "NT-Xent": NTXent(4.0),
}


class Setting(NamedTuple):
    """A descent: step, pairs in a batch (losses whose expectation is exact use none), and its end."""

    step: float = STEP
    anchors: int = ANCHORS
    until: float = HORIZON


#: The decoupled clock is fast. The forces of the other two vanish before the noise is gone; the claim `at-rest` says
#: which steps and batches rest there.
CAREFUL = {
    "DCL": Setting(1 / 16, until=50.0),
    "spectral, μ = 16": Setting(1 / 32, until=20.0),
    "sigmoid, b = 5": Setting(1 / 8, 512, 20.0),
}
TIMES = np.concatenate([[0.0], np.geomspace(0.05, HORIZON, 100)])
SOLVER = "two closed forms of one end, and an integrator at 1e-9"


def _methods(names: tuple[str, ...], flow: Run, descend: Run) -> tuple[list[Check], dict[str, Array]]:
    """Every method trained beside its flow."""
    checks: list[Check] = []
    curves: dict[str, Array] = {"time": TIMES}
    for name in names:
        objective, it = METHODS[name], CAREFUL.get(name, Setting())
        path = flow(CANONICAL, objective, TIMES)
        due = flow(CANONICAL, objective, np.append(TIMES[it.until > TIMES], it.until))
        run = _trained(objective, it, descend)
        error = float(np.abs(run.theta[-1] - due.theta[-1]).max())
        label = f"{name}: error of a trained θ at t = {it.until:g}"
        reason = f"first order in a step of {it.step:g}, and the scatter of {it.anchors} anchors; the bar is chosen"
        checks.append(zero(label, error, tolerance=0.015, reason=reason))
        if name in CAREFUL:
            label = f"{name}: κ of trained towers at t = {it.until:g}"
            reason = "first order in the step, and about 1% by which batches raise κ until then; the bar is twice that"
            checks.append(close(label, due.condition_number[-1], run.condition_number[-1], rel=0.02, reason=reason))
        curves |= drawn(name, path) | dots(name, run)
        curves |= {f"{name} summary": summary(run), f"{name} predicted": summary(due)}
        curves[f"{name} end"] = _end(objective)
    return checks, curves


def _end(objective: InfoNCE | PositiveOnly | Family) -> Array:
    """Where the flow ends, in closed form: the first four `QUANTITIES` of `mmcl.claims.summary`."""
    if isinstance(objective, PositiveOnly):
        return np.array([1.0, terminal_condition_number(CANONICAL), np.nan, 0.0])
    return end_of(CANONICAL, objective).summary(CANONICAL.signal_dim)[:4]


def _trained(objective: InfoNCE | PositiveOnly | Family, it: Setting, descend: Run) -> Trajectory:
    """Descent from orthonormal rows, so that the width plays no part."""
    rng = np.random.default_rng(92)
    start = orthonormal_weights((64, 64), 128, rng=rng)
    if isinstance(objective, NTXent):
        start = Pair(start.a, start.a)
    exact, steps = isinstance(objective, PositiveOnly | Spectral), round(it.until / it.step)
    return descend(
        CANONICAL,
        objective,
        weights=start,
        step_size=it.step,
        steps=steps,
        batch_size=None if exact else it.anchors,
        rng=rng,
        record_every=max(1, steps // 200),
        progress=False,
    )


def _ends(name: str, flow: Run) -> list[Check]:
    """Alignment, κ and noise late in the flow, against the end in closed form."""
    due, path = end_of(CANONICAL, METHODS[name]), flow(CANONICAL, METHODS[name], [0.0, LATE])
    return [
        zero(
            f"{name}: error of the alignment at the end",
            path.alignment[-1] - due.alignment,
            tolerance=1e-6,
            reason=SOLVER,
        ),
        close(f"{name}: κ at the end", due.condition_number, path.condition_number[-1], rel=1e-5, reason=SOLVER),
        zero(
            f"{name}: error of the noise share",
            path.noise_share[-1, 0] - due.noise_share,
            tolerance=1e-6,
            reason=SOLVER,
        ),
    ]


@claim(
    id="decoupled",
    statement="Without the positive pair in the denominator the path is that of InfoNCE, point by point, on a faster "
    "clock: the decoupled loss is the limit of many negatives.",
    source="ours; the loss is that of Yeh et al. (2022)",
    chapter="losses",
)
def decoupled(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The definition; the path of InfoNCE at the times of the decoupled clock; trained runs."""
    checks, curves = _methods(("positives only", "InfoNCE", "DCL"), flow, descend)
    times = np.concatenate([[0.0], np.geomspace(1e-3, HORIZON, 600)])
    path = flow(CANONICAL, InfoNCE(4.0), times)
    other = flow(CANONICAL, Decoupled(4.0), clocks(path, 4.0)[0])
    gap = float(np.abs(other.theta - path.theta).max())
    reason = "a spline through 600 points, and an integrator at 1e-9"
    checks = [
        against_definition(flow, UNEQUAL, Decoupled(3.0), 6.0),
        zero("distance to the path of InfoNCE, on its clock", gap, tolerance=1e-6, reason=reason),
        *checks,
    ]
    return Evidence(tuple(checks), curves)


@claim(
    id="spectral",
    statement="The spectral loss is a sum of parabolas in the shares. In the canonical world it balances with short "
    "features, $\\mu=1$; with long ones, $\\mu=16>r$, it stops at $r/\\mu$, with noise left and unbalanced.",
    source="ours; the loss is that of HaoChen et al. (2021)",
    chapter="losses",
)
def spectral(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The definition; both ends; trained runs."""
    checks, curves = _methods(("spectral, μ = 1", "spectral, μ = 16"), flow, descend)
    ends = [*_ends("spectral, μ = 1", flow), *_ends("spectral, μ = 16", flow)]
    return Evidence((against_definition(flow, UNEQUAL, Spectral(2.5), 6.0), *ends, *checks), curves)


@claim(
    id="sigmoid",
    statement="The sigmoid loss is strictly convex and symmetric in the shares, so its optimum is balanced; but where "
    "the optimum asks for less than full alignment the flow stops there, with noise left: unbalanced if early.",
    source="ours; the loss is that of Zhai et al. (2023)",
    chapter="losses",
)
def sigmoid(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The definition; three ends, of which one stops early, one late and one never."""
    names = ("sigmoid, b = 5", "sigmoid, b = −10", "sigmoid, b = −10, K = 511")
    checks, curves = _methods(names, flow, descend)
    ends = [check for name in names for check in _ends(name, flow)]
    return Evidence((against_definition(flow, UNEQUAL, Sigmoid(6.0, -2.0, 3.0), 4.0), *ends, *checks), curves)


@claim(
    id="uniformity",
    statement="Uniformity within each modality pushes noise and signal alike: up to the weight "
    "$\\lambda_c=1/(s\\tanh(2s/r))$ the end is aligned and balanced, beyond it balanced but with noise kept.",
    source="ours; the loss is that of Wang & Isola (2020)",
    chapter="losses",
)
def uniformity(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The definition; the ends on both sides of the critical weight, far and near; the noise kept over the weight."""
    names = ("uniformity, λ = 1", "uniformity, λ = 3")
    checks, curves = _methods(names, flow, descend)
    ends = [check for name in names for check in _ends(name, flow)]
    critical = critical_weight(CANONICAL.signal_dim, 2.0)
    for share in (0.99, 1.01):
        loss = AlignmentUniformity(share * critical, 2.0)
        error = flow(CANONICAL, loss, [0.0, 1e7]).noise_share[-1, 0] - end_of(CANONICAL, loss).noise_share
        ends.append(zero(f"error of the noise share at {share} λ_c", error, tolerance=1e-6, reason=SOLVER))
    weights = np.geomspace(0.5, 10, 40)
    curves["weight"] = weights
    curves["kept"] = np.array([end_of(CANONICAL, AlignmentUniformity(float(x), 2.0)).noise_share for x in weights])
    curves["critical"] = np.array(critical)
    definition = against_definition(flow, UNEQUAL, AlignmentUniformity(2.0, 1.5), 4.0)
    return Evidence((definition, *ends, *checks), curves)


@claim(
    id="nt-xent",
    statement="With one encoder for both augmentations, and negatives from both, SimCLR's loss is InfoNCE with tied "
    "weights: it removes the noise and balances.",
    source="ours; the loss is that of Chen et al. (2020)",
    chapter="losses",
)
def nt_xent(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The definition, within-view negatives and all; the end; a trained run."""
    checks, curves = _methods(("NT-Xent",), flow, descend)
    definition = against_definition(flow, AUGMENTED, NTXent(3.0, 2.0), 3.0)
    return Evidence((definition, *_ends("NT-Xent", flow), *checks), curves)
