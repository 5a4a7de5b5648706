r"""Training on real pairs: two linear towers of finite width, by (stochastic) gradient descent with autograd.

.. math:: f_A = W_A^\top x_A/N_A,\qquad f_B = W_B^\top x_B/N_B

The gradient is autograd's, of the definition in `mmcl.losses`, through the normaliser: what the theory derives by hand
is nowhere used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl import checks
from mmcl.empirical import EmpiricalPairs
from mmcl.losses import log_expectation_over_rows, loss
from mmcl.objectives import InfoNCE, Objective
from mmcl.pair import Pair
from mmcl.spectra import spectrum
from mmcl.training.initial import Weights
from mmcl.training.optimizer import DESCENT, Rule


class Towers:
    """One run of two linear towers: what `mmcl.training.loop` steps and records.

    Moments of the training set are formed once; a step multiplies them with the weights, never with the samples.
    """

    def __init__(
        self,
        pairs: EmpiricalPairs,
        objective: Objective,
        weights: Weights,
        batch_size: int | None,
        normalization: str = "population",
        rule: Rule = DESCENT,
        *,
        kept: Mapping[str, Any] | None = None,
        centering: bool = False,
    ) -> None:
        if normalization == "sample":
            for x, letter in zip((pairs.a, pairs.b), "ab", strict=True):
                if not x.any(axis=1).all():
                    raise ValueError(f'`{letter}` must have no row of zeros, which has no direction, with "sample".')
        if batch_size is not None and batch_size > len(pairs):
            raise ValueError(f"`batch_size` (n) must be at most the number of pairs, {len(pairs)}; got {batch_size}.")
        with np.errstate(over="ignore", invalid="ignore"):
            powers = [float(np.trace(moments)) for moments in (pairs.covariance_a, pairs.covariance_b)]
        for power, letter in zip(powers, "AB", strict=True):
            if not 0 < power < np.inf:
                raise ValueError(
                    f"`data` must have a positive, finite mean square in modality {letter}; got {power:g}."
                )
        self.pairs, self.objective = pairs, objective
        self.rule, self.memory, self.centering = rule, [None, None], centering
        if kept is not None and "factor" not in kept and kept["optimizer"] is type(rule.optimizer):
            self.memory = kept["memory"]
        self.batch_size, self.normalization = batch_size, normalization
        self.population = Pair(*(torch.from_numpy(_own(x)) for x in (pairs.a, pairs.b)))
        self.covariances = Pair(torch.from_numpy(pairs.covariance_a), torch.from_numpy(pairs.covariance_b))
        self.state = Pair(*(torch.from_numpy(w.copy()) for w in weights))
        self.norm_at_start = self._norm()
        self.small = False  # every product has as many rows as the data have coordinates
        self.loss = self.slope = np.nan

    def _norm(self) -> float:
        return sum(float((w**2).sum()) for w in self.state)

    @property
    def growth(self) -> float:
        r"""$\|W\|^2$ over its start: 1 along gradient flow, larger the coarser the steps."""
        return self._norm() / self.norm_at_start

    @property
    def weights(self) -> Weights:
        """$W_A, W_B$ as they are now, shapes (d, m)."""
        return Pair(*(w.numpy().copy() for w in self.state))

    @property
    def kept(self) -> Mapping[str, Any]:
        """What a continued run needs beside the weights."""
        return {"optimizer": type(self.rule.optimizer), "memory": self.memory}

    def step(self, size: float, rng: np.random.Generator | None) -> None:
        """One step of descent; afterwards `loss` is the value that the batch had before it."""
        leaves = Pair(*(w.clone().requires_grad_() for w in self.state))
        scale = torch.ones((), dtype=leaves.a.dtype, requires_grad=True)  # the loss is a function of τ² times scores
        value = self._loss(leaves, self._batch(rng), scale)
        *gradients, slope = torch.autograd.grad(value, (*leaves, scale))
        # One assignment, so that an interrupt finds either the old weights or the new ones.
        moves = [self.rule.direction(g, memory) for g, memory in zip(gradients, self.memory, strict=True)]
        self.memory = [memory for _, memory in moves]
        keep = 1 - size * self.rule.weight_decay
        self.state = Pair(*(keep * w - size * move for w, (move, _) in zip(self.state, moves, strict=True)))
        self.loss, self.slope = float(value.detach()), float(slope)

    def row(self) -> dict[str, object]:
        """What a `Trajectory` records of the present state; NaN where only a known world has an answer."""
        if self.normalization == "sample":
            with torch.no_grad():
                found = spectrum(*(f.numpy() for f in self._features(self.state, self.population)))
        else:
            found = spectrum(*self.weights, data=self.pairs)
        return {
            "alignment": found.alignment,
            "condition_number": np.nan,
            "condition_number_b": np.nan,
            "theta": found.theta,
            "noise_share": np.full(2, np.nan),
            "misalignment": np.full(len(found.theta), np.nan),
        }

    def _batch(self, rng: np.random.Generator | None) -> Pair[Tensor]:
        if self.batch_size is None:
            return self.population
        batch = self.pairs.sample(self.batch_size, rng=checks.generator(rng))
        if self.centering:
            return Pair(*(torch.from_numpy(x - x.mean(axis=0)) for x in (batch.a, batch.b)))
        return Pair(torch.from_numpy(batch.a), torch.from_numpy(batch.b))

    def _loss(self, weights: Pair[Tensor], batch: Pair[Tensor], scale: Tensor) -> Float[Tensor, ""]:
        if not isinstance(self.objective, InfoNCE):
            return loss(self.objective, _scaled(self._features(weights, batch), scale))
        # Every training row is a negative, under the same weights and the same normaliser as the batch.
        everything = _scaled(self._features(weights, self.population, like=batch), scale)
        features = everything if batch is self.population else _scaled(self._features(weights, batch), scale)
        return loss(self.objective, features, Pair(*(log_expectation_over_rows(f) for f in everything)))

    def _features(self, weights: Pair[Tensor], inputs: Pair[Tensor], like: Pair[Tensor] | None = None) -> Pair[Tensor]:
        """The towers' normalised outputs on `inputs`; the batch that normalises them is `like`, or `inputs`."""
        outputs = [x @ w for x, w in zip(inputs, weights, strict=True)]
        if self.normalization == "sample":
            return Pair(*(f / f.norm(dim=1, keepdim=True) for f in outputs))
        if self.normalization == "batch":
            reference = outputs if like is None else [x @ w for x, w in zip(like, weights, strict=True)]
            return Pair(*(f / r.square().sum(dim=1).mean().sqrt() for f, r in zip(outputs, reference, strict=True)))
        powers = (_power(w, moments) for w, moments in zip(weights, self.covariances, strict=True))
        return Pair(*(f / power.sqrt() for f, power in zip(outputs, powers, strict=True)))


def _own(x: Array) -> Array:
    """`x` as torch takes it: rows in order, and writable; a copy only where it is neither."""
    return np.require(x, requirements=["C", "W"])


def _scaled(features: Pair[Tensor], scale: Tensor) -> Pair[Tensor]:
    return Pair(features.a * scale, features.b)


def _power(w: Float[Tensor, "d m"], moments: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    r"""$N^2=\operatorname{tr}W^\top\Sigma W$ and its gradient $2\Sigma W$, with a single product by $\Sigma$."""
    constant = w.detach()
    image = moments @ constant
    return 2 * (w * image).sum() - (constant * image).sum()
