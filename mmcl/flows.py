"""Many exact flows at once: every operation of a step is one operation on the arrays of all worlds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl import checks
from mmcl.coordinates import Coordinates
from mmcl.data import PairedData
from mmcl.extrapolation import integrate
from mmcl.family import Decoupled, Family, Spectral
from mmcl.flow import gradient_flow, record, row
from mmcl.flow_system import FlowSystem
from mmcl.latents import Signs
from mmcl.objectives import InfoNCE, PositiveOnly
from mmcl.trajectory import Trajectory

FEW = 256  # distinct coordinates; a world of more fills a processor by itself
TOGETHER = 256  # worlds in one batch: more of them wait longer for the one that needs the shortest steps
Loss = InfoNCE | PositiveOnly | Family


def gradient_flows(
    data: PairedData | Sequence[PairedData],
    objective: Loss | Sequence[Loss],
    times: ArrayLike,
    *,
    tolerance: float = 1e-9,
) -> list[Trajectory]:
    r"""The flows that `gradient_flow` would follow one by one, many at once; τ² stays in all of them.

    Flows of one kind of loss share their steps, each as long as the most demanding of them allows. Where that would
    not pay (very many distinct coordinates, latents other than signs, losses without a potential) they run one by one.

    Args:
        data: the worlds, or one for all objectives.
        objective: one for each world, or one for all of them.
        times: gradient-flow times, increasing, from 0 on, shape (T,); the same for all.
        tolerance: as for `gradient_flow`.

    Returns:
        The trajectories, in the order of the worlds and objectives.

    Raises:
        TypeError, ValueError: on a world, an objective or times that do not fit, or if their numbers differ.
        ArithmeticError: if a flow cannot be followed, naming which and the time.

    >>> worlds = [PairedData(signal_a=(scale, 1.0), ambient_dim=8) for scale in (1.5, 2.0)]
    >>> ends = [path.condition_number[-1] for path in gradient_flows(worlds, InfoNCE(4.0), [0.0, 1e4])]
    >>> print(np.round(ends, 3))
    [1. 1.]
    """
    pairs, t = _pairs(data, objective), checks.times(times)
    tolerance = checks.between(tolerance, "`tolerance`", 1e-13, 1e-2)
    found: dict[int, Trajectory] = {}
    batches: dict[type, list[int]] = {}
    for i, (world, loss) in enumerate(pairs):
        if _shares(world, loss):
            batches.setdefault(type(loss), []).append(i)
        else:
            found[i] = _alone(i, world, loss, t, tolerance)
    for members in batches.values():
        for first in range(0, len(members), TOGETHER):
            part = members[first : first + TOGETHER]
            try:
                paths = _together([pairs[i] for i in part], t, tolerance)
            except ArithmeticError:  # one by one, to say which
                paths = [_alone(i, *pairs[i], t, tolerance) for i in part]
            found |= dict(zip(part, paths, strict=True))
    return [found[i] for i in range(len(pairs))]


def _pairs(data: Any, objective: Any) -> list[tuple[PairedData, Loss]]:
    """World and objective of every flow."""
    several = {name: isinstance(value, list | tuple) for name, value in (("d", data), ("o", objective))}
    worlds = list(data) if several["d"] else [data]
    losses = list(objective) if several["o"] else [objective]
    if not worlds or not losses:
        raise ValueError(f"`{'data' if not worlds else 'objective'}` must not be empty; got an empty list.")
    for world in worlds:
        checks.kind(world, PairedData, "`data`")
    if not several["d"]:
        worlds *= len(losses)
    if not several["o"]:
        losses *= len(worlds)
    if len(worlds) != len(losses):
        raise ValueError(
            f"`objective` must be one for all, or one for each world, of which `data` has {len(worlds)}; got "
            f"{len(losses)}."
        )
    return list(zip(worlds, losses, strict=True))


def _shares(world: PairedData, loss: Loss) -> bool:
    """Whether a flow can be one of a batch."""
    if not isinstance(loss, InfoNCE | PositiveOnly | Decoupled | Spectral) or not isinstance(world.latents, Signs):
        return False
    try:
        return len(Coordinates.distinct(world).weights) <= FEW
    except ArithmeticError:  # told by name, when it is followed alone
        return False


def _alone(i: int, world: PairedData, loss: Loss, t: Float[Array, " T"], tolerance: float) -> Trajectory:
    try:
        return gradient_flow(world, loss, t, tolerance=tolerance)
    except ArithmeticError as error:
        raise ArithmeticError(f"Flow {i} of `data` and `objective` failed: {error}") from None


def _together(pairs: Sequence[tuple[PairedData, Loss]], t: Float[Array, " T"], tolerance: float) -> list[Trajectory]:
    """Flows of one kind of loss as one system."""
    places = [Coordinates.distinct(world) for world, _ in pairs]
    alone = [FlowSystem.of(*pair, coordinates=place) for pair, place in zip(pairs, places, strict=True)]
    system = FlowSystem.together(alone, [loss for _, loss in pairs])
    rows: list[list[dict[str, Any]]] = [[] for _ in pairs]
    for y in integrate(system, system.start, t, tolerance):
        for own, one, place, state in zip(rows, alone, places, system.apart(y), strict=True):
            own.append(row(one, place, _unpadded(state, len(place.weights))))
    return [record(loss, t, own) for (_, loss), own in zip(pairs, rows, strict=True)]


def _unpadded(state: Float[Array, " n"], r: int) -> Float[Array, " 2r+3"]:
    """Without the coordinates that weigh nothing."""
    longest = (len(state) - 3) // 2
    return np.concatenate([state[:r], state[longest : longest + r], state[-3:]])
