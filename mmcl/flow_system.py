r"""The equations of motion in hyperbolic coordinates, with the linear algebra of their Jacobian.

In the coordinates of `mmcl.symbolic.hyperbolic` the first integrals are solved and 2r + 2 numbers remain:
$v_p,\delta_p$ and the two clocks $T_A,T_B$ of the normalisers; and one more where the temperature moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl.coordinates import Coordinates, Samples
from mmcl.course import Course, Held
from mmcl.data import PairedData
from mmcl.extrapolation import Solve
from mmcl.symbolic.hyperbolic import compiled_rates
from mmcl.symbolic.potentials import CompiledPotential, potential_in_temperature


class Point(NamedTuple):
    """Everything that the equations need at one state."""

    v: Array
    delta: Array
    clocks: Array  # (T_A, T_B)
    lengths: tuple[Array, ...]  # a, b, c
    noise: tuple[Array, Array]  # the masses of every distinct noise scale
    norms: Array  # (N_A², N_B²)
    theta: Array
    pull: Array
    pull_slope: Array
    potential: float  # Σφ
    clock: float
    clock_slope: float
    total: float  # Λ
    course: float  # e, the temperature's own number
    log_tau2: float
    by_heat: tuple[float, float]  # slopes in log τ², everything else held: of Φ' and of Λ
    pull_heat: Array  # and of f


@dataclass(frozen=True, eq=False)
class FlowSystem:
    r"""The flow in hyperbolic coordinates, with the linear algebra of its Jacobian: blocks of two, plus rank seven.

    The state is $(v_1..v_r,\delta_1..\delta_r,T_A,T_B,e)$. The largest scale of each modality is the unit of its
    lengths, so that every component but e, the temperature's, is a logarithm of lengths.

    Attributes:
        data: the world.
        objective: the potential in its `thermal` form.
        course: of the temperature.
        coordinates: which of the world's it is solved on, $p=1..r$, with their weights $w_p$ in every sum over
            coordinates.
    """

    data: PairedData
    objective: CompiledPotential
    course: Course
    coordinates: Coordinates | Samples

    @classmethod
    def of(cls, data: PairedData, objective: object) -> FlowSystem:
        """The equations of an objective whose temperature stays, coordinate by coordinate."""
        held = Held(float(np.log(getattr(objective, "inverse_temperature", 1.0))))
        return cls(data, potential_in_temperature(objective).thermal, held, Coordinates.every(data))

    @cached_property
    def units(self) -> Float[Array, "2"]:
        """The largest scale of each modality: a common factor of a modality changes nothing, so it is divided out."""
        return np.array([np.max(view.scales) for view in self.data.views])

    @property
    def squares(self) -> tuple[Array, Array]:
        r"""$\sigma_{A,p}^2,\sigma_{B,p}^2$, in units of the largest."""
        return self.coordinates.squares

    @cached_property
    def noises(self) -> tuple[tuple[Array, Array], ...]:
        """For each modality the distinct squared noise scales, and the masses that they start with."""
        pairs = (
            np.unique((view.noise / unit) ** 2, return_counts=True)
            for view, unit in zip(self.data.views, self.units, strict=True)
        )
        return tuple((square, square * count) for square, count in pairs)

    @cached_property
    def start(self) -> Float[Array, " 2r+3"]:
        r"""$w=0$, $a_p=\sigma_{A,p}^2$, $b_p=\sigma_{B,p}^2$: orthogonal rows of unit length."""
        s_a, s_b = self.squares
        return np.concatenate([np.zeros_like(s_a), np.log(s_a / s_b), np.zeros(2), [self.course.start(0.0)]])

    def tolerance(self, y: Array) -> Array:
        """One, in logarithms; the clocks grow without bound and count relative to their size."""
        allowed = np.ones_like(y)
        allowed[-3:] = np.maximum(1.0, np.abs(y[-3:]))
        return allowed

    def point(self, y: Array) -> Point:
        """The state unpacked, with the sums that couple the coordinates."""
        w = self.coordinates.weights
        r = len(w)
        v, delta, clocks, e = y[:r], y[r : 2 * r], y[2 * r : -1], float(y[-1])
        a, b, c = lengths = compiled_rates().lengths(v, delta, *clocks, *self.squares)
        noise = tuple(mass * np.exp(-2 * s * T) for (s, mass), T in zip(self.noises, clocks, strict=True))
        norms = np.array([w @ a + noise[0].sum(), w @ b + noise[1].sum()])
        theta = c / np.sqrt(norms[0] * norms[1])
        log_tau2, _ = self.course.log_tau2(e)
        tau2 = np.exp(log_tau2)
        pull, pull_slope, pull_heat = self.objective.pull(theta, tau2)
        phi, phi_heat = self.objective.phi(theta, tau2)
        potential = float(w @ phi)
        clock, clock_slope = map(float, self.objective.clock(potential))
        total = float(clock * (w @ (pull * theta)))
        by_heat = clock_slope * np.sum(w * phi_heat), clock * np.sum(w * pull_heat * theta)
        return Point(
            v, delta, clocks, lengths, noise, norms, theta, pull, pull_slope, potential, clock,
            clock_slope, total, e, log_tau2, by_heat, pull_heat,
        )  # fmt: skip

    def misalignment(self, at: Point) -> Float[Array, " r"]:
        r"""$\|k_{-,p}\|^2=\|k_{A,p}-k_{B,p}\|^2/4$ in the units of the data, without cancellation."""
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
        v_dot, delta_dot = compiled_rates().velocity(*self._arguments(at))
        heating, _, _ = self.course.velocity(at.course, at.total)
        return np.concatenate([v_dot, delta_dot, at.total / at.norms, [heating]])

    def coasting(self, y: Array) -> Array | None:
        """The velocity, once nothing moves but the clocks, up to round-off; None before, and while τ² moves."""
        if not isinstance(self.course, Held):
            return None
        velocity, (s_a, s_b) = self.velocity(y), self.squares
        if not np.isfinite(velocity).all():
            return None
        decay = s_a * velocity[-3] + s_b * velocity[-2]  # one of the terms that cancel at rest
        moving = np.abs(velocity[:-3].reshape(2, -1)) > 16 * np.finfo(float).eps * decay
        if moving.any() or not decay.any():
            return None
        velocity[:-3] = 0
        return velocity

    def _arguments(self, at: Point) -> tuple[Array, ...]:
        return at.v, at.delta, *at.clocks, *np.log(at.norms), at.clock, at.total, at.pull, *self.squares

    def linearised(self, y: Array) -> Callable[[float], Solve]:
        r"""h ↦ (b ↦ $(I-hJ)^{-1}b$), each at a cost linear in r.

        The coordinates see one another only through
        $x=(T_A,T_B,\log N_A^2,\log N_B^2,\Phi',\Lambda,\log\tau^2)$. With x held the Jacobian J falls into blocks of
        two, `block`; `drive` tells how x moves a block, `sense` and `inner` how the blocks and x itself move x.
        """
        at = self.point(y)
        slopes = _stacked(compiled_rates().lengths_partials(at.v, at.delta, *at.clocks, *self.squares), at.v)
        slopes = slopes.reshape(3, 4, -1)  # of a, b, c in v, δ, T_A, T_B
        moves = self._theta_moves(at, slopes[2])
        block, drive = self._blocks(at, moves)
        sense, inner = self._globals(at, slopes, moves)
        norms, total = at.norms, at.total
        _, by_itself, by_total = self.course.velocity(at.course, at.total)
        _, heat = self.course.log_tau2(at.course)
        r = len(at.v)

        def solver(h: float) -> Solve:
            m = -h * block
            m[0, 0] += 1
            m[1, 1] += 1
            inverse = np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]]) / (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])
            moved = np.einsum("ijp,jxp->ixp", inverse, h * drive)
            own = inner.copy()
            # ΔT = b_T + h (ΔΛ / N² - Λ Δlog N² / N²)
            for i in range(2):
                own[i, 5] += h / norms[i]
                own[i, 2 + i] -= h * total / norms[i]
            # Δe = (b_e + h ė_Λ ΔΛ) / (1 - h ė_e)
            damped = 1 / (1 - h * by_itself)
            own[6, 5] = heat * damped * h * by_total
            coupling = np.linalg.inv(np.eye(7) - own - np.einsum("xip,iyp->xy", sense, moved))

            def solve(b: Array) -> Array:
                local = np.einsum("ijp,jp->ip", inverse, b[: 2 * r].reshape(2, r))
                known = np.einsum("xip,ip->x", sense, local)
                known[:2] += b[2 * r : -1]
                known[6] += heat * damped * b[-1]
                x = coupling @ known
                local += np.einsum("ixp,x->ip", moved, x)
                return np.concatenate([local.ravel(), x[:2], [damped * (b[-1] + h * by_total * x[5])]])

            return solve

        return solver

    @staticmethod
    def _theta_moves(at: Point, slopes: Float[Array, "4 r"]) -> Float[Array, "5 r"]:
        r"""Partials of $\theta_p=c_p/(N_AN_B)$ in $v,T_A,T_B,\log N_A^2,\log N_B^2$; none in δ."""
        half = -at.theta / 2
        return np.vstack([slopes[[0, 2, 3]] / np.sqrt(at.norms.prod()), half, half])

    def _blocks(self, at: Point, moves: Float[Array, "5 r"]) -> tuple[Float[Array, "2 2 r"], Float[Array, "2 7 r"]]:
        r"""Partials of $(\dot v,\dot\delta)$ in $(v,\delta)$ and in x, the force's own dependence included."""
        rates = _stacked(compiled_rates().velocity_partials(*self._arguments(at)), at.v)
        rates = rates.reshape(2, 9, -1)  # of v̇, δ̇ in v, δ, T_A, T_B, log N_A², log N_B², Φ', Λ, f
        block, by_pull = rates[:, :2].copy(), rates[:, 8]
        drive = np.concatenate([rates[:, 2:8], (by_pull * at.pull_heat)[:, None]], axis=1)
        block[:, 0] += by_pull * at.pull_slope * moves[0]
        drive[:, :4] += by_pull[:, None] * (at.pull_slope * moves[1:])
        return block, drive

    def _globals(
        self, at: Point, slopes: Float[Array, "3 4 r"], moves: Float[Array, "5 r"]
    ) -> tuple[Float[Array, "7 2 r"], Float[Array, "7 7"]]:
        """How the blocks, and x itself, move x."""
        w = self.coordinates.weights
        sense, inner = np.zeros((7, 2, len(w))), np.zeros((7, 7))
        for i in range(2):  # log N²
            sense[2 + i] = w * slopes[i, :2] / at.norms[i]
            inner[2 + i, :2] = slopes[i, 2:] @ w / at.norms[i]
            inner[2 + i, i] -= 2 * (self.noises[i][0] @ at.noise[i]) / at.norms[i]
        clock = -at.clock_slope * at.pull * moves  # Φ' = Φ'(Σφ(θ_p)), φ' = -f
        own = at.clock * (at.pull + at.pull_slope * at.theta) * moves  # Λ = Φ' Σ f θ
        sense[4, 0], inner[4, :4] = w * clock[0], clock[1:] @ w
        sense[5, 0], inner[5, :4] = w * own[0], own[1:] @ w
        inner[5, 4] = w @ (at.pull * at.theta)
        inner[4:6, 6] = at.by_heat
        return sense, inner


def _stacked(rows: Sequence[ArrayLike], like: Array) -> Float[Array, "rows r"]:
    """Compiled expressions as the rows of one matrix; those that are constant come as scalars."""
    matrix = np.empty((len(rows), len(like)))
    for i, row in enumerate(rows):
        matrix[i] = row
    return matrix
