r"""Training on real pairs: two linear towers of finite width, by (stochastic) gradient descent.

.. math:: f_A = W_A^\top x_A/N_A,\qquad f_B = W_B^\top x_B/N_B

The gradient in the features is written out, and carried through the normaliser by hand; that of exact negatives, where
every training row is one, is autograd's of the definition in `mmcl.losses`.
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
from mmcl.objectives import InBatchInfoNCE, InfoNCE, Objective
from mmcl.pair import Pair
from mmcl.spectra import spectrum
from mmcl.training.in_batch import Slopes, in_batch
from mmcl.training.initial import Weights
from mmcl.training.optimizer import DESCENT, Rule


class Towers:
    """One run of two linear towers: what `mmcl.training.loop` steps and records.

    Moments of the training set are formed once; a step multiplies them with the weights, never with the samples. The
    weights are kept in double precision, whatever the arithmetic of a batch.
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
        dtype: type = np.float64,
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
            if dtype == np.float32 and not 1e-20 < power < 1e20:
                raise ValueError(
                    f"`data` must have a mean square between 1e-20 and 1e20 in modality {letter} for float32 "
                    f"arithmetic; got {power:g}."
                )
        self.pairs, self.objective = pairs, objective
        self.rule, self.memory, self.centering = rule, [None, None], centering
        goes_on = kept is not None and "weights" in kept and kept["optimizer"] is type(rule.optimizer)
        if kept is not None and goes_on and all(map(np.array_equal, kept["weights"], weights)):
            self.memory = kept["memory"]
        self.batch_size, self.normalization = batch_size, normalization
        self.dtype = torch.float32 if dtype == np.float32 else torch.float64
        self.population = Pair(*(torch.from_numpy(_own(x)).to(self.dtype) for x in (pairs.a, pairs.b)))
        self.covariances = Pair(*(torch.from_numpy(x).to(self.dtype) for x in (pairs.covariance_a, pairs.covariance_b)))
        self.state = Pair(*(torch.from_numpy(w.copy()) for w in weights))
        self.norm_at_start = self._norm()
        # NumPy makes the records only: its threads and torch's, in turns, would wait in each other's way.
        self.small, self.by_torch = True, True
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
        return {"optimizer": type(self.rule.optimizer), "memory": self.memory, "weights": self.weights}

    def step(self, size: float, rng: np.random.Generator | None) -> None:
        """One step of descent; afterwards `loss` is the value that the batch had before it."""
        by = self._automatic if isinstance(self.objective, InfoNCE) else self._by_hand
        value, gradients, slope = by(Pair(*(w.to(self.dtype) for w in self.state)), self._batch(rng))
        # One assignment, so that an interrupt finds either the old weights or the new ones.
        moves = [self.rule.direction(g.double(), memory) for g, memory in zip(gradients, self.memory, strict=True)]
        self.memory = [memory for _, memory in moves]
        keep = 1 - size * self.rule.weight_decay
        self.state = Pair(*(keep * w - size * move for w, (move, _) in zip(self.state, moves, strict=True)))
        self.loss, self.slope = value, slope

    def _by_hand(self, weights: Pair[Tensor], batch: Pair[Tensor]) -> Slopes:
        r"""The chain rule through each modality's normaliser, which depends on the weights as well."""
        outputs = [self._output(*one) for one in zip(weights, batch, self.covariances, strict=True)]
        value, pulls, slope = self._pulls(Pair(*(f for f, _, _ in outputs)))
        gradients = []
        for x, (f, N, through), pull in zip(batch, outputs, pulls, strict=True):
            if through is None:
                gradients.append(x.T @ ((pull - (pull * f).sum(dim=1, keepdim=True) * f) / N))
            else:  # ∂L/∂N² = -⟨∂L/∂f, f⟩ / 2N²
                gradients.append(x.T @ (pull / N) - (pull * f).sum() / N**2 * through)
        return value, Pair(*gradients), slope

    def _output(self, w: Tensor, x: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        r"""The normalised outputs, their normaliser N, and $\frac12\partial N^2/\partial W$; None by sample."""
        raw = x @ w
        if self.normalization == "sample":
            N = raw.norm(dim=1, keepdim=True)
            _refuse_zero(N, "no output is zero: a row of the batch, centred or not, has no direction")
            return raw / N, N, None
        through = x.T @ (raw / len(raw)) if self.normalization == "batch" else moments @ w
        N = (w * through).sum().sqrt()
        _refuse_zero(N, "the outputs of no batch are all zero")
        return raw / N, N, through

    def _pulls(self, features: Pair[Tensor]) -> Slopes:
        """The loss of a batch, its gradient in the features, and its slope in log τ²."""
        if isinstance(self.objective, InBatchInfoNCE):
            return in_batch(features, self.objective.inverse_temperature)
        (f_a, f_b), n = features, len(features.a)
        value = -2 * float((f_a * f_b).sum()) / n
        return value, Pair(f_b * (-2 / n), f_a * (-2 / n)), value

    def _automatic(self, weights: Pair[Tensor], batch: Pair[Tensor]) -> Slopes:
        """Autograd of the definition."""
        leaves = Pair(*(w.clone().requires_grad_() for w in weights))
        # The loss is a function of τ² times scores.
        scale = torch.ones((), dtype=self.dtype, device="cpu", requires_grad=True)
        value = self._loss(leaves, batch, scale)
        *gradients, slope = torch.autograd.grad(value, (*leaves, scale))
        return float(value.detach()), Pair(*gradients), float(slope)

    def row(self) -> dict[str, object]:
        """What a `Trajectory` records of the present state; NaN where only a known world has an answer."""
        if self.normalization == "sample":
            with torch.no_grad():
                weights = Pair(*(w.to(self.dtype) for w in self.state))
                found = spectrum(*(f.double().numpy() for f in self._features(weights, self.population)))
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
        rows = torch.from_numpy(checks.generator(rng).choice(len(self.pairs), size=self.batch_size, replace=False))
        batch = Pair(*(x[rows] for x in self.population))
        return Pair(*(x - x.mean(dim=0) for x in batch)) if self.centering else batch

    def _loss(self, weights: Pair[Tensor], batch: Pair[Tensor], scale: Tensor) -> Float[Tensor, ""]:
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


def _refuse_zero(N: Tensor, demand: str) -> None:
    """No step size mends outputs that cannot be normalised, so it is not the divergence of a step."""
    if bool((N == 0).any()):
        raise ValueError(f"`data` and `batch_size` (n) must be such that {demand}; got a normaliser of 0.")


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
