"""Claims: stage two ends at three rates; both stages in one run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray as Array

from mmcl.claims.claim import Check, Evidence, Run, at_least, at_most, claim, close, zero
from mmcl.claims.plain_flow import PlainFlow
from mmcl.closed_form import terminal_spread
from mmcl.data import PairedData
from mmcl.flow import gradient_flow
from mmcl.objectives import InfoNCE
from mmcl.relaxation import RelaxationRates, relaxation_rates
from mmcl.training import train
from mmcl.trajectory import Trajectory
from mmcl.worlds import CANONICAL, UNEQUAL

WIDTH, ANCHORS = 4096, 512
SPREAD = terminal_spread(CANONICAL) / np.sqrt(WIDTH)  # of log κ, by the law of finite width


@claim(
    id="three-rates",
    statement="Stage two ends at three kinds of rates, in closed form: of balance, of left-over noise, of left-over "
    "misalignment; each can be the slowest, for which everything waits.",
    source="ours",
    chapter="stage-two",
)
def rates(flow: Run = gradient_flow, predict: Callable[..., RelaxationRates] = relaxation_rates) -> Evidence:
    """Exponents fitted to the flow, each in a world where that rate is the slowest; and all of them at once."""
    checks: list[Check] = []
    curves: dict[str, Array] = {}
    for name, (noise, objective) in WORLDS.items():
        data = PairedData(signal_a=(2.0, 1.4, 1.0), noise_a=noise, ambient_dim=16)
        predicted = {k: v[0] for k, v in vars(predict(data, objective)).items()}
        slowest = predicted[name]
        times = np.concatenate([[0.0], np.linspace(14, 22, 33) / slowest])
        path = flow(data, objective, times, tolerance=1e-12)
        left = remainders(path)[name][1:]
        fitted = -np.polyfit(times[1:], np.log(left), 1)[0]
        checks.append(
            close(
                f"{name}: fitted rate",
                slowest,
                fitted,
                rel=1e-4,
                reason="what is left is below 1e-4 of the start, and the linearisation errs by as much",
            )
        )
        others = min(v for k, v in predicted.items() if k != name)
        checks.append(
            at_least(
                f"{name}: next rate over this one", 1.1, others / slowest, reason="it is to be the slowest of the three"
            )
        )
        whole = np.concatenate([[0.0], np.linspace(0.02, 12, 200) / slowest])
        curves |= {f"{name} time": whole * slowest} | {
            f"{name} {k}": v for k, v in remainders(flow(data, objective, whole)).items()
        }
    checks += [
        zero(
            f"{name}: every rate against the Jacobian of the plain equations",
            _unmatched(data, objective, predict),
            tolerance=1e-6,
            reason="central differences at a step of 1e-5, relative to the largest rate",
        )
        for name, (data, objective) in JACOBIANS.items()
    ]
    return Evidence(tuple(checks), curves)


def _unmatched(data: PairedData, objective: InfoNCE, predict: Callable[..., RelaxationRates]) -> float:
    """How far the worst predicted rate lies from an eigenvalue, and, if all modes are predicted, the reverse."""
    seen, rates_ = PlainFlow(data, objective).decay_rates(), predict(data, objective)
    named = np.concatenate([rates_.balance, rates_.noise, rates_.misalignment])
    gaps = np.abs(named[:, None] - seen)
    worst = gaps.min(axis=1).max()
    if not data.symmetric:
        # The two conserved norms, and noise without a scale, do not move at all.
        moving = seen > 1e-7 * seen.max()
        worst = max(worst, gaps[:, moving].min(axis=0).max(), float(moving.sum() != len(named)))
    return float(worst / seen.max())


#: Worlds whose linearisation is compared whole: symmetric, unequal, and one in which half of the noise has no scale.
JACOBIANS = {
    "canonical": (CANONICAL, InfoNCE(4.0)),
    "unequal": (UNEQUAL, InfoNCE(3.0, negatives=2.0)),
    "half without noise": (
        PairedData(signal_a=(2.0, 1.4, 1.0), noise_a=(0.0,) * 6 + (0.5,) * 7, ambient_dim=16),
        InfoNCE(3.0),
    ),
}

#: For each rate a noise scale and an objective at which it is the slowest.
WORLDS = {
    "balance": (2.0, InfoNCE(0.5)),
    "noise": (0.3, InfoNCE(4.0)),
    "misalignment": (3.0, InfoNCE(9.0)),
}


def remainders(path: Trajectory) -> dict[str, Array]:
    """What stage two has still to remove: imbalance of θ, share of noise, largest misalignment."""
    return {
        "balance": np.ptp(path.theta, axis=1),
        "noise": path.noise_share[:, 0],
        "misalignment": path.misalignment.max(axis=1),
    }


@claim(
    id="two-stages",
    statement="One run shows both stages: alignment grows while the condition number rises above its start; then the "
    "condition number falls below it, at full alignment.",
    source="Ren & Li (2023) prove the two stages; the curve is ours",
    chapter="stage-two",
)
def two_stages(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """The headline run: theory and training at τ² = 1, to the end of stage two."""
    objective, steps, size = InfoNCE(1.0), 2500, 1.0
    run = descend(
        CANONICAL,
        objective,
        width=WIDTH,
        step_size=size,
        steps=steps,
        batch_size=ANCHORS,
        record_every=1,
        rng=np.random.default_rng(90),
        progress=False,
    )
    theory = flow(CANONICAL, objective, np.concatenate([[0.0], np.geomspace(1e-1, steps * size, 400)]))
    peak, start, end = theory.condition_number.max(), theory.condition_number[0], theory.condition_number[-1]
    reason = f"four standard deviations of the finite-width law at width {WIDTH}"
    checks = (
        close("largest κ", peak, run.condition_number.max(), rel=4 * SPREAD, reason=reason),
        close("κ at the end", end, run.condition_number[-1], rel=4 * SPREAD, reason=reason),
        close(
            "alignment at the end",
            theory.alignment[-1],
            run.alignment[-1],
            rel=0.01,
            reason="width and step both act at below one percent",
        ),
        at_least(
            "trained: peak of κ over its start",
            1.5,
            run.condition_number.max() / start,
            reason="a rise by half is a stage",
        ),
        at_most(
            "trained: κ at the end over its start",
            0.75,
            run.condition_number[-1] / start,
            reason="below the start by a quarter or more",
        ),
    )
    names = ("time", "alignment", "condition_number", "theta", "noise_share", "misalignment")
    curves = {f"theory {k}": getattr(theory, k) for k in names} | {f"run {k}": getattr(run, k) for k in names}
    return Evidence(checks, curves)
