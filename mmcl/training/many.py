r"""Many learners of one world at once: batched products on any device of torch, or compiled steps on threads.

The step is that of `mmcl.training.descent` with one more axis in front. InfoNCE on fair signs, on a processor, takes
the very step of `train`, its learners dealt out to threads, which take several steps of one before they turn to the
next. Every learner has random numbers of its own, in the order in which `train` draws them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy import ndarray as Array
from numpy.typing import DTypeLike
from tqdm import tqdm

from mmcl import checks
from mmcl.data import PairedData
from mmcl.objectives import InBatchInfoNCE, InfoNCE, Objective, PositiveOnly
from mmcl.training.descent import in_coordinates
from mmcl.training.initial import Weights
from mmcl.training.learners import Learners
from mmcl.training.loop import RUNAWAY
from mmcl.training.optimizer import GradientDescent
from mmcl.training.plan import Plan
from mmcl.training.sign_batch import takes_signs
from mmcl.training.sign_learners import SignLearners
from mmcl.training.stopped import TrainingDiverged, TrainingInterrupted
from mmcl.training.threads import available, threads
from mmcl.trajectory import Trajectory


def train_many(
    data: PairedData,
    objective: Objective | Sequence[Objective],
    *,
    rngs: Sequence[np.random.Generator],
    step_size: float,
    steps: int,
    batch_size: int,
    width: int | None = None,
    weights: Weights | None = None,
    record_every: int | None = None,
    dtype: DTypeLike = np.float64,
    device: str = "cpu",
    progress: bool | None = None,
) -> list[Trajectory]:
    r"""Train many learners of one world at once, each as `train` would train it, up to round-off.

    InfoNCE on fair signs runs compiled, the learners on threads; all else is batched products, on any device.

    >>> data = PairedData(signal_a=(2.0, 1.0), ambient_dim=8)
    >>> settings = {"width": 16, "step_size": 0.1, "steps": 5, "batch_size": 32}
    >>> runs = train_many(data, InfoNCE(4.0), rngs=np.random.default_rng(0).spawn(3), **settings)
    >>> [run.steps for run in runs]
    [5, 5, 5]

    Args:
        data: the world.
        objective: InfoNCE, InBatchInfoNCE or PositiveOnly: of all of them, or one for each, all of one kind.
        rngs: one generator for each learner: where its weights and batches come from.
        step_size: η.
        steps: how many steps.
        batch_size: n, fresh pairs a step for every learner.
        width: m; not needed where `weights` are given.
        weights: initial $W_A,W_B$ of all of them, shapes (d, m); None: independent $\mathcal N(0,1/m)$ entries.
        record_every: steps between two rows of the records; None: about 200 rows.
        dtype: of the arithmetic of a batch, float64 or float32; the weights themselves are kept in float64.
        device: where the products are formed: "cpu", "cuda" or another that torch knows.
        progress: a progress bar: True, False, or None for one on long work at a terminal.

    Returns:
        One `Trajectory` for each learner; any of them can be the `start` of `train`.

    Raises:
        TypeError, ValueError: on arguments that do not fit, in one sentence.
        TrainingDiverged: if the step size was too large for one of them; carries the records of all so far.
        TrainingInterrupted: on Ctrl-C; likewise.
    """
    from mmcl.training import precision, starting_weights

    data = checks.kind(data, PairedData, "`data`")
    rngs = _sequence(rngs, "`rngs`")
    for rng in rngs:
        checks.generator(rng, "each of `rngs`")
    if len({id(rng.bit_generator) for rng in rngs}) < len(rngs):
        raise ValueError(
            "`rngs` must be different generators, or the learners would share their batches; got one twice."
        )
    every = max(1, checks.whole(steps, "`steps`") // 200) if record_every is None else record_every
    n = checks.whole(batch_size, "`batch_size` (n)")
    plan = Plan(step_size, steps, n, every, "population", None, None, progress)
    objectives = _objectives(objective, len(rngs))
    place, kind, workers = _device(device), precision(dtype), available()
    starts = [starting_weights(data, objectives[0], width, weights, None, rng, kind) for rng in rngs]
    with threads(1):
        if place.type == "cpu" and takes_signs(data) and isinstance(objectives[0], InfoNCE):
            return _descend(SignLearners(data, objectives, starts, n, kind, workers), plan, list(rngs))
        learners = Learners(data, objectives, starts, n, kind, place, workers)
    with threads(1 if learners.small else None):
        return _descend(learners, plan, list(rngs))


def _sequence(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not len(value):
        raise TypeError(f"{name} must be a list with one entry for each learner; got {type(value).__name__}.")
    return value


def _objectives(objective: Objective | Sequence[Objective], count: int) -> Sequence[Objective]:
    """One for each learner, all of one kind."""
    several: list[Any] = list(objective) if isinstance(objective, list | tuple) else [objective] * count
    for one in several:
        checks.kind(one, (InfoNCE, InBatchInfoNCE, PositiveOnly), "`objective`")
    if len(several) != count:
        raise ValueError(f"`objective` must be one, or one for each of the {count} `rngs`; got {len(several)}.")
    if len({type(one) for one in several}) > 1:
        names = ", ".join(sorted({type(one).__name__ for one in several}))
        raise TypeError(f"`objective` must be of one kind for all learners; got {names}.")
    return several


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, TypeError, AssertionError, NotImplementedError, ImportError):
        raise ValueError(f"`device` must be one that torch can use here, in double precision; got {name!r}.") from None
    return device


def _descend(learners: Learners, plan: Plan, rngs: list[np.random.Generator]) -> list[Trajectory]:
    """Take the plan's steps, several at once where the learners can; rows and losses as in `mmcl.training.loop`."""
    silent = None if plan.progress is None else not plan.progress
    bar = tqdm(total=plan.steps, desc="train", unit="step", delay=2.0, disable=silent, file=sys.stderr, leave=False)
    rows: list[tuple[int, list[dict[str, object]]]] = []
    stretch = learners.stretch
    # What an interrupt goes back to, always replaced whole: steps done, factors, losses, random states.
    moment = (0, learners.state, np.full(len(rngs), np.nan), [rng.bit_generator.state for rng in rngs])
    try:
        while moment[0] < plan.steps:
            done, *_, random = moment
            steps = min(stretch, plan.steps - done, plan.record_every - done % plan.record_every)
            moved = learners.moved(plan.step_size, rngs, steps, with_rows=done % plan.record_every == 0)
            if not (moved.growth <= RUNAWAY).all():
                if steps == 1:
                    records = _records(learners, plan, rows, (done, learners.state, moved.first, random))
                    worst = int(np.argmin(moved.growth <= RUNAWAY))
                    raise TrainingDiverged(records[worst], step_size=plan.step_size, together=records)
                stretch = 1  # these again one by one, for the records end before the step at fault
                for rng, before in zip(rngs, random, strict=True):
                    rng.bit_generator.state = before
                continue
            if moved.rows is not None:
                rows.append((done, [row | {"loss": float(x)} for row, x in zip(moved.rows, moved.first, strict=True)]))
            learners.accept(moved)  # the factors before stay as they are until the next step
            moment = (done + steps, moved.state, moved.last, [rng.bit_generator.state for rng in rngs])
            bar.update(steps)
        return _records(learners, plan, rows, moment)
    except KeyboardInterrupt:
        records = _records(learners, plan, rows, moment)
        raise TrainingInterrupted(records[0], records) from None
    finally:
        bar.close()


def _records(
    learners: Learners,
    plan: Plan,
    rows: list[tuple[int, list[dict[str, object]]]],
    moment: tuple[int, torch.Tensor, Array, list[Any]],
) -> list[Trajectory]:
    """The records of all learners, ended by this moment: steps done, factors, losses, random states."""
    done, learners.state, losses, random = moment
    last = [row | {"loss": float(value)} for row, value in zip(learners.rows(), losses, strict=True)]
    kept = [entry for entry in rows if entry[0] < done] + [(done, last)]
    time = plan.step_size * np.array([step for step, _ in kept])
    factors = learners.state.cpu().numpy()
    return [
        Trajectory(
            time=time,
            inverse_temperature=np.full(len(kept), getattr(learners.objectives[i], "inverse_temperature", np.nan)),
            weights=in_coordinates(learners.data, factors[i] @ learners.frames[i].T),
            rng_state=random[i],
            steps=done,
            learner_state={
                "optimizer": GradientDescent, "memory": None, "factor": factors[i].copy(), "frame": learners.frames[i],
            },
            **{name: np.array([own[i][name] for _, own in kept]) for name in last[i]},
        )
        for i in range(len(random))
    ]  # fmt: skip
