"""What a cell of a worlds × objectives × seeds sweep does: train, or follow the exact flow, and say where it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import PairedData
from mmcl.provenance import described, hashed
from mmcl.sweeps.study import Quantity
from mmcl.trajectory import Trajectory

TIME = "gradient-flow time"
ENDS = (
    Quantity("alignment", "1", "alignment at the end"),
    Quantity("condition_number", "1", "condition number κ of modality A at the end"),
    Quantity("condition_number_b", "1", "condition number κ of modality B at the end"),
    Quantity("noise_share_a", "1", "share of the output of modality A that is noise, at the end"),
    Quantity("noise_share_b", "1", "share of the output of modality B that is noise, at the end"),
    Quantity("effective_rank", "1", "effective rank of the alignment at the end"),
    Quantity("loss", "1", "loss at the end"),
    Quantity("alignment_time", TIME, "time at which the alignment first reaches 0.9; NaN: not before the end"),
)
DIVERGED = Quantity("diverged", "1", "1 where the step size was too large and all else is NaN, 0 elsewhere")
ALIGNED = 0.9


@dataclass(frozen=True)
class Trained:
    """A cell that trains two linear towers of finite width; `mmcl.train` says what the settings mean.

    Attributes:
        width: m.
        step_size: η.
        steps: how many.
        batch_size: n, fresh pairs a step.

    Raises:
        TypeError, ValueError: on a setting that is not positive.
    """

    width: int = 128
    step_size: float = 0.5
    steps: int = 800
    batch_size: int = 512

    quantities = (*ENDS, DIVERGED)
    random = True  # whether a cell has a seed

    def __post_init__(self) -> None:
        for name, symbol in (("width", " (m)"), ("steps", ""), ("batch_size", " (n)")):
            object.__setattr__(self, name, checks.whole(getattr(self, name), f"`{name}`{symbol}"))
        object.__setattr__(self, "step_size", checks.positive(self.step_size, "`step_size` (η)"))

    def __call__(self, world: PairedData, objective: Any, seed: int) -> dict[str, float]:
        """Where training ends."""
        from mmcl.training import TrainingDiverged, train

        settings = {one.name: getattr(self, one.name) for one in fields(self)}
        rng = stream(seed, {"run": self, "world": world, "objective": objective})
        try:
            run = train(world, objective, rng=rng, progress=False, **settings)
        except TrainingDiverged:  # one cell of many: the table says so, and the others go on
            return {one.name: np.nan for one in ENDS} | {"diverged": 1.0}
        return end(run) | {"diverged": 0.0}


@dataclass(frozen=True)
class Followed:
    """A cell that follows the exact flow at infinite width.

    Attributes:
        until: the end of gradient-flow time.

    Raises:
        TypeError, ValueError: unless it is positive.
    """

    until: float = 400.0

    quantities = ENDS
    random = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "until", checks.positive(self.until, "`until` (t)"))

    def __call__(self, world: PairedData, objective: Any) -> dict[str, float]:
        """Where the flow ends."""
        from mmcl.flow import gradient_flow

        times = np.concatenate([[0.0], self.until * np.geomspace(1e-4, 1.0, 200)])
        return end(gradient_flow(world, objective, times))


@dataclass(frozen=True)
class Varied:
    """A cell of a grid: one world, one objective and one run, of which the axes change some fields.

    Attributes:
        run: how a cell runs.
        world: of which the axes may change fields.
        objective: likewise.
    """

    run: Trained | Followed
    world: PairedData
    objective: Any

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a cell gives."""
        return self.run.quantities

    @property
    def fields(self) -> dict[str, str]:
        """What an axis may change: which of the three parts has a field of that name."""
        parts = ("run", "world", "objective")
        return {one.name: part for part in parts for one in fields(getattr(self, part)) if one.init}

    def value(self, field: str) -> Any:
        """The field of that name, as the part that has it keeps it."""
        return getattr(getattr(self, self.fields[field]), field)

    def changed(self, changes: Mapping[str, Any]) -> Varied:
        """The same with other fields."""
        parts: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            parts.setdefault(self.fields[name], {})[name] = value
        return replace(self, **{part: replace(getattr(self, part), **own) for part, own in parts.items()})

    def __call__(self, **place: Any) -> dict[str, float]:
        """Where the run of this place ends."""
        seed = {"seed": place.pop("seed")} if self.run.random else {}
        here = self.changed(place)
        return here.run(here.world, here.objective, **seed)


def stream(seed: int, configuration: Any) -> np.random.Generator:
    """Random numbers of one cell: they depend on its seed and its configuration, on no order and on no machine."""
    name = hashed(json.dumps(described(configuration), sort_keys=True))
    return np.random.default_rng([seed, int(name, 16)])


def end(path: Trajectory) -> dict[str, float]:
    """Every quantity of `ENDS`."""
    noise_a, noise_b = path.noise_share[-1]
    return {
        "alignment": float(path.alignment[-1]),
        "condition_number": float(path.condition_number[-1]),
        "condition_number_b": float(path.condition_number_b[-1]),
        "noise_share_a": float(noise_a),
        "noise_share_b": float(noise_b),
        "effective_rank": float(path.effective_rank[-1]),
        "loss": float(path.loss[-1]),
        "alignment_time": first_time(path.time, path.alignment, ALIGNED),
    }


def first_time(time: Float[Array, " T"], rising: Float[Array, " T"], level: float) -> float:
    """When a series first reaches a level, on the straight lines between its points; NaN if it does not.

    >>> first_time(np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 1.0]), 0.75)
    2.0
    """
    above = np.flatnonzero(rising >= level)
    if not above.size:
        return float("nan")
    at = int(above[0])
    if at == 0:
        return float(time[0])
    share = (level - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(time[at - 1] + share * (time[at] - time[at - 1]))
