"""The exact flow under any force of θ: the plain equations, and a general-purpose integrator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from mmcl import checks
from mmcl.data import PairedData
from mmcl.forces import Force
from mmcl.trajectory import Trajectory

SHORT = 1e-100  # a time in which a flow in its own units takes one step of Euler's, to the last digit
LEAST = 100 * np.finfo(float).eps  # the relative error that LSODA can be asked for


def force_flow(data: PairedData, force: Force, times: ArrayLike, *, tolerance: float = 1e-10) -> Trajectory:
    r"""Gradient flow at infinite width for a loss that is a function of θ without a closed form.

    The equations are those of `gradient_flow`; only the force is another.

    Source: derived in the chapters "An exactly solvable model" and "How far is practice from the limit".

    Args:
        data: the world.
        force: $\theta\mapsto(g,L)$, a `BatchForce` or a `LatentForce`.
        times: gradient-flow times, increasing, from 0 on, shape (T,).
        tolerance: relative error allowed to a step; 1e-10 leaves errors of about 1e-8 in the results.

    Returns:
        The `Trajectory` at `times`.

    Raises:
        TypeError, ValueError: on a world or times that do not fit.
        ArithmeticError: if the flow cannot be followed.
    """
    data = checks.kind(data, PairedData, "`data`")
    t, tolerance = checks.times(times), checks.positive(tolerance, "`tolerance`")
    system = _System(data, force)
    rows = [system.row(y) for y in lsoda(lambda _, y: system.velocity(y), system.start, t, tolerance, 1e-3 * tolerance)]
    series: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Trajectory(time=t, inverse_temperature=np.full(len(t), force.inverse_temperature), **series)


def lsoda(
    velocity: Callable[[float, Array], Array], start: Array, times: Array, relative: float, absolute: float
) -> Iterator[Float[Array, " n"]]:
    """The states at `times`, by SciPy's LSODA.

    Raises:
        ArithmeticError: if the flow cannot be followed.
    """
    if times[-1] <= SHORT:  # LSODA's first step would never end
        yield from (start + time * velocity(0.0, start) for time in times)
        return
    solved = solve_ivp(
        velocity, (0.0, times[-1]), start, "LSODA", times, rtol=max(relative, LEAST), atol=max(absolute, 1e-3 * LEAST)
    )
    if not solved.success:
        raise ArithmeticError(f"The flow could not be followed beyond t = {solved.t[-1]:g}: {solved.message}")
    yield from solved.y.T


class _System:
    """The state is $a,b,c$ and the noise masses of either modality, one per coordinate of noise.

    The largest scale of each modality is the unit of its lengths: a common factor changes nothing else.
    """

    def __init__(self, data: PairedData, force: Force) -> None:
        self.force, self.r = force, data.signal_dim
        self.units = tuple(view.scales.max() for view in data.views)
        self.signal = tuple((view.signal / unit) ** 2 for view, unit in zip(data.views, self.units, strict=True))
        self.noise = tuple((view.noise / unit) ** 2 for view, unit in zip(data.views, self.units, strict=True))
        s_a, s_b = self.signal
        self.start = np.concatenate([s_a, s_b, np.zeros(self.r), *self.noise])
        self.cuts = np.cumsum([self.r, self.r, self.r, len(self.noise[0])])

    def velocity(self, y: Float[Array, " n"]) -> Float[Array, " n"]:
        """The derivatives."""
        (s_a, s_b), (x_a, x_b) = self.signal, self.noise
        a, b, c, n_a, n_b = np.split(y, self.cuts)
        N2_a, N2_b = a.sum() + n_a.sum(), b.sum() + n_b.sum()
        N2 = np.sqrt(N2_a * N2_b)
        g, _ = self.force(c / N2)
        total = g @ c / N2
        return np.concatenate([
            2 * s_a * (g * c / N2 - total * a / N2_a),
            2 * s_b * (g * c / N2 - total * b / N2_b),
            g * (s_a * b + s_b * a) / N2 - total * c * (s_a / N2_a + s_b / N2_b),
            -2 * x_a * total * n_a / N2_a,
            -2 * x_b * total * n_b / N2_b,
        ])  # fmt: skip

    def row(self, y: Float[Array, " n"]) -> dict[str, object]:
        """The state as a row of the record."""
        a, b, c, n_a, n_b = np.split(y, self.cuts)
        norms = np.array([a.sum() + n_a.sum(), b.sum() + n_b.sum()])
        theta, unit = c / np.sqrt(norms.prod()), max(self.units)
        u_a, u_b = (one / unit for one in self.units)
        with np.errstate(over="ignore"):  # in units as large as 1e300 a square is infinite
            apart = unit * (unit * (u_a**2 * a + u_b**2 * b - 2 * u_a * u_b * c) / 4)
        _, loss = self.force(theta)
        return {
            "alignment": theta.sum(),
            "condition_number": np.sqrt(a.max() / a.min()),
            "condition_number_b": np.sqrt(b.max() / b.min()),
            "theta": theta,
            "noise_share": np.array([n_a.sum(), n_b.sum()]) / norms,
            "misalignment": apart,
            "loss": loss,
        }
