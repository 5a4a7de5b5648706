r"""The exact flow of methods with a linear predictor, in symmetric worlds from an orthogonal start.

With $k_{\pm,p}=(k_{A,p}\pm k_{B,p})/2$ the predictor stays diagonal in the directions of $k_{+,p}$, $k_{-,p}$ and of
the noise images; each direction has one length and one eigenvalue, and the flow closes on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from mmcl import checks
from mmcl.data import PairedData
from mmcl.methods.values import BYOL, DirectPred, SimSiam
from mmcl.trajectory import Trajectory

Predictive = SimSiam | BYOL | DirectPred


@dataclass(frozen=True, eq=False)
class PredictorFlow:
    r"""The equations of motion: lengths x of all directions, then q (or DirectPred's remembered s), then targets x'.

    A direction has a speed $\sigma^2$, a sign (how a tower's image becomes the other's: + and − for $k_+$ and $k_-$, 0
    for noise) and a number of copies.

    Attributes:
        data: the world, symmetric.
        method: SimSiam, BYOL or DirectPred.
    """

    data: PairedData
    method: Predictive

    @cached_property
    def directions(self) -> tuple[Array, Array, Array]:
        r"""$\sigma^2$, sign and copies of every direction: $k_+$ of each coordinate, $k_-$ of each, noise by scale.

        A noise image belongs to one modality; the other has as many of its own, and the copies are those of one.
        """
        view = self.data.views.a
        scales, counts = np.unique(view.noise[view.noise > 0], return_counts=True)
        r, s = len(view.signal), view.signal**2
        sign = np.concatenate([np.ones(r), -np.ones(r), np.zeros(len(scales))])
        return np.concatenate([s, s, scales**2]), sign, np.concatenate([np.ones(2 * r), counts])

    @property
    def start(self) -> Float[Array, " n"]:
        """Orthogonal rows of unit length, and the predictor or the memory that goes with them."""
        speed, sign, _ = self.directions
        x = np.sqrt(np.where(sign == 0, speed, speed / 2))
        q: Array
        if isinstance(self.method, DirectPred):
            q = self._strength(x)
        elif isinstance(self.method, SimSiam) and not self.method.predictor:
            q = np.ones_like(x)
        else:
            q = np.full_like(x, self.method.predictor_scale)
        return np.concatenate([x, q, x] if isinstance(self.method, BYOL) else [x, q])

    def parts(self, y: Float[Array, "n ..."]) -> tuple[Array, Array, Array]:
        """Lengths, predictor eigenvalues and target lengths of every direction."""
        n = len(self.directions[0])
        x, q = y[:n], y[n : 2 * n]
        if isinstance(self.method, DirectPred):
            top = q.max(axis=0)
            q = np.sqrt(np.maximum(q, 0) / (top if self.method.relative else 1.0))
            q = q + self.method.epsilon * (1.0 if self.method.relative else top)
        return x, q, y[2 * n :] if isinstance(self.method, BYOL) else x

    def cosine(self, y: Float[Array, " n"]) -> tuple[float, float, float]:
        r"""$S=\mathbb E p_A\cdot h'_B$, and the mean squares $N_P^2$ of the prediction and $N'^2$ of the target."""
        _, sign, copies = self.directions
        x, q, target = self.parts(y)
        return float(copies @ (sign * q * x * target)), float(copies @ (q * x) ** 2), float(copies @ target**2)

    def velocity(self, _: float, y: Float[Array, " n"]) -> Float[Array, " n"]:
        """The derivatives."""
        speed, sign = self.directions[:2]
        method, (x, q, target) = self.method, self.parts(y)
        S, N2_p, N2 = self.cosine(y)
        factor = (1.0 if isinstance(method, SimSiam) else 2.0) / float(np.sqrt(N2_p * N2))
        wanted = sign * target - S / N2_p * q * x  # what the prediction misses, seen in one direction
        x_dot = factor * speed * q * wanted
        if isinstance(method, SimSiam) and not method.stop_gradient:
            x_dot = x_dot + factor * speed * (sign * q - S / N2) * x
        if isinstance(method, DirectPred):
            return np.concatenate([x_dot, method.memory_rate * (self._strength(x) - y[len(x) :])])
        # Both directions of the loss teach the predictor in k₊ and k₋, one of them in a noise image.
        learned = not isinstance(method, SimSiam) or method.predictor
        teachers = np.where(sign == 0, 1.0, 2.0) * (method.predictor_rate if learned else 0.0)
        q_dot = factor * teachers * x * wanted
        if isinstance(method, BYOL):
            return np.concatenate([x_dot, q_dot, method.target_rate * (x - target)])
        return np.concatenate([x_dot, q_dot])

    def along(self, times: Float[Array, " T"], tolerance: float = 1e-10) -> Float[Array, "n T"]:
        """The state at `times`, one column each.

        Raises:
            ArithmeticError: if the equations cannot be followed.
        """
        if not times[-1]:
            return self.start[:, None]
        span, small = (0.0, times[-1]), 1e-3 * tolerance
        path = solve_ivp(self.velocity, span, self.start, "LSODA", times, rtol=tolerance, atol=small)
        if not path.success:
            raise ArithmeticError(f"the predictor's flow could not be followed to t = {times[-1]:g}: {path.message}")
        return path.y

    def _strength(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """The eigenvalues of F; a noise image belongs to one of the two towers that F averages."""
        _, sign, copies = self.directions
        return np.where(sign == 0, 0.5, 1.0) * x**2 / (copies @ x**2)


def predictor_flow(data: PairedData, method: Predictive, times: ArrayLike, *, tolerance: float = 1e-10) -> Trajectory:
    r"""The exact flow of SimSiam, BYOL or DirectPred from orthonormal rows and $Q=q_0I$.

    .. math:: \dot x=\frac{c\,\sigma^2q}{N_PN'}\Big(\pm x'-\frac{S}{N_P^2}qx\Big),\qquad
              \dot q=\frac{2\beta c\,x}{N_PN'}\Big(\pm x'-\frac{S}{N_P^2}qx\Big)

    for every direction $k_\pm$; in a noise image the first term is missing, and $\dot q$ has half the factor. $c=1$ for
    SimSiam, 2 for BYOL and DirectPred.

    Source: ours.

    Args:
        data: the world; its modalities must be symmetric.
        method: SimSiam, BYOL or DirectPred.
        times: increasing, from 0 on, shape (T,).
        tolerance: relative error allowed in a step.

    Returns:
        The `Trajectory` at `times`.

    Raises:
        TypeError, ValueError: on a method without a predictor flow, or a world whose modalities differ.
        ArithmeticError: if the equations cannot be followed.
    """
    method = checks.kind(method, (SimSiam, BYOL, DirectPred), "`method`")
    if not checks.kind(data, PairedData, "`data`").symmetric:
        raise ValueError("`data` must have symmetric modalities, alike in signal and noise, for the predictor's flow.")
    t, system = checks.times(times), PredictorFlow(data, method)
    return _trajectory(system, t, system.along(t, checks.between(tolerance, "`tolerance`", 1e-13, 1e-2)))


def _trajectory(system: PredictorFlow, t: Float[Array, " T"], y: Float[Array, "n T"]) -> Trajectory:
    r, (_, _, copies) = system.data.signal_dim, system.directions
    mass = system.parts(y)[0] ** 2
    N2 = copies @ mass
    plus, minus = mass[:r], mass[r : 2 * r]
    lengths, theta = plus + minus, (plus - minus) / N2
    kappa = np.sqrt(lengths.max(axis=0) / lengths.min(axis=0))
    cosines = np.array([S / np.sqrt(N2_p * N2_t) for S, N2_p, N2_t in map(system.cosine, y.T)])
    return Trajectory(
        time=t,
        alignment=theta.sum(axis=0),
        condition_number=kappa,
        condition_number_b=kappa,
        theta=theta.T,
        noise_share=np.repeat((1 - lengths.sum(axis=0) / N2)[:, None], 2, axis=1),
        misalignment=(minus / N2).T,
        loss=-2 * cosines if isinstance(system.method, SimSiam) else 4 - 4 * cosines,
        inverse_temperature=np.full(len(t), np.nan),
    )
