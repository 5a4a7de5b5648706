"""Claim: batches tilt the images towards each other, and that alone holds κ above one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmcl.claims.claim import Check, Evidence, Run, at_most, claim
from mmcl.family import AlignmentUniformity
from mmcl.pair import Pair
from mmcl.training import train
from mmcl.training.initial import Weights
from mmcl.worlds import CANONICAL

HEAVY = AlignmentUniformity(3.0, 2.0)
LEG = 50.0  # by then the flow has κ = 1.0; the record of another leg is averaged
COARSE, FINE, LARGE = (1 / 8, 64), (1 / 32, 64), (1 / 2, 256)  # step and batch; the last has the ratio of the first


class Rest(NamedTuple):
    """A run at its noisy rest, the mean of both modalities: κ - 1, the same of the lengths alone, and the step."""

    excess: float
    by_lengths: float
    step: float  # in effect: over the growth of ‖W‖²


@claim(
    id="batch-overlaps",
    statement="Under uniformity with $\\lambda=3$ batches hold κ above one: not by lengths, which agree, but by "
    "overlaps of the images. $\\kappa-1$ goes like $\\sqrt{\\eta/n}$, where η is divided by the growth of "
    "$\\|W\\|^2$, because long weights take short steps.",
    source="ours",
    chapter="losses",
)
def overlaps(descend: Run = train, seeds: int = 2) -> Evidence:
    """Two steps on small batches, and a large batch with a step as much longer."""
    coarse, fine = ([_rest(*setting, seed, descend) for seed in range(seeds)] for setting in (COARSE, FINE))
    large = _rest(*LARGE, 0, descend)
    above, below = (np.mean([run.excess for run in runs]) for runs in (coarse, fine))
    steps = coarse[0].step / fine[0].step
    kept = np.mean([run.by_lengths for run in coarse])
    scatter = f"the mean κ of such a leg scatters by about 5%; three standard errors, {seeds} runs at n = 64"
    return Evidence(
        (
            Check("n = 64: power of the step in κ - 1", 0.5, float(np.log(above / below) / np.log(steps)),
                  3 * 0.05 * np.sqrt(2 / seeds) / np.log(4), scatter),
            Check("four times the step, four times the pairs: κ - 1 over what it was", 1.0, float(large.excess / above),
                  3 * 0.05 * np.sqrt(1 + 1 / seeds), scatter),
            at_most("n = 64, η = 1/8: κ - 1 by lengths alone, over κ - 1", 0.25, float(kept / above),
                    reason="the bar is chosen: a quarter"),
        ),
        {"excess": np.array([above, below, large.excess])},
    )  # fmt: skip


def _rest(step: float, n: int, seed: int, descend: Run) -> Rest:
    """Two legs from orthonormal rows: to rest, and at rest."""
    start: Weights = Pair(*np.split(np.eye(2 * CANONICAL.views.a.ambient_dim), 2))
    legs = {"step_size": step, "steps": round(LEG / step), "record_every": max(1, round(2 / step)), "batch_size": n}
    first = descend(CANONICAL, HEAVY, weights=start, rng=np.random.default_rng([seed, n]), progress=False, **legs)
    run = descend(CANONICAL, HEAVY, start=first, progress=False, **legs)
    if first.weights is None or run.weights is None:
        raise ValueError("`descend` must return a trained `Trajectory`, with its weights.")
    growth = np.mean([sum(np.sum(w**2) for w in part.weights or ()) for part in (first, run)]) / len(np.vstack(start))
    lengths = [np.linalg.norm((v.mixing.T @ w)[:8], axis=1) for v, w in zip(CANONICAL.views, run.weights, strict=True)]
    return Rest(
        float(np.mean([run.condition_number, run.condition_number_b]) - 1),
        float(np.mean([x.max() / x.min() for x in lengths]) - 1),
        float(step / growth),
    )
