"""The loop that every training run shares: step, record, report, and never lose what was recorded."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from mmcl.temperature import LearnedTemperature
from mmcl.training.initial import Weights
from mmcl.training.plan import Plan
from mmcl.training.stopped import TrainingDiverged, TrainingInterrupted
from mmcl.training.thermostat import Thermostat
from mmcl.training.threads import threads
from mmcl.trajectory import Trajectory

# Gradient flow conserves ‖W‖²; a run that multiplied it by this much took steps that have nothing to do with the flow,
# and since outputs are normalised its effective step has shrunk as much: it is frozen, wherever it happened to land.
RUNAWAY = 100.0


class Learner(Protocol):
    """What the loop needs of a run."""

    objective: Any  # an Objective, or one of the family
    loss: float  # of the last batch
    slope: float  # ∂L/∂log τ² of the last batch
    small: bool  # whether NumPy's matrix products in it are faster on one thread
    by_torch: bool  # whether it is torch that multiplies in its steps, on threads of its own
    memory: Any  # the optimizer's; a step replaces it whole

    @property
    def state(self) -> Any:
        """Everything that a step changes, as one immutable value."""
        ...

    @state.setter
    def state(self, value: Any) -> None: ...

    @property
    def growth(self) -> float:
        """‖W‖² over its value at the start of the run."""
        ...

    @property
    def weights(self) -> Weights:
        """The weights as they are now."""
        ...

    @property
    def kept(self) -> Mapping[str, Any] | None:
        """What a continued run needs beside the weights."""
        ...

    def step(self, size: float, rng: np.random.Generator | None) -> None:
        """One step of descent, replacing `state` whole; `loss` and `slope` become those of its batch, before it."""
        ...

    def row(self) -> dict[str, object]:
        """The present state as a row of the record, without its loss."""
        ...


def descend(learner: Learner, plan: Plan) -> Trajectory:
    """Take the plan's steps, recording the start, every `record_every`-th step and the end.

    The loss of a row is that of the batch which the following step uses; no step follows the last row, which repeats
    the loss of the last batch.

    Raises:
        TrainingInterrupted, TrainingDiverged: with the record so far, from which the run can be continued.
    """
    with threads(1 if learner.small else None, torch_too=not learner.by_torch):
        return _descend(learner, plan)


def _descend(learner: Learner, plan: Plan) -> Trajectory:
    earlier = None
    if plan.start is not None and (plan.start.learner_state or {}).get("learned"):
        earlier = float(plan.start.inverse_temperature[-1])
    heat = Thermostat(learner.objective, plan.temperature, earlier)
    record = _Record(learner, plan, heat)
    silent = None if plan.progress is None else not plan.progress  # None: shown on a terminal only
    bar = tqdm(range(plan.steps), desc="train", unit="step", delay=2.0, disable=silent, file=sys.stderr, leave=False)
    # What an interrupt goes back to, always replaced whole: steps done, weights, memory, temperature, random state.
    moment = (0, (learner.state, learner.memory), heat.value, _random(plan))
    try:
        for done in bar:
            learner.objective = heat.set(record.time(done))
            moment = (done, (learner.state, learner.memory), heat.value, _random(plan))
            row = learner.row() if done % plan.record_every == 0 else None
            with np.errstate(over="ignore", invalid="ignore"):  # a runaway is reported below, in a sentence
                learner.step(plan.step_size, plan.rng)
                heat.step(plan.step_size, learner.slope)
                sound = learner.growth <= RUNAWAY and heat.sound
            if not sound:
                done, (learner.state, learner.memory), heat.value, random = moment
                raise TrainingDiverged(record.closed(done, random), step_size=plan.step_size)
            if row is not None:
                record.rows.append((done, row | {"loss": learner.loss, "inverse_temperature": moment[2]}))
        heat.set(record.time(plan.steps))
        moment = (plan.steps, (learner.state, learner.memory), heat.value, _random(plan))
        return record.closed(plan.steps, moment[3])
    except KeyboardInterrupt:
        done, (learner.state, learner.memory), heat.value, random = moment
        raise TrainingInterrupted(record.closed(done, random)) from None


def _random(plan: Plan) -> Mapping[str, Any] | None:
    return None if plan.rng is None else plan.rng.bit_generator.state


class _Record:
    """The rows so far, and what came before them."""

    def __init__(self, learner: Learner, plan: Plan, heat: Thermostat) -> None:
        self.learner, self.plan, self.heat = learner, plan, heat
        self.rows: list[tuple[int, dict[str, object]]] = []

    def steps(self, done: int) -> int:
        """Steps taken in all, those of the earlier run included."""
        return done + (self.plan.start.steps if self.plan.start is not None else 0)

    def time(self, done: int) -> float:
        """Gradient-flow time after `done` steps of this run; of one with the same steps before, to the last digit."""
        size, start = self.plan.step_size, self.plan.start
        before = 0.0 if start is None else float(start.time[-1])
        if start is not None and math.isclose(before, start.steps * size, rel_tol=1e-12):
            return self.steps(done) * size
        return done * size + before

    def closed(self, done: int, random: Mapping[str, Any] | None) -> Trajectory:
        """The record, ended by the present state."""
        rows = [entry for entry in self.rows if entry[0] < done]
        last = {"loss": self.learner.loss, "inverse_temperature": self.heat.value}
        rows.append((done, self.learner.row() | last))
        series = {name: np.array([row[name] for _, row in rows]) for name in rows[0][1]}
        kept = self.learner.kept
        if kept is not None:
            kept = {**kept, "learned": isinstance(self.plan.temperature, LearnedTemperature)}
        return Trajectory(
            time=np.array([self.time(step) for step, _ in rows]),
            weights=self.learner.weights,
            rng_state=random,
            steps=self.steps(done),
            learner_state=kept,
            **series,
        )
