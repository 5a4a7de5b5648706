"""Many learners of one world, stacked: a step of all of them is a few batched products of torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl.data import PairedData
from mmcl.latents import Signs, random_bits
from mmcl.objectives import InBatchInfoNCE, Objective
from mmcl.pair import Pair
from mmcl.training.descent import in_axes
from mmcl.training.initial import Weights
from mmcl.training.record import recorded
from mmcl.training.stacked_scores import slope_in_r

PART = 2**20  # numbers that a processor takes at once: fewer leave its threads idle, more leave the caches
LARGE_PART = 2**27  # elsewhere: a gigabyte in double precision
SMALL = 2**19  # signs in a step; below, the threads of a product cost more than they bring


class Moved(NamedTuple):
    r"""What a few steps of all learners came to.

    Attributes:
        state: their factors.
        first: the losses of the first batch, before its step.
        last: those of the last.
        growth: $\|W\|^2$ over its start, afterwards.
        rows: what the records hold of the state before, learner by learner, if it was asked for.
    """

    state: Tensor
    first: Float[Array, " S"]
    last: Float[Array, " S"]
    growth: Float[Array, " S"]
    rows: list[dict[str, object]] | None


class Learners:
    """All learners, their factors stacked: F of shape (S, D, k) as in `Descent`.

    Args:
        workers: threads that may prepare them.
    """

    stretch = 1  # steps that can be taken in one go

    def __init__(
        self,
        data: PairedData,
        objectives: Sequence[Objective],
        starts: Sequence[Weights],
        batch_size: int,
        dtype: type,
        device: torch.device,
        workers: int,
    ) -> None:
        self.data, self.objectives, self.batch_size, self.dtype, self.device = (
            data, objectives, batch_size, dtype, device,
        )  # fmt: skip
        self.split = data.views.a.ambient_dim
        self.units = Pair(*(float(view.scales.max()) for view in data.views))
        scales = np.concatenate([view.scales / unit for view, unit in zip(data.views, self.units, strict=True)])
        self.scales = self._moved(scales)[:, None]
        self.column = self._moved(scales.astype(dtype))[:, None]
        with ThreadPoolExecutor(workers) as pool:
            stacked = list(pool.map(lambda start: np.linalg.qr(in_axes(data, start).T), starts))
        self.frames = [frame for frame, _ in stacked]
        self.state = self._moved(np.stack([triangle.T for _, triangle in stacked]))
        self._spare = torch.empty_like(self.state)
        self.norm_at_start = torch.linalg.vector_norm(self.state, dim=(1, 2)).square()
        self.small = len(starts) * batch_size * len(scales) < SMALL
        scores = 3 * batch_size if isinstance(objectives[0], InBatchInfoNCE) else 0  # and two softmaxes, of a pair
        at_once = max(1, (PART if device.type == "cpu" else LARGE_PART) // (batch_size * (len(scales) + scores)))
        self.parts = [slice(first, first + at_once) for first in range(0, len(starts), at_once)]
        tau2 = np.array([getattr(one, "inverse_temperature", 1.0) for one in objectives])
        with np.errstate(divide="ignore", over="ignore"):
            self.tau2 = self._moved(tau2.astype(dtype))
            weights = np.log(np.array([getattr(one, "negatives", 1.0) for one in objectives], float))
        self.log_k = self._moved(weights.astype(dtype))

    def _moved(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    @property
    def latent(self) -> Pair[Tensor]:
        """$K_A,K_B$ of every learner."""
        k = self.scales * self.state
        return Pair(k[:, : self.split], k[:, self.split :])

    def signs(self, rngs: Sequence[np.random.Generator]) -> Pair[Tensor]:
        """A batch for every learner, of the numbers that `PairedData.signs` would draw."""
        r, count = self.data.signal_dim, sum(view.ambient_dim for view in self.data.views)
        shape = self.batch_size, count - r
        if isinstance(self.data.latents, Signs) and self.device.type != "cpu":
            return self._sent(rngs, shape)
        sizes = ((len(rngs), self.batch_size, view.ambient_dim) for view in self.data.views)
        place: Pair[Array] = Pair(*(np.empty(size, self.dtype) for size in sizes))
        for a, b, rng in zip(*place, rngs, strict=True):
            drawn = self.data.latents.draw(shape, rng=rng, dtype=self.dtype)
            a[:], b[:, :r], b[:, r:] = drawn[:, : self.split], drawn[:, :r], drawn[:, self.split :]
        return Pair(*map(self._moved, place))

    def _sent(self, rngs: Sequence[np.random.Generator], shape: tuple[int, int]) -> Pair[Tensor]:
        """Fair signs that travel as bits: to most devices the way takes longer than the arithmetic there."""
        (n, count), r = shape, self.data.signal_dim
        packed = self._moved(np.stack([random_bits(n * count, rng) for rng in rngs]))
        places = torch.arange(7, -1, -1, dtype=torch.uint8, device=self.device)
        bits = (packed[:, :, None] >> places).bitwise_and_(1).flatten(1)[:, : n * count]
        signs = bits.reshape(-1, n, count).to(self.column.dtype).mul_(-2).add_(1)
        return Pair(signs[:, :, : self.split], torch.cat([signs[:, :, :r], signs[:, :, self.split :]], dim=2))

    def moved(self, size: float, rngs: Sequence[np.random.Generator], steps: int, *, with_rows: bool) -> Moved:
        """What `steps` of descent, at most `stretch`, come to; the present state stays as it is."""
        state, rows = self._spare, self.rows() if with_rows else None
        losses = torch.cat([self._step(part, size, rngs[part], state[part]) for part in self.parts])
        growth = torch.linalg.vector_norm(state, dim=(1, 2)).square() / self.norm_at_start
        told = torch.stack([losses.double(), growth]).cpu().numpy()  # the processor waits for the device but once
        return Moved(state, told[0], told[0], told[1], rows)

    def accept(self, moved: Moved) -> None:
        """Go on from there; the place of the present state is free for the next."""
        self._spare, self.state = self.state, moved.state

    def _step(self, part: slice, size: float, rngs: Sequence[np.random.Generator], state: Tensor) -> Tensor:
        """A step of some of the learners into `state`; as `Descent.step`, in the arithmetic of the batch."""
        signs = self.signs(rngs)
        k = self.column * self.state[part].to(signs.a.dtype)
        k_a, k_b = k[:, : self.split], k[:, self.split :]
        ab = k_a @ k_b.mT
        squares = k.square().sum(dim=2)
        norms = [part.sum(dim=1)[:, None, None] for part in squares.tensor_split([self.split], dim=1)]
        scale = (norms[0] * norms[1]).sqrt()
        loss, x = slope_in_r(
            type(self.objectives[0]), ab / scale, signs, self.tau2[part], self.log_k[part], self.data.latents
        )
        x /= scale
        through = -(x * ab).sum(dim=(1, 2), keepdim=True)  # twice the slope in log N²
        slope = torch.cat([through / norms[0] * k_a + x @ k_b, through / norms[1] * k_b + x.mT @ k_a], dim=1)
        torch.sub(self.state[part], slope.mul_(self.column).double(), alpha=size, out=state)
        return loss

    def rows(self) -> list[dict[str, object]]:
        """What the records hold of the present state, learner by learner."""
        together = recorded(self.data, self.units, self.scales[:, 0].cpu().numpy(), self.state.cpu().numpy())
        return [{name: column[i] for name, column in together.items()} for i in range(len(self.frames))]
