r"""The linear algebra of the flow's Jacobian: blocks of two, plus rank seven.

The coordinates see one another only through $x=(T_A,T_B,\log N_A^2,\log N_B^2,\Phi',\Lambda,\log\tau^2)$. With x held
the Jacobian J falls into blocks of two, `block`; `drive` tells how x moves a block, `sense` and `inner` how the blocks
and x itself move x. An axis of worlds may stand before that of coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from numpy.typing import ArrayLike

from mmcl.course import Course
from mmcl.extrapolation import Solve
from mmcl.flow_point import Point, columns
from mmcl.symbolic.hyperbolic import compiled_rates


def resolvent(at: Point, course: Course) -> Callable[[Float[Array, " rows"]], Solve]:
    r"""h ↦ (b ↦ $(I-hJ)^{-1}b$) at a point of the flow, at a cost linear in r; for several h."""
    slopes = _stacked(compiled_rates().lengths_partials(at.v, at.delta, *columns(at.clocks), *at.squares), at.v)
    slopes = slopes.reshape(3, 4, *at.v.shape)  # of a, b, c in v, δ, T_A, T_B
    moves = _theta_moves(at, slopes[2])
    block, drive = _blocks(at, moves)
    sense, inner = _globals(at, slopes, moves)
    norms, total = at.norms, at.total
    _, by_itself, by_total = course.velocity(at.course, at.total)
    _, heat = course.log_tau2(at.course)
    *worlds, r = at.v.shape

    def solver(h: Float[Array, " rows"]) -> Solve:
        h = h.reshape(-1, *(1 for _ in worlds))  # an axis of step sizes before all others
        h_p = h[..., None]
        m = -h_p * block[:, :, None]
        m[0, 0] += 1
        m[1, 1] += 1
        inverse = np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]]) / (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])
        moved = np.einsum("ij...,jx...->ix...", inverse, h_p * drive[:, :, None])
        own = np.repeat(inner[None], len(h), axis=0)
        # ΔT = b_T + h (ΔΛ / N² - Λ Δlog N² / N²)
        for i in range(2):
            own[..., i, 5] += h / norms[..., i]
            own[..., i, 2 + i] -= h * total / norms[..., i]
        # Δe = (b_e + h ė_Λ ΔΛ) / (1 - h ė_e)
        damped = 1 / (1 - h * by_itself)
        own[..., 6, 5] = heat * damped * h * by_total
        coupling = np.linalg.inv(np.eye(7) - own - np.einsum("xi...p,iy...p->...xy", sense[:, :, None], moved))

        def solve(b: Float[Array, "k n"]) -> Float[Array, "k n"]:
            last = slice(len(h) - len(b), None)
            given = b.reshape(len(b), *worlds, 2 * r + 3)
            own_b = np.array([given[..., :r], given[..., r : 2 * r]])
            local = np.einsum("ij...,j...->i...", inverse[:, :, last], own_b)
            known = np.einsum("xi...p,i...p->...x", sense[:, :, None], local)
            known[..., :2] += given[..., 2 * r : -1]
            known[..., 6] += heat * damped[last] * given[..., -1]
            x = (coupling[last] @ known[..., None])[..., 0]
            local += np.einsum("ix...p,...x->i...p", moved[:, :, last], x)
            e = damped[last] * (given[..., -1] + h[last] * by_total * x[..., 5])
            return np.concatenate([*local, x[..., :2], e[..., None]], axis=-1).reshape(b.shape)

        return solve

    return solver


def _theta_moves(at: Point, slopes: Float[Array, "4 *W r"]) -> Float[Array, "5 *W r"]:
    r"""Partials of $\theta_p=c_p/(N_AN_B)$ in $v,T_A,T_B,\log N_A^2,\log N_B^2$; none in δ."""
    half = -at.theta / 2
    return np.concatenate([slopes[[0, 2, 3]] / np.sqrt(at.norms.prod(axis=-1))[..., None], [half, half]])


def _blocks(at: Point, moves: Float[Array, "5 *W r"]) -> tuple[Float[Array, "2 2 *W r"], Float[Array, "2 7 *W r"]]:
    r"""Partials of $(\dot v,\dot\delta)$ in $(v,\delta)$ and in x, the force's own dependence included."""
    rates = _stacked(compiled_rates().velocity_partials(*at.arguments), at.v)
    rates = rates.reshape(2, 9, *at.v.shape)  # of v̇, δ̇ in v, δ, T_A, T_B, log N_A², log N_B², Φ', Λ, f
    block, by_pull = rates[:, :2].copy(), rates[:, 8]
    drive = np.concatenate([rates[:, 2:8], (by_pull * at.pull_heat)[:, None]], axis=1)
    block[:, 0] += by_pull * at.pull_slope * moves[0]
    drive[:, :4] += by_pull[:, None] * (at.pull_slope * moves[1:])
    return block, drive


def _globals(
    at: Point, slopes: Float[Array, "3 4 *W r"], moves: Float[Array, "5 *W r"]
) -> tuple[Float[Array, "7 2 *W r"], Float[Array, "*W 7 7"]]:
    """How the blocks, and x itself, move x."""
    w, worlds = at.weights, at.v.shape[:-1]
    sense, inner = np.zeros((7, 2, *at.v.shape)), np.zeros((7, 7, *worlds))
    for i in range(2):  # log N²
        norm = at.norms[..., i]
        sense[2 + i] = w * slopes[i, :2] / norm[..., None]
        inner[2 + i, :2] = np.vecdot(slopes[i, 2:], w) / norm
        inner[2 + i, i] -= 2 * np.sum(at.noises[i].squares * at.noise[i], axis=-1) / norm
    clock = -at.clock_slope[..., None] * at.pull * moves  # Φ' = Φ'(Σφ(θ_p)), φ' = -f
    own = at.clock[..., None] * (at.pull + at.pull_slope * at.theta) * moves  # Λ = Φ' Σ f θ
    sense[4, 0], inner[4, :4] = w * clock[0], np.vecdot(clock[1:], w)
    sense[5, 0], inner[5, :4] = w * own[0], np.vecdot(own[1:], w)
    inner[5, 4] = np.vecdot(w, at.pull * at.theta)
    inner[4, 6] = at.clock_slope * np.sum(w * at.phi_heat, axis=-1)
    inner[5, 6] = at.clock * np.sum(w * at.pull_heat * at.theta, axis=-1)
    return sense, np.moveaxis(inner, (0, 1), (-2, -1)).copy()


def _stacked(rows: Sequence[ArrayLike], like: Float[Array, "*W r"]) -> Float[Array, "rows *W r"]:
    """Compiled expressions in one array; those that are constant come as scalars."""
    stack = np.empty((len(rows), *like.shape))
    for i, row in enumerate(rows):
        stack[i] = row
    return stack
