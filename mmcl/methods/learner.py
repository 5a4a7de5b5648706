"""One run of a method at finite width: what `mmcl.training.loop` steps and records."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from mmcl.data import PairedData
from mmcl.empirical import EmpiricalPairs
from mmcl.methods.losses import Moments, Parts, loss
from mmcl.methods.values import BYOL, BarlowTwins, DirectPred, MaskedReconstruction, Method, SimSiam, VICReg
from mmcl.metrics import condition_number
from mmcl.pair import Pair
from mmcl.spectra import spectrum
from mmcl.training.initial import Weights

RUNAWAY = 1e8  # a method that normalises nothing may grow from a small start; more than this is divergence


class State(NamedTuple):
    """Everything that a step changes.

    Attributes:
        weights: of the towers.
        predictor: Q.
        targets: what BYOL predicts; elsewhere the weights.
        memory: DirectPred's average of F; elsewhere empty.
    """

    weights: Pair[Tensor]
    predictor: Tensor
    targets: Pair[Tensor]
    memory: Tensor


class Learner:
    """Gradient descent with autograd of the moment form: exact in the population, at any width."""

    def __init__(
        self, data: PairedData | EmpiricalPairs, method: Method, weights: Weights, predictor: Array | None = None
    ) -> None:
        self.data, self.method, self.moments = data, method, Moments.of(data)
        self.objective: Any = method
        towers = Pair(*(torch.from_numpy(w.copy()) for w in weights))
        scale = getattr(method, "predictor_scale", 1.0) if getattr(method, "predictor", True) else 1.0
        eye = torch.eye(towers.a.shape[1], dtype=torch.float64, device="cpu")
        Q = scale * eye if predictor is None else torch.tensor(predictor, device="cpu")
        memory = self._correlation(towers) if isinstance(method, DirectPred) else torch.empty(0)
        self.state = State(towers, Q, towers, memory)
        self.norm_at_start = self._norm()
        self.small, self.by_torch = True, False
        self.loss = self.slope = np.nan
        self.memory = self.kept = None  # plain descent has none

    @property
    def growth(self) -> float:
        """‖W‖² over its start, which methods that normalise conserve; for the others only whether it is in bounds."""
        growth = self._norm() / self.norm_at_start
        if isinstance(self.method, MaskedReconstruction | VICReg):
            return 1.0 if growth < RUNAWAY else np.inf
        return growth

    @property
    def weights(self) -> Weights:
        """$W_A, W_B$ as they are now, shapes (d, m)."""
        return Pair(*(w.numpy().copy() for w in self.state.weights))

    def step(self, size: float, rng: np.random.Generator | None) -> None:
        """One step of descent; afterwards `loss` is the value before it."""
        now, method = self.state, self.method
        leaves = Pair(*(w.clone().requires_grad_() for w in now.weights))
        learned = isinstance(method, BYOL) or (isinstance(method, SimSiam) and method.predictor)
        Q = self._predictor(now).clone().requires_grad_(learned)
        through = isinstance(method, SimSiam) and not method.stop_gradient
        targets = leaves if through else now.targets
        value = loss(method, self.moments, Parts(leaves, Q, targets))
        slopes = torch.autograd.grad(value, [*leaves, Q] if learned else [*leaves])
        weights = Pair(*(w - size * g for w, g in zip(now.weights, slopes[:2], strict=True)))
        if learned:
            Q = Q.detach() - size * method.predictor_rate * slopes[2]  # type: ignore[union-attr]
        followed = weights
        if isinstance(method, BYOL):
            share = size * method.target_rate
            followed = Pair(*(t + share * (w - t) for t, w in zip(now.targets, now.weights, strict=True)))
        memory = now.memory
        if isinstance(method, DirectPred):
            memory = memory + size * method.memory_rate * (self._correlation(now.weights) - memory)
        # One assignment, so that an interrupt finds either the old state or the new one.
        self.state = State(weights, Q.detach(), followed, memory)
        self.loss = float(value.detach())

    def row(self) -> dict[str, object]:
        """What a `Trajectory` records of the present state; NaN where only a known world has an answer."""
        weights = Pair(*(w.numpy() for w in self._normalised(self.state.weights)))
        if isinstance(self.data, EmpiricalPairs):
            found = spectrum(*weights, data=self.data)
            return {
                "alignment": found.alignment,
                "condition_number": np.nan,
                "condition_number_b": np.nan,
                "theta": found.theta,
                "noise_share": np.full(2, np.nan),
                "misalignment": np.full(len(found.theta), np.nan),
            }
        r = self.data.signal_dim
        k_a, k_b = (view.mixing.T @ w for view, w in zip(self.data.views, weights, strict=True))
        theta = np.sum(k_a[:r] * k_b[:r], axis=1)
        return {
            "alignment": theta.sum(),
            "condition_number": condition_number(k_a[:r].T),
            "condition_number_b": condition_number(k_b[:r].T),
            "theta": theta,
            "noise_share": np.array([np.vdot(k[r:], k[r:]) / np.vdot(k, k) for k in (k_a, k_b)]),
            "misalignment": np.sum((k_a[:r] - k_b[:r]) ** 2, axis=1) / 4,
        }

    def _normalised(self, weights: Pair[Tensor]) -> Pair[Tensor]:
        """Weights of outputs with E‖f‖² = 1: as a whole, or axis by axis where the method does so."""
        powers = [(w * (m @ w)).sum(dim=0) for w, m in zip(weights, self.moments[:2], strict=True)]
        if isinstance(self.method, BarlowTwins):
            return Pair(*(w / (p * len(p)).sqrt() for w, p in zip(weights, powers, strict=True)))
        return Pair(*(w / p.sum().sqrt() for w, p in zip(weights, powers, strict=True)))

    def _correlation(self, weights: Pair[Tensor]) -> Float[Tensor, "m m"]:
        """F, the mean of the two towers' E ff'."""
        unit = self._normalised(weights)
        return sum(w.T @ m @ w for w, m in zip(unit, self.moments[:2], strict=True)) / 2  # type: ignore[return-value]

    def _predictor(self, state: State) -> Float[Tensor, "m m"]:
        if not isinstance(self.method, DirectPred):
            return state.predictor
        s, U = torch.linalg.eigh(state.memory)
        s = s.clamp(min=0)
        if self.method.relative:
            return (U * ((s / s.max()).sqrt() + self.method.epsilon)) @ U.T
        return (U * (s.sqrt() + self.method.epsilon * s.max())) @ U.T

    def _norm(self) -> float:
        return sum(float((w**2).sum()) for w in self.state.weights)
