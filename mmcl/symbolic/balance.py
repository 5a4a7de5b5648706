r"""The balanced point $\theta_p=1/r$ and how fast the flow returns to it.

Ours. Near the point every force of a separable loss is $g_p=\bar g-g'(\theta_p-\frac1r)-h\sum_q(\theta_q-\frac1r)$: its
own curvature $g'$ and a part h common to all. A symmetric start excites the modes of `symmetric_rates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.linearisation import jacobian
from mmcl.symbolic.loss_of_theta import infonce_potential, loss_of_theta, summed
from mmcl.symbolic.potentials import u
from mmcl.symbolic.symbols import half, ordered

g_bar, g_prime = sp.Symbol(r"\bar{g}", positive=True), sp.Symbol(r"{g'}", positive=True)
g_common = sp.Symbol("h", real=True)
N2 = sp.Symbol("{N_*^2}", positive=True)
noise_scale = sp.Symbol(r"\sigma_\xi", nonnegative=True)


def centring(r: int) -> sp.ImmutableMatrix:
    r"""$\Pi=I-11^\top/r$."""
    return sp.ImmutableMatrix(sp.eye(r) - sp.ones(r, r) / r)


def force_near_balance(shares: Sequence[sp.Expr]) -> list[sp.Expr]:
    r"""$g_p=\bar g-g'(\theta_p-\frac1r)-h\sum_q(\theta_q-\frac1r)$."""
    away = [share - sp.Rational(1, len(shares)) for share in shares]
    return [g_bar - g_prime * x - g_common * sum(away) for x in away]


def forces_at_balance() -> Step:
    r"""$\bar g$, $g'$ and the form of the force's Jacobian, from the loss itself."""
    potential = infonce_potential()
    x = sp.Symbol("x", positive=True)  # τ²/r
    slack = sp.Symbol("{(1-S)}", positive=True)
    own, cross, far = (
        sp.Symbol(rf"{{\frac{{\partial^2L}}{{\partial\theta_{k}}}}}")
        for k in ("p^2", r"p\partial\theta_q", r"q\partial\theta_s")
    )
    curves, values = [], []
    for r in (2, 3):
        balanced = {s.thetas[k]: x / s.tau2 for k in range(1, r + 1)}
        second = [sp.diff(loss_of_theta(r), s.thetas[1], s.thetas[k]).subs(balanced) for k in (1, 2)]
        third = sp.diff(loss_of_theta(r), s.thetas[2], s.thetas[r]).subs(balanced) if r > 2 else second[1]
        clock = potential.clock.subs(u, summed(potential, r))
        curve = -(clock * sp.diff(potential.pull, s.theta).subs(s.theta, s.thetas[1])).subs(balanced)
        force = (clock * potential.pull.subs(s.theta, s.thetas[1])).subs(balanced)
        S = (1 - sp.exp(-loss_of_theta(r) / 2)).subs(balanced)
        values.append({g_bar: force, g_prime: curve, slack: S, s.r: r})
        curves.append({own: second[0], cross: second[1], far: third, g_prime: curve})
    lines = (
        Line(sp.Eq(g_bar, 2 * slack * s.tau2 * (1 - sp.tanh(x))), tuple(values)),
        Line(sp.Eq(g_prime, 2 * slack * s.tau2**2 * sp.sech(x) ** 2), tuple(values)),
        Line(sp.Eq(own, ordered(g_prime, cross)), tuple(curves)),
        Line(sp.Eq(cross, far), tuple(curves)),
    )
    return Step("forces_at_balance", "near balance a force sees its own share and the common sum", lines)


def masses_at_balance() -> Step:
    r"""$N_*^2$ from conservation: all lengths equal, no noise mass left."""
    total = sp.Symbol(r"{\|W_A\|_F^2}", positive=True)
    share = N2 / s.r / s.sigmas[s.p] ** 2
    inverse = sp.Sum(s.sigmas[s.p] ** -2, (s.p, 1, s.r))

    def solved_for(r: int) -> sp.Expr:
        return sp.solve(sum(N2 / r / s.sigmas[k] ** 2 for k in range(1, r + 1)) - s.d, N2)[0]

    solved = [{s.r: r, total: s.d, N2: solved_for(r)} for r in (1, 2, 3)]
    lines = (
        Line(sp.Eq(total, sp.Sum(share, (s.p, 1, s.r))), tuple(solved)),
        Line(sp.Eq(N2, s.d * s.r / inverse), tuple(solved)),
    )
    return Step("masses_at_balance", "the size of the balanced representation", lines)


