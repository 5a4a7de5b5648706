r"""The coordinates in which the first integrals are solved: 2r + 2 numbers instead of 3r + 2.

The cosine of the angle between the two modalities' images of a coordinate is $\tanh w_p$, their ratio of lengths
$e^{\delta_p/2}$, and the first integral gives the product of the lengths. Ours; the solver integrates these equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.gram_flow import gram_flow
from mmcl.symbolic.stable import compiled, expit, expm1, tanh
from mmcl.symbolic.symbols import ordered, rate


@dataclass(frozen=True)
class HyperbolicFlow:
    r"""The flow in $(v_p,\delta_p)$ and the clocks $T_A,T_B$, expressions in `symbols`, $w_p$ kept as a letter.

    Attributes:
        w: what $w_p$ stands for, $w_p=v_p+\sigma_{A,p}^2T_A+\sigma_{B,p}^2T_B$.
        a, b, c: lengths and inner product, by the first integral.
        misalignment: $\|k_-\|^2=(a+b-2c)/4$, free of cancellation.
        v_dot, delta_dot: in $\nu=\log N^2$, the clock $\Phi'$ and the pull $f_p$, where $g_p=\Phi'f_p$.
    """

    w: sp.Expr
    a: sp.Expr
    b: sp.Expr
    c: sp.Expr
    misalignment: sp.Expr
    v_dot: sp.Expr
    delta_dot: sp.Expr


@lru_cache(maxsize=1)
def hyperbolic_flow() -> HyperbolicFlow:
    """The expressions that the chapter shows and the solver runs, in forms that neither overflow nor cancel."""
    s_a, s_b = s.sigma_a**2, s.sigma_b**2
    size = s.sigma_a * s.sigma_b * sp.exp(s.v) * (1 + sp.exp(-2 * s.w)) / 2  # √(ab)
    up, down = s_a * sp.exp(-s.delta / 2), s_b * sp.exp(s.delta / 2)
    fade_a, fade_b = s_a * sp.exp(-s.nu_a), s_b * sp.exp(-s.nu_b)
    drive = s.clock * s.pull * sp.exp(-(s.nu_a + s.nu_b) / 2)  # g / (N_A N_B)
    return HyperbolicFlow(
        w=ordered(s.v, s_a * s.T_a, s_b * s.T_b),
        a=size * sp.exp(s.delta / 2),
        b=size * sp.exp(-s.delta / 2),
        c=-s.sigma_a * s.sigma_b * sp.exp(s.v) * expm1(-2 * s.w) / 2,
        misalignment=size * (sp.sinh(s.delta / 4) ** 2 + expit(-2 * s.w)),
        v_dot=ordered(drive * ordered(up, down), -s.Lambda * ordered(fade_a, fade_b)),
        delta_dot=ordered(2 * drive * tanh(s.w) * ordered(up, -down), -2 * s.Lambda * ordered(fade_a, -fade_b)),
    )


@dataclass(frozen=True)
class CompiledRates:
    """The flow as NumPy functions; arrays of coordinates broadcast, and what is constant comes as a scalar.

    Attributes:
        lengths: (v, δ, T_A, T_B, σ_A², σ_B²) ↦ (a, b, c).
        lengths_partials: of a, b, c in turn, each in v, δ, T_A, T_B; a flat list of 12.
        misalignment: the same arguments ↦ ‖k_-‖².
        velocity: (v, δ, T_A, T_B, log N_A², log N_B², Φ', Λ, f, σ_A², σ_B²) ↦ (v̇, δ̇).
        velocity_partials: of v̇, δ̇ in turn, each in the first nine arguments; a flat list of 18.
    """

    lengths: Callable
    lengths_partials: Callable
    misalignment: Callable
    velocity: Callable
    velocity_partials: Callable


@lru_cache(maxsize=1)
def compiled_rates() -> CompiledRates:
    """The expressions of `hyperbolic_flow` and their partial derivatives, for the solver."""
    flow = hyperbolic_flow()
    squares = sp.symbols("s_A s_B", positive=True)
    scales = {s.sigma_a: sp.sqrt(squares[0]), s.sigma_b: sp.sqrt(squares[1])}

    def written(expression: sp.Expr) -> sp.Expr:
        return expression.subs(s.w, flow.w.doit()).subs(scales)

    state = (s.v, s.delta, s.T_a, s.T_b)
    arguments = (*state, s.nu_a, s.nu_b, s.clock, s.Lambda, s.pull)
    lengths = [written(x) for x in (flow.a, flow.b, flow.c)]
    rates = [written(x) for x in (flow.v_dot, flow.delta_dot)]
    return CompiledRates(
        lengths=compiled([*state, *squares], lengths),
        lengths_partials=compiled([*state, *squares], [sp.diff(x, y) for x in lengths for y in state]),
        misalignment=compiled([*state, *squares], written(flow.misalignment)),
        velocity=compiled([*arguments, *squares], rates),
        velocity_partials=compiled([*arguments, *squares], [sp.diff(x, y) for x in rates for y in arguments]),
    )


size = sp.Symbol(r"{\sqrt{a_pb_p}}", positive=True)
log_size_rate = sp.Symbol(r"{\frac{d}{dt}\log\sqrt{a_pb_p}}", real=True)


def coordinates() -> Step:
    r"""$w,\delta$ in place of $a,b,c$: the flow of the Gram matrix in them, and its first integral solved."""
    gram = gram_flow()
    polar = {s.a: size * sp.exp(s.delta / 2), s.b: size * sp.exp(-s.delta / 2), s.c: size * sp.tanh(s.w)}

    def along(quantity: sp.Expr) -> sp.Expr:
        return gram.along(quantity).xreplace(polar)

    w_dot, delta_dot, T_a_dot, T_b_dot = (rate(x) for x in (s.w, s.delta, s.T_a, s.T_b))
    s_a, s_b, drive = s.sigma_a**2, s.sigma_b**2, s.g / (s.N_a * s.N_b)
    up, down = s_a * sp.exp(-s.delta / 2), s_b * sp.exp(s.delta / 2)
    decay = ordered(-s_a * T_a_dot, -s_b * T_b_dot)
    clocks = {T_a_dot: s.Lambda / s.N_a**2, T_b_dot: s.Lambda / s.N_b**2}
    cosine = s.c / sp.sqrt(s.a * s.b)
    angle = {w_dot: along(cosine) / (1 - sp.tanh(s.w) ** 2)}  # d tanh w = (1 - tanh² w) dw
    solved = s.sigma_a * s.sigma_b * sp.cosh(s.w) * sp.exp(-s_a * s.T_a - s_b * s.T_b)
    solved_rate = sp.diff(sp.log(solved), s.w) * w_dot + sum(
        sp.diff(sp.log(solved), T) * rate(T) for T in (s.T_a, s.T_b)
    )
    turn = 2 * drive * sp.tanh(s.w) * ordered(up, -down)
    at_start = dict.fromkeys((s.w, s.T_a, s.T_b), sp.Integer(0))
    lines = (
        Line(sp.Eq(sp.tanh(s.w), cosine), (polar,)),
        Line(sp.Eq(s.delta, sp.log(s.a / s.b)), ({s.a: polar[s.a], s.b: polar[s.b]},)),
        Line(sp.Eq(T_a_dot, clocks[T_a_dot])),
        Line(sp.Eq(w_dot, drive * ordered(up, down)), (angle,)),
        Line(
            sp.Eq(delta_dot, ordered(turn, -2 * s_a * T_a_dot, 2 * s_b * T_b_dot)),
            ({delta_dot: along(sp.log(s.a / s.b)), **clocks},),
        ),
        Line(
            sp.Eq(log_size_rate, ordered(sp.tanh(s.w) * w_dot, decay)),
            (
                {log_size_rate: along(sp.log(s.a * s.b)) / 2, **angle, **clocks},
                {log_size_rate: solved_rate},
            ),
        ),
        Line(sp.Eq(size, solved), ({size: s.sigma_a * s.sigma_b, **at_start},)),
    )
    return Step("hyperbolic", "the first integrals solved: 2r + 2 numbers are left", lines)


def solver_form() -> Step:
    """What `flow` integrates equals the step before, term by term."""
    flow, (w_dot, delta_dot) = hyperbolic_flow(), _rates_of_coordinates()
    s_a, s_b = s.sigma_a**2, s.sigma_b**2
    integral = s.sigma_a * s.sigma_b * sp.cosh(s.w) * sp.exp(-s_a * s.T_a - s_b * s.T_b)
    a, b, c = (integral * x for x in (sp.exp(s.delta / 2), sp.exp(-s.delta / 2), sp.tanh(s.w)))
    gap = sp.Symbol(r"{\|k_{-,p}\|^2}", positive=True)
    fade = s.Lambda * (s_a / s.N_a**2 + s_b / s.N_b**2)
    here = {s.v: s.w - s_a * s.T_a - s_b * s.T_b}
    local = {s.N_a: sp.exp(s.nu_a / 2), s.N_b: sp.exp(s.nu_b / 2), s.g: s.clock * s.pull}
    lines = (
        Line(sp.Eq(s.w, flow.w)),
        Line(sp.Eq(s.a, flow.a), ({s.a: a, **here},)),
        Line(sp.Eq(s.b, flow.b), ({s.b: b, **here},)),
        Line(sp.Eq(s.c, flow.c), ({s.c: c, **here},)),
        Line(sp.Eq(gap, flow.misalignment), ({gap: (a + b - 2 * c) / 4, **here},)),
        Line(sp.Eq(rate(s.v), flow.v_dot), ({rate(s.v): (w_dot - fade).xreplace(local)},)),
        Line(sp.Eq(rate(s.delta), flow.delta_dot), ({rate(s.delta): delta_dot.xreplace(local)},)),
    )
    return Step("solver_form", "the form that the solver runs, free of overflow and cancellation", lines)


def _rates_of_coordinates() -> tuple[sp.Expr, sp.Expr]:
    r"""$\dot w,\dot\delta$ as `coordinates` shows them, the clocks written out."""
    shown = {line.equation.lhs: line.equation.rhs for line in coordinates().lines}
    clocks = {rate(s.T_a): s.Lambda / s.N_a**2, rate(s.T_b): s.Lambda / s.N_b**2}
    return shown[rate(s.w)].xreplace(clocks), shown[rate(s.delta)].xreplace(clocks)
