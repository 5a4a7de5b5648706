"""Training in the world of the theory: (stochastic) gradient descent in the reduced form, at any width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl import checks
from mmcl.data import PairedData
from mmcl.family import AlignmentUniformity, Family, Sigmoid, Spectral
from mmcl.latents import Signs as SignLatents
from mmcl.objectives import InBatchInfoNCE, InfoNCE, Objective, PositiveOnly
from mmcl.pair import Pair
from mmcl.training.grams import Grams, gradient
from mmcl.training.initial import Weights
from mmcl.training.optimizer import DESCENT, Rule
from mmcl.training.record import recorded
from mmcl.training.scores import Signs
from mmcl.training.sign_batch import SignBatch, takes_signs
from mmcl.training.threads import threads

if TYPE_CHECKING:
    from mmcl.training.sign_step import SignStep

ENUMERABLE = 16  # independent signs whose patterns are still listed one by one
SMALL = 512  # rows; below, the threads of a matrix product cost more than they bring


class Descent:
    r"""One run in the reduced form: the stacked weights $V=(V_A;V_B)$ are kept as $FQ^\top$ with F of shape (D, k).

    Here $D=d_A+d_B$, $k=\min(D,m)$, and Q has orthonormal columns and never changes: a step is
    $F\leftarrow(I-\eta\,DHD)F$ with H the stacked derivatives of `grams.gradient`, and the width never enters. A factor
    instead of the Gram matrix $FF^\top$ keeps the rank, which round-off would not. Each modality's largest scale is its
    unit, since a common factor changes nothing.
    """

    def __init__(
        self,
        data: PairedData,
        objective: Objective | Family,
        weights: Weights,
        batch_size: int | None,
        normalization: str,
        rule: Rule = DESCENT,
        *,
        dtype: type = np.float64,
        kept: Mapping[str, Any] | None = None,
        centering: bool = False,
        control_variates: bool = False,
    ) -> None:
        self.data, self.objective, self.normalization = data, objective, normalization
        self.control_variates, self.dtype = control_variates, dtype
        self.split = data.views.a.ambient_dim
        self.units = Pair(*(float(view.scales.max()) for view in data.views))
        self.scales = np.concatenate([view.scales / unit for view, unit in zip(data.views, self.units, strict=True)])
        start = in_axes(data, weights)
        self.rule, self.memory = rule, None
        self.small, self.by_torch = len(self.scales) <= SMALL, False
        if rule.rotates:
            with threads(1 if self.small else None):
                self.frame, triangle = np.linalg.qr(start.T)
            self.state = triangle.T.copy()
        else:  # the entries count, so nothing is reduced
            self.frame, self.state = np.eye(start.shape[1]), start
        self._resume(kept, start)
        self.norm_at_start = float(np.vdot(self.state, self.state))
        self.batch = batches(data, objective, batch_size, centering, dtype)
        self.quick, self.plain = self._quick(), rule == DESCENT
        self.loss = self.slope = np.nan

    def _quick(self) -> SignStep | None:
        """The step of InfoNCE on fair signs, where this is one."""
        plain = self.normalization == "population" and not self.control_variates
        if not (plain and isinstance(self.objective, InfoNCE) and takes_signs(self.data)):
            return None
        from mmcl.training.sign_step import SignStep  # compiled code, only where it is needed

        return SignStep(self.scales, self.state.shape, self.dtype)

    def _resume(self, kept: Mapping[str, Any] | None, start: Array) -> None:
        """Go on with an earlier run's factor and its optimizer's memory, if they belong to these weights."""
        if kept is None or "factor" not in kept or kept["optimizer"] is not type(self.rule.optimizer):
            return
        factor, frame = kept["factor"], kept["frame"]
        if (len(factor), len(frame)) == start.shape and np.allclose(factor @ frame.T, start, rtol=1e-9, atol=1e-12):
            self.state, self.frame, self.memory = factor, frame, kept["memory"]

    @property
    def kept(self) -> Mapping[str, Any]:
        """What a continued run needs beside the weights: bit for bit, the factor itself too."""
        return {"optimizer": type(self.rule.optimizer), "memory": self.memory, "factor": self.state,
                "frame": self.frame}  # fmt: skip

    def _grams(self, state: Array) -> Grams:
        k = self.scales[:, None].astype(state.dtype, copy=False) * state
        return Grams(k[: self.split], k[self.split :])

    @property
    def growth(self) -> float:
        r"""$\|W\|^2$ over its start: 1 along gradient flow, 1 + O(step size) in a descent that follows it."""
        return float(np.vdot(self.state, self.state)) / self.norm_at_start

    @property
    def weights(self) -> Weights:
        """$W_A, W_B$ as they are now, shapes (d, m)."""
        return in_coordinates(self.data, self.state @ self.frame.T)

    def step(self, size: float, rng: np.random.Generator | None) -> None:
        r"""$F\leftarrow(I-\eta\,DHD)F$; afterwards `loss` is the value that the batch had before the step."""
        batch = self.batch(rng)
        if self.quick is not None and isinstance(self.objective, InfoNCE) and isinstance(batch, SignBatch):
            quick = self.quick.slope(self.objective, self.state, batch)
            self.loss, self.slope, slope = quick
            if self.plain:
                self.state = self.quick.descended(self.state, quick, size)
                return
        else:
            slope = self._slope(batch)
        if not self.rule.rotates:
            slope = self._turned(slope)
        direction, self.memory = self.rule.direction(slope, self.memory)
        if not self.rule.rotates:
            direction = self._turned(direction, back=True)
        kept = self.state if self.rule.weight_decay == 0 else (1 - size * self.rule.weight_decay) * self.state
        self.state = kept - size * direction

    def _slope(self, batch: Signs | None) -> Array:
        """The gradient in F on a batch; `loss` and `slope` become those of the batch."""
        latent = self._grams(self.state.astype(self.dtype, copy=False))
        self.loss, h = gradient(
            self.objective, latent, batch, self.normalization, self.data.signal_dim, self.data.latents,
            control_variates=self.control_variates,
        )  # fmt: skip
        self.slope = float(np.vdot(h.ab, latent.ab))  # the loss is a function of τ²R
        slope = h.at(latent)
        slope *= self.scales[:, None].astype(slope.dtype, copy=False)
        return slope

    def _turned(self, stacked: Array, *, back: bool = False) -> Array:
        """From the axes of the world to the coordinates of the data, or back."""
        parts = zip(np.split(stacked, [self.split]), self.data.views, strict=True)
        turn = [x if v.basis is None else (v.basis.T if back else v.basis) @ x for x, v in parts]
        return np.vstack(turn)

    def row(self) -> dict[str, object]:
        """What a `Trajectory` records of the present state."""
        return dict(recorded(self.data, self.units, self.scales, self.state))


def in_coordinates(data: PairedData, stacked: Float[Array, "D m"]) -> Weights:
    """$W_A,W_B$ from weights in the axes of the world."""
    parts = np.split(stacked, [data.views.a.ambient_dim])
    bases = (view.basis for view in data.views)
    return Pair(*(v if basis is None else basis @ v for v, basis in zip(parts, bases, strict=True)))


def in_axes(data: PairedData, weights: Weights) -> Float[Array, "D m"]:
    """The other way round."""
    return np.vstack([_in_axes(w, view.basis) for w, view in zip(weights, data.views, strict=True)])


def _in_axes(weights: Array, basis: Array | None) -> Array:
    return weights if basis is None else basis.T @ weights


def batches(
    data: PairedData,
    objective: Objective | Family,
    batch_size: int | None,
    centering: bool = False,
    dtype: type = np.float64,
) -> Callable[[np.random.Generator | None], Signs | None]:
    """Where the signs of a step come from: drawn afresh, or (`batch_size` None) all patterns, each once.

    Raises:
        ValueError: if the full gradient of this objective cannot be had in this world.
    """
    if batch_size is not None:
        if takes_signs(data) and not centering:
            batch = SignBatch.empty(batch_size, data.views.a.ambient_dim, dtype)
            return lambda rng: batch.draw(data.signal_dim, checks.generator(rng))
        shaped = centered if centering else lambda signs: signs
        place: Signs = Pair(*(np.empty((batch_size, view.ambient_dim), dtype) for view in data.views))
        return lambda rng: shaped(data.signs(batch_size, rng=checks.generator(rng), dtype=dtype, out=place))
    if isinstance(objective, PositiveOnly | Spectral):
        return lambda rng: None
    if not isinstance(data.latents, SignLatents):
        raise ValueError(f"`batch_size` (n) must be given for latents that are no signs, {data.latents!r}; got None.")
    if isinstance(objective, InBatchInfoNCE):
        raise ValueError("`batch_size` (n) must be given for InBatchInfoNCE, whose loss depends on it; got None.")
    if isinstance(objective, Sigmoid | AlignmentUniformity):
        name = type(objective).__name__
        raise ValueError(f"`batch_size` (n) must be given for {name}, whose negatives are drawn; got None.")
    count = sum(view.ambient_dim for view in data.views) - data.signal_dim
    if count > ENUMERABLE:
        raise ValueError(
            f"`batch_size` (n) may be None, for the full gradient of {type(objective).__name__}, in worlds of at most "
            f"{ENUMERABLE} independent signs (d_A + d_B - r); got {count}."
        )
    signs = _as(dtype, all_signs(data))
    return lambda rng: signs


def _as(dtype: type, signs: Signs) -> Signs:
    return Pair(*(eps.astype(dtype, copy=False) for eps in signs))


def centered(signs: Signs) -> Signs:
    """The batch less its mean: towers are linear, so this centres the features."""
    return Pair(*(eps - eps.mean(axis=0) for eps in signs))


def all_signs(data: PairedData) -> Signs:
    """Every pattern of the independent signs $(z,\\xi_A,\\xi_B)$, once: the whole population."""
    r, d_a = data.signal_dim, data.views.a.ambient_dim
    count = d_a + data.views.b.ambient_dim - r
    patterns = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    z, xi_a, xi_b = np.split(patterns, [r, d_a], axis=1)
    return Pair(np.hstack([z, xi_a]), np.hstack([z, xi_b]))
