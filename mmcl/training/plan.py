"""How a run is to be trained, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmcl import checks
from mmcl.temperature import AnnealedTemperature, LearnedTemperature, StagewiseTemperature, Temperature
from mmcl.trajectory import Trajectory

NORMALIZATIONS = ("population", "batch", "sample")


@dataclass(frozen=True)
class Plan:
    """The settings of `mmcl.train` that do not depend on the data; documented there."""

    step_size: float
    steps: int
    batch_size: int | None
    record_every: int
    normalization: str
    rng: np.random.Generator | None
    start: Trajectory | None
    progress: bool | None
    temperature: Temperature | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_size", checks.positive(self.step_size, "`step_size` (η)"))
        for name, symbol in (("steps", ""), ("record_every", ""), ("batch_size", " (n)")):
            if name != "batch_size" or self.batch_size is not None:
                object.__setattr__(self, name, checks.whole(getattr(self, name), f"`{name}`{symbol}"))
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {', '.join(map(repr, NORMALIZATIONS))}; got {self.normalization!r}."
            )
        if self.progress is not None:
            checks.flag(self.progress, "`progress`")
        if self.temperature is not None:
            kinds = (LearnedTemperature, StagewiseTemperature, AnnealedTemperature)
            checks.kind(self.temperature, kinds, "`temperature`")
        if self.start is not None:
            checks.kind(self.start, Trajectory, "`start`")
            if self.start.weights is None:
                raise ValueError("`start` must be a Trajectory from `train`, with final weights; got one from theory.")
            if len(self.start) == 0:
                raise ValueError("`start` must hold at least one recorded time; got an empty Trajectory.")
