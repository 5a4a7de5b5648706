"""Many learners of InfoNCE on fair signs, on a processor: compiled steps, the learners dealt out to threads."""

from __future__ import annotations

from collections import deque
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

STEPS = 16  # of a learner at a time: enough to forget what a call costs, few enough to be interrupted
LONG = 2**27  # products of a sign and a number; with more of them it is fewer steps
PIECES = 128  # of so many steps, of all learners, in one go: threads seldom wait for the one that ends last


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
        self._piece, self.stretch = lengths(len(starts), 4 * batch_size * self.split**2)
        scales = self.scales.numpy().ravel()
        self._benches = [
            (SignBatch.empty(batch_size, self.split, dtype), SignStep(scales, tuple(self.state.shape[1:]), dtype))
            for _ in range(min(workers, len(starts)))
        ]
        self._pool = ThreadPoolExecutor(max(1, len(self._benches) - 1), "mmcl-learners")

    def moved(self, size: float, rngs: Sequence[np.random.Generator], steps: int, *, with_rows: bool) -> Moved:
        """What `steps` of descent, at most `stretch`, come to; a learner that runs away stops where it does."""
        before, after = list(self.state.numpy()), self._spare.numpy()
        losses, squares = np.full((len(rngs), steps), np.nan), np.empty(len(rngs))
        # A thread takes the learner that waits longest, for cores differ in speed, and puts it back after a few steps.
        waiting, stopped = deque((i, 0) for i in range(len(rngs))), False

        def work(signs: SignBatch, step: SignStep) -> None:
            while not stopped:
                try:
                    i, done = waiting.popleft()
                except IndexError:
                    return
                count = min(self._piece, steps - done)
                packed = random_bits(64 * self._words * count, rngs[i]).reshape(count, -1)
                squares[i] = step.walked(
                    self._infonce[i], before[i], packed, self.data.signal_dim, size, self._limits[i], signs, after[i],
                    losses[i, done : done + count],
                )  # fmt: skip
                if done + count < steps and squares[i] <= self._limits[i]:
                    before[i] = after[i]
                    waiting.append((i, done + count))

        others: list[Future[None]] = []
        try:
            for bench in self._benches[1:]:
                others.append(self._pool.submit(work, *bench))
            rows = self.rows() if with_rows else None  # of the state before, while the others are at work already
            work(*self._benches[0])
        except BaseException:  # an interrupt: the others stop too
            stopped = True
            raise
        finally:
            _waited(others)  # no thread draws from the caller's generators once this is left
        for other in others:
            other.result()
        return Moved(self._spare, losses[:, 0], losses[:, -1], squares / self.norm_at_start.numpy(), rows)


def lengths(count: int, work: int) -> tuple[int, int]:
    """How many steps each of so many learners takes at a time, and in a go, where a step has so many products."""
    piece = max(1, min(STEPS, LONG // work))
    return piece, max(piece, min(piece * (PIECES // count), PIECES * LONG // (count * work)))


def _waited(others: Sequence[Future[None]]) -> None:
    """Until all are done, though it be interrupted."""
    try:
        wait(others)
    except KeyboardInterrupt:
        wait(others)
        raise
