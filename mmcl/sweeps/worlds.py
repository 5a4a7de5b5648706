"""Studies of worlds × objectives × seeds, and of grids over their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, get_args

import numpy as np

from mmcl import checks
from mmcl.data import PairedData
from mmcl.family import Family
from mmcl.objectives import InBatchInfoNCE, InfoNCE, PositiveOnly
from mmcl.sweeps.runs import TIME, Followed, Trained, Varied
from mmcl.sweeps.study import Axis, Study

OBJECTIVES: dict[str, type] = {one.__name__: one for one in (InfoNCE, InBatchInfoNCE, PositiveOnly, *get_args(Family))}
MEANINGS = {
    "inverse_temperature": ("1", "inverse temperature τ²"),
    "negatives": ("1", "weight of the negatives K"),
    "noise_a": ("1", "scale of the noise of modality A"),
    "noise_b": ("1", "scale of the noise of modality B"),
    "ambient_dim": ("1", "ambient dimension d"),
    "width": ("1", "width m"),
    "step_size": (TIME, "step size η"),
    "steps": ("1", "number of steps"),
    "batch_size": ("1", "batch size n"),
    "until": (TIME, "end of the flow"),
}


def of_worlds(
    name: str,
    worlds: Mapping[str, PairedData],
    objectives: Mapping[str, Any],
    seeds: Iterable[int] = (),
    *,
    run: Trained | Followed | None = None,
    title: str = "",
) -> Study:
    """Every world with every objective and every seed.

    Args:
        name: a short name, stable.
        worlds: by the names that the table gives them.
        objectives: likewise.
        seeds: of the random numbers; none for a flow, which has no chance in it.
        run: what a cell does; None: trains as `Trained()`.
        title: what the sweep shows; empty: its name.

    Returns:
        A study with the axes ``world``, ``objective`` and, where cells are trained, ``seed``.

    Raises:
        TypeError, ValueError: on an empty list, a value of another kind, a seed twice, or seeds for a flow.
    """
    run = Trained() if run is None else checks.kind(run, (Trained, Followed), "`run`")
    for world in _by_name(worlds, "`worlds`").values():
        checks.kind(world, PairedData, "each of `worlds`")
    for objective in _by_name(objectives, "`objectives`").values():
        checks.kind(objective, _kinds(run), "each of `objectives`")
    axes = (
        Axis("world", tuple(worlds.values()), "1", "world", tuple(worlds)),
        Axis("objective", tuple(objectives.values()), "1", "objective", tuple(objectives)),
        *_seeds(run, seeds),
    )
    return Study(name, title or name, axes, run.quantities, run)


def of_grid(
    name: str,
    axes: Mapping[str, Sequence[Any]],
    seeds: Iterable[int] = (),
    *,
    world: PairedData,
    objective: Any,
    run: Trained | Followed | None = None,
    title: str = "",
) -> Study:
    """Every combination of some fields of a world, an objective and a run.

    Args:
        name: a short name, stable.
        axes: values by the name of a field, such as ``inverse_temperature``, ``ambient_dim`` or ``width``.
        seeds: of the random numbers; none for a flow, which has no chance in it.
        world: what the axes do not change of it.
        objective: likewise.
        run: likewise, and what a cell does; None: trains as `Trained()`.
        title: what the sweep shows; empty: its name.

    Returns:
        A study whose axes are those of the grid and, where cells are trained, ``seed``.

    Raises:
        TypeError, ValueError: on an empty grid or axis, a field that none of the three has, or a value that it cannot
            have.
    """
    run = Trained() if run is None else checks.kind(run, (Trained, Followed), "`run`")
    varied = Varied(run, checks.kind(world, PairedData, "`world`"), checks.kind(objective, _kinds(run), "`objective`"))
    if not _by_name(axes, "`grid`"):
        raise ValueError("`grid` must have at least one axis; got none.")
    for field in axes:
        if field not in varied.fields:
            raise ValueError(f"`grid` must have axes among {', '.join(varied.fields)}; got {field!r}.")
        if isinstance(axes[field], str) or not isinstance(axes[field], Iterable):
            raise TypeError(f"`{field}` must be a list of values; got {axes[field]!r}.")
    grid = _axes(varied, axes)
    return Study(name, title or name, (*grid, *_seeds(varied.run, seeds)), varied.quantities, varied)


def _by_name(values: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping) or not all(isinstance(one, str) for one in values):
        raise TypeError(f"{name} must be a dict with a name for each entry; got {values!r}.")
    return values


def _kinds(run: Trained | Followed) -> tuple[type, ...]:
    """The objectives that a cell can have."""
    return tuple(one for one in OBJECTIVES.values() if run.random or one is not InBatchInfoNCE)


def _axes(varied: Varied, axes: Mapping[str, Sequence[Any]]) -> list[Axis]:
    """The values as their fields keep them; every combination that cells will have is built once, and may refuse."""
    kept: dict[str, list[Any]] = {field: list(values) for field, values in axes.items()}
    for field in axes:
        if not kept[field]:
            raise ValueError(f"`{field}` must have at least one value; got none.")
    for part in ("run", "world", "objective"):
        own = [field for field in axes if varied.fields[field] == part]
        for place in product(*(range(len(axes[field])) for field in own)):
            built = varied.changed({field: axes[field][i] for field, i in zip(own, place, strict=True)})
            for field, i in zip(own, place, strict=True):
                kept[field][i] = built.value(field)
    return [_axis(field, tuple(values)) for field, values in kept.items()]


def _axis(field: str, kept: tuple[Any, ...]) -> Axis:
    """One of them; places that are no numbers get a name."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in kept)
    return Axis(field, kept, *MEANINGS.get(field, ("1", field)), () if numbers else tuple(map(str, kept)))


def _seeds(run: Trained | Followed, seeds: Iterable[int]) -> tuple[Axis, ...]:
    """The axis of the seeds, where there is chance."""
    if not isinstance(seeds, Iterable):
        raise TypeError(f"`seeds` must be a list of whole numbers, such as range(3); got {seeds!r}.")
    found = tuple(checks.whole(seed, "each of `seeds`", least=0, most=np.inf) for seed in seeds)
    if run.random and not found:
        raise ValueError("`seeds` must have at least one value where there is chance, as in training; got none.")
    if found and max(found) >= 2**31:
        raise ValueError(f"each of `seeds` must be below 2**31, as NetCDF has 32 bits for it; got {max(found)}.")
    if run.random:
        return (Axis("seed", found, "1", "seed of the random numbers"),)
    if found:
        raise ValueError(f"`seeds` must be left out where nothing is random, as in a flow; got {len(found)} of them.")
    return ()
