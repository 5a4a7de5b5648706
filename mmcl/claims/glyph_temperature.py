"""Claim: on real pairs the theory, given the spectrum at the start, names the temperature that balances best."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from mmcl.claims.claim import Check, Evidence, Run, at_least, claim, close
from mmcl.flow import gradient_flow
from mmcl.objectives import InBatchInfoNCE
from mmcl.real_pairs import glyphs
from mmcl.surrogate import surrogate
from mmcl.training import gaussian_weights, train

TEMPERATURES = (2.0, 4.0, 8.0, 16.0, 32.0)
WIDTH, BATCH_SIZE, STEP_SIZE, BUDGET = 128, 512, 4.0, 400.0
SIGNAL_DIM = WIDTH // 2  # directions that count as signal: well within the width


@claim(
    id="glyph-temperature",
    statement="On the glyphs the theory sees nothing but the spectrum at the start, and names the one of five "
    "temperatures that has the representation widest after the same time of training.",
    source="ours",
    chapter="temperature",
)
def glyph_temperature(flow: Run = gradient_flow, descend: Run = train) -> Evidence:
    """Effective ranks of θ after a fixed time: predicted from the surrogate world, and trained."""
    data = glyphs().train
    world = surrogate(data, SIGNAL_DIM)
    weights = gaussian_weights(data.ambient_dim, WIDTH, rng=np.random.default_rng(83))
    steps = round(BUDGET / STEP_SIZE)
    curves = {"tau2": np.array(TEMPERATURES)}
    for tau2 in TEMPERATURES:
        loss = InBatchInfoNCE(tau2)
        with threadpool_limits(limits=1):
            run = descend(
                data, loss, weights=weights, step_size=STEP_SIZE, steps=steps, batch_size=BATCH_SIZE,
                rng=np.random.default_rng(84), record_every=steps // 10, progress=False,
            )  # fmt: skip
        due = flow(world, loss.population(BATCH_SIZE), run.time)
        curves |= {
            f"time {tau2:g}": run.time,
            f"trained {tau2:g}": run.effective_rank,
            f"predicted {tau2:g}": due.effective_rank,
        }
    predicted, trained = (
        np.array([curves[f"{kind} {tau2:g}"][-1] for tau2 in TEMPERATURES]) for kind in ("predicted", "trained")
    )
    best = int(predicted.argmax())
    others = np.delete(trained, best).max()
    checks: list[Check] = [
        close(
            "τ² of the five that is widest at the end",
            TEMPERATURES[best], TEMPERATURES[int(trained.argmax())], rel=0.0, reason="one of five names",
        ),
        at_least(
            "its effective rank over that of the next best, trained",
            1.1, float(trained[best] / others), reason="a lead that is no accident of the last batch",
        ),
    ]  # fmt: skip
    return Evidence(tuple(checks), curves | {"predicted": predicted, "trained": trained})
