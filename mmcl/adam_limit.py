r"""Adam at infinite width: overlaps of different coordinates vanish, and a row is a cloud of independent weights.

With $c$ the alignment, equal forces and symmetric modalities the gradient of row p is $\sigma_p^2\frac g{N^2}$ times
$-(w_B-c\,w_A)$. Adam divides the factor out, so all signal rows follow one law, whatever their scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmcl import checks
from mmcl.data import PairedData
from mmcl.forces import LatentForce
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.training.optimizer import Adam, Rule
from mmcl.trajectory import Trajectory


def adam_limit(
    data: PairedData,
    objective: InfoNCE | PositiveOnly,
    *,
    step_size: float,
    steps: int,
    particles: int,
    rng: np.random.Generator,
    record_every: int = 1,
    optimizer: Adam | None = None,
) -> Trajectory:
    r"""Descent with Adam and full gradients, in the limit of infinite width, on a sample of weights.

    Width enters through the step: that of `train` at width m is `step_size` over $\sqrt m$.

    Source: ours; the limit is a mean field, as for wide networks.

    Args:
        data: the world, of sign latents, in the axes of its coordinates.
        objective: InfoNCE with exact negatives, or positives only.
        step_size: η, in units of a weight's scale at the start.
        steps: how many steps.
        particles: weights drawn for each row.
        rng: where they come from.
        record_every: steps between two rows of the record.
        optimizer: Adam's settings; None: its defaults.

    Returns:
        The `Trajectory`; time is the sum of the steps.

    Raises:
        TypeError, ValueError: on arguments that do not fit.
    """
    checks.kind(data, PairedData, "`data`")
    checks.kind(objective, (InfoNCE, PositiveOnly), "`objective`")
    count, rng = checks.whole(particles, "`particles`"), checks.generator(rng)
    rule, r = Rule(Adam() if optimizer is None else checks.kind(optimizer, Adam, "`optimizer`")), data.signal_dim
    size, every = checks.positive(step_size, "`step_size` (η)"), checks.whole(record_every, "`record_every`")
    steps = checks.whole(steps, "`steps`")
    if any(view.basis is not None for view in data.views):
        raise ValueError("`data` must be in the axes of its coordinates for Adam, which depends on them; got a basis.")
    force = LatentForce(objective, data.latents, r) if isinstance(objective, InfoNCE) else None
    scales = [view.scales[:, None] for view in data.views]
    weights = [rng.standard_normal((len(s), count)) for s in scales]
    memory: list[object] = [None, None]
    rows = []
    for done in range(steps + 1):
        a, b = (np.mean((s * w) ** 2, axis=1) for s, w in zip(scales, weights, strict=True))
        signal = [(s * w)[:r] for s, w in zip(scales, weights, strict=True)]
        c, norms = np.mean(signal[0] * signal[1], axis=1), np.array([a.sum(), b.sum()])
        theta = c / np.sqrt(norms.prod())
        g, loss = (np.full(r, 2.0), -2 * float(theta.sum())) if force is None else force(theta)
        if done % every == 0 or done == steps:
            rows.append({
                "time": done * size, "theta": theta, "alignment": theta.sum(), "loss": loss,
                "condition_number": np.sqrt(a[:r].max() / a[:r].min()),
                "condition_number_b": np.sqrt(b[:r].max() / b[:r].min()),
                "noise_share": np.array([a[r:].sum(), b[r:].sum()]) / norms,
                "misalignment": (a[:r] + b[:r] - 2 * c) / 4,
                "inverse_temperature": np.nan if force is None else force.inverse_temperature,
            })  # fmt: skip
        total = g @ theta
        moves = []
        for side, other in ((0, 1), (1, 0)):
            slope = total / norms[side] * scales[side] ** 2 * weights[side]
            slope[:r] -= g[:, None] / np.sqrt(norms.prod()) * scales[side][:r] * signal[other]
            move, memory[side] = rule.direction(slope, memory[side])
            moves.append(move)
        weights = [w - size * move for w, move in zip(weights, moves, strict=True)]
    series: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Trajectory(**series)
