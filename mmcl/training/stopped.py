"""A run that ended early keeps its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcl.trajectory import Trajectory


class TrainingInterrupted(KeyboardInterrupt):
    """The user stopped a run.

    Attributes:
        trajectory: the record up to the last finished step; pass it as `start` to go on.
        trajectories: those of all runs that went on together; this one alone from `train`.
    """

    def __init__(self, trajectory: Trajectory, together: Sequence[Trajectory] = ()) -> None:
        super().__init__(
            f"Training was interrupted after step {trajectory.steps} (t = {trajectory.time[-1]:g}); "
            f"the record up to there is in `.trajectory`, and training goes on from it as `start`."
        )
        self.trajectory, self.trajectories = trajectory, tuple(together) or (trajectory,)

    def __reduce__(self) -> tuple[Any, ...]:  # on its way from another process
        return TrainingInterrupted, (self.trajectory, self.trajectories)


class TrainingDiverged(ArithmeticError):
    """A step threw the weights far away from anything that gradient flow, which conserves their norm, could reach.

    Attributes:
        trajectory: the record up to the last finite step; pass it as `start`, with a smaller step, to go on.
        step_size: η, which was too large.
        trajectories: those of all runs that went on together; this one alone from `train`.
    """

    def __init__(self, trajectory: Trajectory, *, step_size: float, together: Sequence[Trajectory] = ()) -> None:
        super().__init__(
            f"Training diverged at step {trajectory.steps + 1} (t = {trajectory.time[-1] + step_size:g}): one step "
            f"threw the weights' norm, which gradient flow conserves, or a learned temperature out of bounds; lower "
            f"`step_size` (η), which was {step_size:g}."
        )
        self.step_size = step_size
        self.trajectory, self.trajectories = trajectory, tuple(together) or (trajectory,)

    def __reduce__(self) -> tuple[Any, ...]:  # likewise
        return _diverged, (self.trajectory, self.step_size, self.trajectories)


def _diverged(trajectory: Trajectory, step_size: float, together: Sequence[Trajectory]) -> TrainingDiverged:
    return TrainingDiverged(trajectory, step_size=step_size, together=together)