@lru_cache(maxsize=4)
def symmetric_jacobian(r: int) -> sp.ImmutableMatrix:
    r"""Of the symmetric flow at the balanced point, in $\|k_{+,p}\|^2$, $\|k_{-,p}\|^2$ and n; size 2r + 1."""
    x, y, shares, forces = (sp.symbols(f"{name}1:{r + 1}", positive=True) for name in ("x", "y", "t", "g"))
    n, norm, multiplier = sp.Symbol("n", nonnegative=True), s.N_a, s.Lambda
    point = {**dict.fromkeys(x, N2 / r), **dict.fromkeys(y, sp.Integer(0)), n: sp.Integer(0)}
    definitions = {
        norm: sp.sqrt(sum(x) + sum(y) + n),
        **{share: (u - v) / norm**2 for share, u, v in zip(shares, x, y, strict=True)},
        **dict(zip(forces, force_near_balance(shares), strict=True)),
        multiplier: sum(g * share for g, share in zip(forces, shares, strict=True)),
    }
    flow = gram_flow()

    def local(expression: sp.Expr, k: int) -> sp.Expr:
        lengths = {s.a: x[k] + y[k], s.b: x[k] + y[k], s.c: x[k] - y[k], s.n_a: n, s.noise_a: noise_scale}
        scale = {s.sigma_a: s.sigmas[k + 1], s.sigma_b: s.sigmas[k + 1]}
        return expression.xreplace({**lengths, **scale, s.N_b: norm, s.g: forces[k]})

    grow, decay = (flow.a_dot + flow.c_dot) / 2, (flow.a_dot - flow.c_dot) / 2
    velocity = [local(z, k) for z in (grow, decay) for k in range(r)]
    return jacobian(point, definitions, [*velocity, local(flow.n_a_dot, 0)])


def symmetric_rates() -> Step:
    r"""The blocks of the Jacobian. It is block triangular, so their eigenvalues are all of its eigenvalues."""
    below, misaligned, noise = (sp.Symbol(rf"{{J_{{{name}}}}}") for name in ("-+", "--", r"\xi\xi"))
    J_plus, Pi, squares = (sp.MatrixSymbol(name, s.r, s.r) for name in ("J_{++}", r"\Pi", r"\mathrm{diag}(\sigma^2)"))
    blocks, zeros, fades, noises = [], [], [], []
    for r in (2, 3):
        J = symmetric_jacobian(r)
        diagonal = sp.ImmutableMatrix(r, r, lambda i, j: s.sigmas[i + 1] ** 2 if i == j else 0)
        blocks.append({s.r: r, J_plus: sp.ImmutableMatrix(J[:r, :r]), Pi: centring(r), squares: diagonal})
        zeros += [{below: J[i, j]} for i in range(r, 2 * r + 1) for j in range(2 * r + 1) if i != j]
        fades += [{misaligned: J[r + k, r + k], s.sigmas[s.p]: s.sigmas[k + 1]} for k in range(r)]
        noises.append({noise: J[2 * r, 2 * r]})
    two = symmetric_jacobian(2)[:2, :2]
    eigenvalue, determinant = sp.Symbol(r"{\lambda_{r=2}}"), sp.Symbol(r"{\det J_{++}}")
    mean_square = half(ordered(s.sigmas[1] ** 2, s.sigmas[2] ** 2))
    lines = (
        Line(sp.Eq(J_plus, -2 * g_prime / (s.r * N2) * squares * Pi, evaluate=False), tuple(blocks)),
        Line(sp.Eq(determinant, 0), ({determinant: two.det()},)),
        Line(sp.Eq(eigenvalue, -g_prime / N2 * mean_square), ({eigenvalue: two.trace()},)),
        Line(sp.Eq(below, 0), tuple(zeros)),
        Line(sp.Eq(misaligned, -4 * s.sigmas[s.p] ** 2 * g_bar / N2), tuple(fades)),
        Line(sp.Eq(noise, -2 * noise_scale**2 * g_bar / N2), tuple(noises)),
    )
    return Step("symmetric_rates", "three rates: balance, misalignment, noise", lines)
