"""Many learners of InfoNCE on fair signs, on a processor: compiled steps, the learners dealt out to threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
import torch

from mmcl.data import PairedData
from mmcl.latents import random_bits
from mmcl.objectives import InfoNCE, Objective
from mmcl.training.initial import Weights
from mmcl.training.learners import Learners, Moved
from mmcl.training.loop import RUNAWAY
from mmcl.training.sign_batch import SignBatch
from mmcl.training.sign_step import SignStep

STEPS = 16  # of a learner in one go: enough to forget what a call costs, few enough to be interrupted
LONG = 2**27  # products of a sign and a number; a go that has more of them is shorter


class SignLearners(Learners):
    """`Learners` whose every step is that of `train`.

    Args:
        workers: threads; what is compiled lets go of the interpreter's lock.
    """

    def __init__(
        self,
        data: PairedData,
        objectives: Sequence[Objective],
        starts: Sequence[Weights],
        batch_size: int,
        dtype: type,
        workers: int,
    ) -> None:
        super().__init__(data, objectives, starts, batch_size, dtype, torch.device("cpu"), workers)
        self._infonce = [one for one in objectives if isinstance(one, InfoNCE)]
        self._words = -(-batch_size * (2 * self.split - data.signal_dim) // 64)  # of random bits in a batch
        self._limits = RUNAWAY * self.norm_at_start.numpy()
        self.stretch = max(1, min(STEPS, LONG // (4 * batch_size * self.split**2)))
        scales = self.scales.numpy().ravel()
        self._benches = [
            (SignBatch.empty(batch_size, self.split, dtype), SignStep(scales, tuple(self.state.shape[1:]), dtype))
            for _ in range(min(workers, len(starts)))
        ]
        self._pool = ThreadPoolExecutor(max(1, len(self._benches) - 1), "mmcl-learners")

    def moved(self, size: float, rngs: Sequence[np.random.Generator], steps: int, *, with_rows: bool) -> Moved:
        """What `steps` of descent, at most `stretch`, come to; a learner that runs away stops where it does."""
        before, after = self.state.numpy(), self._spare.numpy()
        losses, squares = np.full((len(rngs), steps), np.nan), np.empty(len(rngs))
        todo = iter(range(len(rngs)))  # a thread takes the next learner when it is done, for cores differ in speed

        def work(signs: SignBatch, step: SignStep) -> None:
            for i in todo:
                packed = random_bits(64 * self._words * steps, rngs[i]).reshape(steps, -1)
                squares[i] = step.walked(
                    self._infonce[i], before[i], packed, self.data.signal_dim, size, self._limits[i], signs, after[i],
                    losses[i],
                )  # fmt: skip

        others: list[Future[None]] = []
        try:
            for bench in self._benches[1:]:
                others.append(self._pool.submit(work, *bench))
            rows = self.rows() if with_rows else None  # of the state before, while the others are at work already
            work(*self._benches[0])
        finally:
            for _ in todo:  # on an interrupt, nothing is left for the others
                pass
            _waited(others)  # no thread draws from the caller's generators once this is left
        for other in others:
            other.result()
        return Moved(self._spare, losses[:, 0], losses[:, -1], squares / self.norm_at_start.numpy(), rows)


def _waited(others: Sequence[Future[None]]) -> None:
    """Until all are done, though it be interrupted."""
    try:
        wait(others)
    except KeyboardInterrupt:
        wait(others)
        raise
