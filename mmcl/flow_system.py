r"""The equations of motion in hyperbolic coordinates.

In the coordinates of `mmcl.symbolic.hyperbolic` the first integrals are solved and 2r + 2 numbers remain:
$v_p,\delta_p$ and the two clocks $T_A,T_B$ of the normalisers; and one more where the temperature moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from mmcl.coordinates import Coordinates, Samples
from mmcl.course import Course, Held
from mmcl.data import PairedData
from mmcl.extrapolation import Solve
from mmcl.flow_jacobian import resolvent
from mmcl.flow_point import Masses, Point, columns
from mmcl.pair import Pair
from mmcl.symbolic.hyperbolic import compiled_rates
from mmcl.symbolic.potentials import CompiledPotential, thermal


@dataclass(frozen=True, eq=False)
class FlowSystem:
    r"""The flow in hyperbolic coordinates.

    The state is $(v_1..v_r,\delta_1..\delta_r,T_A,T_B,e)$. The largest scale of each modality is the unit of its
    lengths, so that every component but e, the temperature's, is a logarithm of lengths. An axis of worlds may stand in
    front of all arrays; the state is flat all the same.

    Attributes:
        squares: $\sigma_{A,p}^2,\sigma_{B,p}^2$, in units of the largest.
        weights: $w_p$, of the coordinates in every sum.
        noises: of either modality.
        units: the largest scale of each modality: a common factor of a modality changes nothing.
        objective: the potential in its `thermal` form.
        course: of the temperature.
    """

    squares: Pair[Float[Array, "*W r"]]
    weights: Float[Array, "*W r"]
    noises: Pair[Masses]
    units: Float[Array, "*W 2"]
    objective: CompiledPotential
    course: Course

    @classmethod
    def of(
        cls,
        data: PairedData,
        objective: object,
        course: Course | None = None,
        coordinates: Coordinates | Samples | None = None,
    ) -> FlowSystem:
        """The equations of an objective; where not told otherwise, of a τ² that stays, coordinate by coordinate."""
        held = Held(float(np.log(getattr(objective, "inverse_temperature", 1.0))))
        chosen = Coordinates.every(data) if coordinates is None else coordinates
        units = np.array([np.max(view.scales) for view in data.views])
        pairs = (
            np.unique((view.noise / unit) ** 2, return_counts=True)
            for view, unit in zip(data.views, units, strict=True)
        )
        noises = Pair(*(Masses(square, square * count) for square, count in pairs))
        return cls(chosen.squares, chosen.weights, noises, units, thermal([objective]), course or held)

    @classmethod
    def together(cls, systems: Sequence[FlowSystem], objectives: Sequence[object]) -> FlowSystem:
        """Many worlds as one system, padded with coordinates and noise that weigh nothing; τ² stays.

        Args:
            systems: one of each world.
            objectives: theirs, all of one kind.
        """
        heat: Any = np.log([getattr(one, "inverse_temperature", 1.0) for one in objectives])
        return cls(
            Pair(*(_padded([one.squares[i] for one in systems], 1.0) for i in range(2))),
            _padded([one.weights for one in systems], 0.0),
            Pair(*(
                Masses(*(_padded([one.noises[i][j] for one in systems], 0.0) for j in range(2))) for i in range(2)
            )),
            np.array([one.units for one in systems]),
            thermal(objectives),
            Held(heat),
        )  # fmt: skip

    def on(self, coordinates: Coordinates) -> FlowSystem:
        """The same on other coordinates."""
        return replace(self, squares=coordinates.squares, weights=coordinates.weights)

    @property
    def start(self) -> Float[Array, " n"]:
        r"""$w=0$, $a_p=\sigma_{A,p}^2$, $b_p=\sigma_{B,p}^2$: orthogonal rows of unit length."""
        s_a, s_b = self.squares
        rest = np.zeros((*s_a.shape[:-1], 3))
        rest[..., 2] = self.course.start(0.0)
        return np.concatenate([np.zeros_like(s_a), np.log(s_a / s_b), rest], axis=-1).ravel()

    def tolerance(self, y: Array) -> Array:
        """One, in logarithms; the clocks grow without bound and count relative to their size."""
        allowed, state = np.ones_like(y), self.apart(y)
        self.apart(allowed)[..., -3:] = np.maximum(1.0, np.abs(state[..., -3:]))
        return allowed

    def apart(self, y: Float[Array, "*k n"]) -> Float[Array, "*k *W 2r+3"]:
        """The states, world by world."""
        *worlds, r = self.weights.shape
        return y.reshape(*y.shape[:-1], *worlds, 2 * r + 3)

    def point(self, y: Array) -> Point:
        """The state unpacked, with the sums that couple the coordinates."""
        w, y = self.weights, self.apart(y)
        r = w.shape[-1]
        v, delta, clocks = y[..., :r], y[..., r : 2 * r], y[..., 2 * r : -1]
        e: Any = y[..., -1]
        a, b, c = lengths = compiled_rates().lengths(v, delta, *columns(clocks), *self.squares)
        masses = zip(self.noises, columns(clocks), strict=True)
        noise_a, noise_b = (mass * np.exp(-2 * s * T) for (s, mass), T in masses)
        norms = np.empty_like(clocks)
        norms[..., 0] = np.vecdot(w, a) + noise_a.sum(axis=-1)
        norms[..., 1] = np.vecdot(w, b) + noise_b.sum(axis=-1)
        theta = c / np.sqrt(norms[..., 0] * norms[..., 1])[..., None]
        log_tau2 = np.asarray(self.course.log_tau2(e)[0])
        tau2 = np.exp(log_tau2)[..., None]
        pull, pull_slope, pull_heat = self.objective.pull(theta, tau2)
        phi, phi_heat = self.objective.phi(theta, tau2)
        potential = np.vecdot(w, phi)
        clock, clock_slope = map(np.asarray, self.objective.clock(potential))
        return Point(
            self.squares, w, self.noises, v, delta, clocks, lengths, (noise_a, noise_b), norms, theta, pull, pull_slope,
            pull_heat, phi_heat, potential, clock, clock_slope, clock * np.vecdot(w, pull * theta), e, log_tau2,
        )  # fmt: skip

    def misalignment(self, at: Point) -> Float[Array, " r"]:
        r"""$\|k_{-,p}\|^2=\|k_{A,p}-k_{B,p}\|^2/4$ of one world in the units of the data, without cancellation."""
        unit = self.units.max()
        u_a, u_b = self.units / unit
        (T_a, T_b), (s_a, s_b), (a, b, c) = at.clocks, self.squares, at.lengths
        if min(u_a, u_b) < 1e-6:  # one modality is too small to cancel anything
            relative = (u_a**2 * a + u_b**2 * b - 2 * u_a * u_b * c) / 4
        else:
            ratio = (u_b / u_a) ** 2
            shifted = at.delta - np.log(ratio)
            relative = u_a**2 * compiled_rates().misalignment(at.v, shifted, T_a, T_b / ratio, s_a, s_b * ratio)
        with np.errstate(over="ignore"):  # in units as large as 1e300 a square is infinite
            return unit * (unit * relative)

    def velocity(self, y: Array) -> Array:
        r"""$(\dot v,\dot\delta,\dot T_A,\dot T_B,\dot e)$, with $\dot T=\Lambda/N^2$."""
        at = self.point(y)
        out = np.empty_like(y)
        rates, r = self.apart(out), at.v.shape[-1]
        rates[..., :r], rates[..., r : 2 * r] = compiled_rates().velocity(*at.arguments)
        rates[..., -3:-1] = at.total[..., None] / at.norms
        rates[..., -1] = self.course.velocity(at.course, at.total)[0]
        return out

    def coasting(self, y: Array) -> Array | None:
        """The velocity, once nothing moves but the clocks, up to round-off; None before, and while τ² moves."""
        if not isinstance(self.course, Held):
            return None
        velocity, (s_a, s_b) = self.velocity(y), self.squares
        if not np.isfinite(velocity).all():
            return None
        rates = self.apart(velocity)
        decay = s_a * rates[..., -3, None] + s_b * rates[..., -2, None]  # one of the terms that cancel at rest
        moving = np.abs(rates[..., :-3]) > 16 * np.finfo(float).eps * np.concatenate([decay, decay], axis=-1)
        if moving.any() or not decay.any(axis=-1).all():
            return None
        rates[..., :-3] = 0
        return velocity

    def linearised(self, y: Array) -> Callable[[Float[Array, " rows"]], Solve]:
        r"""h ↦ (b ↦ $(I-hJ)^{-1}b$), each at a cost linear in r; for several h."""
        return resolvent(self.point(y), self.course)


def _padded(rows: Sequence[Float[Array, " _"]], value: float) -> Float[Array, "W r"]:
    """Rows of unequal lengths as one matrix."""
    out = np.full((len(rows), max(map(len, rows))), value)
    for place, row in zip(out, rows, strict=True):
        place[: len(row)] = row
    return out
