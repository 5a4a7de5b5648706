"""Many learners of InfoNCE on fair signs, on a processor: compiled steps, the learners dealt out to threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import torch
from numpy import ndarray as Array
from torch import Tensor

from mmcl.data import PairedData
from mmcl.latents import random_bits
from mmcl.objectives import InfoNCE, Objective
from mmcl.training.initial import Weights
from mmcl.training.learners import Learners
from mmcl.training.sign_batch import SignBatch
from mmcl.training.sign_kernel import stepped
from mmcl.training.sign_step import SignStep

FEW = 2  # learners at a time: fewer cost more calls, more leave a thread idle at the end of a step


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
        super().__init__(data, objectives, starts, batch_size, dtype, torch.device("cpu"))
        self._infonce = [one for one in objectives if isinstance(one, InfoNCE)]
        self._tau2 = np.array([one.inverse_temperature for one in self._infonce])
        self._weights = np.array([one.negatives for one in self._infonce])
        self._bits = batch_size * (2 * self.split - data.signal_dim)
        self._packed = np.empty((len(starts), 8 * -(-self._bits // 64)), np.uint8)
        self._squares = np.empty(len(starts))
        scales = self.scales.numpy().ravel()
        self._benches = [
            (SignBatch.empty(batch_size, self.split, dtype), SignStep(scales, tuple(self.state.shape[1:]), dtype))
            for _ in range(min(workers, -(-len(starts) // FEW)))
        ]
        self._pool = ThreadPoolExecutor(max(1, len(self._benches) - 1), "mmcl-learners")

    def moved(self, size: float, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Array]:
        """The factors after a step of descent, and the losses before it."""
        state, self._spare = self._spare, self.state
        before, after, losses, shared = self.state.numpy(), state.numpy(), np.empty(len(rngs)), self.data.signal_dim

        todo = iter(range(0, len(rngs), FEW))  # a thread takes the next few when it is done, for cores differ in speed

        def work(signs: SignBatch, step: SignStep) -> None:
            for first in todo:
                few = slice(first, first + FEW)
                for place, rng in zip(self._packed[few], rngs[few], strict=True):
                    place[:] = random_bits(self._bits, rng)
                step.each(
                    before[few], self._packed[few], shared, self._tau2[few], self._weights[few], size, signs,
                    after[few], losses[few], self._squares[few],
                )  # fmt: skip

        others = [self._pool.submit(work, *bench) for bench in self._benches[1:]]
        try:
            work(*self._benches[0])
        finally:
            wait(others)  # on an interrupt too: no thread draws from the caller's generators once this is left
        for other in others:
            other.result()
        for i in np.flatnonzero(~np.isfinite(losses)):  # an exponential was too large: in the general form
            signs, general = self._benches[0]
            slope = general.slope(self._infonce[i], before[i], signs.spread(self._packed[i], shared))
            losses[i], self._squares[i] = slope.loss, stepped(before[i], slope.in_factor, size, after[i])
        return state, losses

    def growth(self, state: Tensor) -> Array:
        r"""$\|W\|^2$ of every learner over its start, after the last step."""
        return self._squares / self.norm_at_start.numpy()
