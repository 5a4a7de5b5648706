r"""The gradient of InfoNCE on fair signs in the reduced form: what `mmcl.training.grams` does for every loss, compiled.

With $K=DF$ and $X=\partial L/\partial R$ the slope in F is

.. math:: D\begin{pmatrix}-\frac{\langle X,R\rangle}{N_A^2}&\frac X{N_AN_B}\\
          \frac{X^\top}{N_AN_B}&-\frac{\langle X,R\rangle}{N_B^2}\end{pmatrix}K.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from mmcl.objectives import InfoNCE
from mmcl.pair import Pair
from mmcl.training.grams import Grams, gradient
from mmcl.training.sign_batch import SignBatch
from mmcl.training.sign_kernel import descended, slope_in_factor, stepped
from mmcl.training.sign_room import Gradient


class Slope(NamedTuple):
    """What a step needs to know of its batch.

    Attributes:
        loss: the batch's.
        in_log_tau2: its slope in log τ².
        in_factor: its slope in F; the next call writes over it.
    """

    loss: float
    in_log_tau2: float
    in_factor: Float[Array, "D k"]


class SignStep:
    """Room for the gradient of one learner at a time, and for its steps, kept from step to step.

    Args:
        scales: of the rows of F.
        shape: of F, (2d, k).
        dtype: of the arithmetic.
    """

    def __init__(self, scales: Float[Array, " D"], shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._half = shape[0] // 2
        self._scales = scales
        self._gradient = Gradient.empty(shape, dtype)
        self._places = list(np.empty((2, *shape)))

    def slope(self, objective: InfoNCE, factor: Float[Array, "D k"], signs: SignBatch) -> Slope:
        """The gradient at one learner's factor F on a batch of signs."""
        tau2, weight = objective.inverse_temperature, float(objective.negatives)
        loss, work = slope_in_factor(factor, self._scales, signs.stack, tau2, weight, signs.room, self._gradient)
        k, _, slope = self._gradient
        if math.isfinite(loss):
            return Slope(loss, work, slope)
        latent = Grams(k[: self._half], k[self._half :])
        loss, h = gradient(objective, latent, Pair(*signs), "population", 0)  # r matters to control variates alone
        np.multiply(self._scales[:, None], h.at(latent), out=slope, casting="same_kind")
        return Slope(loss, float(np.vdot(h.ab, latent.ab)), slope)

    def descended(self, factor: Float[Array, "D k"], slope: Slope, size: float) -> Float[Array, "D k"]:
        """The factor after a step of plain descent, written over the one before the present."""
        self._places.reverse()
        stepped(factor, slope.in_factor, size, self._places[0])
        return self._places[0]

    def walked(
        self,
        objective: InfoNCE,
        factor: Float[Array, "D k"],
        packed: UInt8[Array, "T B"],
        shared: int,
        size: float,
        limit: float,
        signs: SignBatch,
        place: Float[Array, "D k"],
        losses: Float[Array, " T"],
    ) -> float:
        r"""Several steps of plain descent at once, from the bits of their batches.

        Args:
            objective: of the learner.
            factor: F.
            packed: the bits of a batch for every step.
            shared: r.
            size: η.
            limit: $\|F\|^2$ beyond which the steps end early.
            signs: where batches are spread out.
            place: for F after the last step.
            losses: for those of the batches, before their steps.

        Returns:
            $\|F\|^2$ after the last step.
        """
        tau2, weight, done, square = objective.inverse_temperature, float(objective.negatives), 0, 0.0
        while done < len(packed) and square <= limit:
            taken, reached = descended(
                factor, self._scales, packed[done:], shared, tau2, weight, size, limit,
                signs.stack, signs.room, self._gradient, place, losses[done:],
            )  # fmt: skip
            if taken:
                factor, square, done = place, reached, done + taken
            if done < len(packed) and square <= limit:  # an exponential was too large: in the general form
                with np.errstate(over="ignore", invalid="ignore"):  # a runaway is reported by the caller, in a sentence
                    slope = self.slope(objective, factor, signs)
                losses[done], square = slope.loss, stepped(factor, slope.in_factor, size, place)
                factor, done = place, done + 1
        return square
