"""What the engine is held against: a plain PyTorch loop with open_clip's loss, autograd and plain descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.competitors import open_clip
from mmcl import InBatchInfoNCE, PairedData, train
from mmcl.pair import Pair
from mmcl.training import gaussian_weights

SINGLE, DOUBLE = torch.float32, torch.float64
NUMPY = {SINGLE: np.float32, DOUBLE: np.float64}


@dataclass(frozen=True)
class PlainLoop:
    """Two linear towers, outputs normalised in expectation, twice open_clip's loss (the sum of its two directions)."""

    data: PairedData
    inverse_temperature: float
    batch_size: int
    dtype: torch.dtype

    def run(self, weights: Pair[np.ndarray], steps: int, step_size: float, seed: int) -> Pair[np.ndarray]:
        """So many steps on fresh batches."""
        leaves, loss, scales = self._leaves(weights), open_clip(), self._scales()
        optimizer = torch.optim.SGD(leaves, lr=step_size)
        for signs in self._batches(seed, steps):
            value = self._loss(leaves, signs, scales, loss)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        return Pair(*(w.detach().numpy() for w in leaves))

    def gradients(self, weights: Pair[np.ndarray], count: int, seed: int) -> Iterator[np.ndarray]:
        """The gradients of so many batches at the same weights, flattened."""
        leaves, loss, scales = self._leaves(weights), open_clip(), self._scales()
        for signs in self._batches(seed, count):
            found = torch.autograd.grad(self._loss(leaves, signs, scales, loss), leaves)
            yield torch.cat([g.flatten() for g in found]).double().numpy()

    def gradient_on(self, weights: Pair[np.ndarray], signs: Pair[np.ndarray]) -> Pair[np.ndarray]:
        """The gradient of one given batch."""
        leaves = self._leaves(weights)
        batch = Pair(*(torch.from_numpy(eps).to(self.dtype) for eps in signs))
        found = torch.autograd.grad(self._loss(leaves, batch, self._scales(), open_clip()), leaves)
        return Pair(*(g.numpy() for g in found))

    def _leaves(self, weights: Pair[np.ndarray]) -> list[Tensor]:
        return [torch.from_numpy(w).to(self.dtype, copy=True).requires_grad_() for w in weights]

    def _scales(self) -> Pair[Tensor]:
        return Pair(*(torch.from_numpy(view.scales).to(self.dtype) for view in self.data.views))

    def _batches(self, seed: int, count: int) -> Iterator[Pair[Tensor]]:
        generator, r = torch.Generator().manual_seed(seed), self.data.signal_dim
        sizes = [r, *(view.ambient_dim - r for view in self.data.views)]
        for _ in range(count):
            z, *noise = (
                torch.randint(0, 2, (self.batch_size, size), generator=generator).to(self.dtype) * 2 - 1
                for size in sizes
            )
            yield Pair(*(torch.cat([z, xi], dim=1) for xi in noise))

    def _loss(self, leaves: list[Tensor], signs: Pair[Tensor], scales: Pair[Tensor], loss: torch.nn.Module) -> Tensor:
        features = [
            (eps * scale) @ w / (w * scale[:, None]).norm() for eps, w, scale in zip(signs, leaves, scales, strict=True)
        ]
        return 2 * loss(*features, self.inverse_temperature)


def assert_same_work(loop: PlainLoop, width: int) -> None:
    """One step of ours with the same loss on the same signs is one step of the loop, to round-off."""
    weights = gaussian_weights((64, 64), width, rng=np.random.default_rng(5))
    objective = InBatchInfoNCE(loop.inverse_temperature)
    settings = {"step_size": 0.5, "steps": 1, "batch_size": loop.batch_size}
    run = train(loop.data, objective, weights=weights, rng=np.random.default_rng(7), **settings)
    signs = loop.data.signs(loop.batch_size, rng=np.random.default_rng(7))
    theirs = loop.gradient_on(weights, signs)
    for before, after, slope in zip(weights, run.weights, theirs, strict=True):
        step = (before - after) / 0.5
        error = np.linalg.norm(step - slope) / np.linalg.norm(slope)
        assert error < 1e-9, f"the plain loop takes another step than `train`: they differ by {error:.1e}"
