r"""What decides: φ is strictly convex with negatives and straight without them. Ours."""

from __future__ import annotations

import sympy as sp

from mmcl.objectives import PositiveOnly
from mmcl.symbolic import symbols as s
from mmcl.symbolic.derivation import Line, Step
from mmcl.symbolic.loss_of_theta import infonce_potential
from mmcl.symbolic.potentials import general_potential, u
from mmcl.symbolic.stable import plain
from mmcl.symbolic.symbols import half, ordered

curvature, straight = (
    sp.Symbol(rf"{{\varphi''_{{\text{{{name}}}}}(\theta_p)}}", real=True) for name in ("InfoNCE", "positives only")
)
slope, rise = sp.Symbol(r"{\varphi'(\theta_p)}", real=True), sp.Symbol(r"{\Phi'(u)}", real=True)
excess = sp.Symbol(r"{\sum_p\varphi(\theta_p)-r\,\varphi(1/r)}", real=True)
height, tilt = (sp.Symbol(rf"{{\varphi{mark}(1/r)}}", real=True) for mark in ("", "'"))
value, gap, gaps = (
    sp.Symbol(r"{\varphi(\theta_p)}", real=True),
    sp.Symbol("Q_p", real=True),
    sp.IndexedBase("Q", real=True),
)
primitive_slope, bend = sp.Symbol(r"{\frac{d}{dx}\big[(1-x)h'+h\big]}"), sp.Symbol("{h''}")


def convexity() -> Step:
    r"""$\varphi''=\tau^4\,\mathrm{sech}^2(\tau^2\theta_p)>0$; SymPy sees the sign from that of its letters."""
    infonce, positives = infonce_potential(), general_potential(PositiveOnly())
    second = sp.diff(infonce.phi, s.theta, 2)
    shown = s.tau2**2 * sp.sech(s.tau2 * s.theta) ** 2
    pull, clock = s.tau2 * (1 - sp.tanh(s.tau2 * s.theta)), 2 * s.K * sp.exp(u) / (1 + s.K * sp.exp(u))
    positive_K = {s.K: sp.Symbol("K", positive=True)}
    # In exponentials every factor is positive, and so is the product.
    in_exponentials = sp.factor(plain(second))
    lines = (
        Line(sp.Eq(curvature, shown), ({curvature: second},)),
        Line(sp.Gt(curvature, 0), ({curvature: in_exponentials}, {curvature: shown})),
        Line(sp.Eq(slope, -pull), ({slope: -infonce.pull},)),
        Line(sp.Gt(-slope, 0), ({slope: -sp.factor(plain(infonce.pull))},)),
        Line(sp.Eq(rise, clock), ({rise: infonce.clock},)),
        Line(sp.Gt(rise, 0), ({rise: clock.xreplace(positive_K)},)),
        Line(sp.Eq(straight, 0), ({straight: sp.diff(positives.phi, s.theta, 2)},)),
    )
    return Step("convexity", "with negatives φ falls and is strictly convex; without them it is straight", lines)


def jensen() -> Step:
    r"""Balance is the only minimiser: φ lies above its tangent at 1/r, and $\sum_p\theta_p\le1$.

    With $h(x)=\varphi(\frac1r+x(\theta_p-\frac1r))$ the gap to the tangent is $Q_p=\int_0^1(1-x)\,h''dx$, positive off
    the point because $\varphi''>0$; and $\varphi'<0$ makes the first term of the excess non-negative.
    """
    phi = infonce_potential().phi
    x = sp.Symbol("x", nonnegative=True)
    way = phi.subs(s.theta, 1 / s.r + x * (s.theta - 1 / s.r))
    primitive = (1 - x) * sp.diff(way, x) + way
    curved = sp.diff(phi, s.theta, 2).subs(s.theta, 1 / s.r + x * (s.theta - 1 / s.r)) * (s.theta - 1 / s.r) ** 2
    meaning = {
        height: phi.subs(s.theta, 1 / s.r),
        tilt: sp.diff(phi, s.theta).subs(s.theta, 1 / s.r),
        value: phi,
        primitive_slope: sp.diff(primitive, x),
        bend: curved,
        gap: primitive.subs(x, 1) - primitive.subs(x, 0),
    }

    def summed(r: int) -> dict:
        each = [tilt * (s.thetas[k] - sp.Rational(1, r)) + gaps[k] for k in range(1, r + 1)]
        return {s.r: r, excess: sum(each)}

    total = ordered(tilt * ordered(sp.Sum(s.thetas[s.p], (s.p, 1, s.r)), -1), sp.Sum(gaps[s.p], (s.p, 1, s.r)))
    lines = (
        Line(sp.Eq(primitive_slope, (1 - x) * bend), (meaning,)),
        Line(sp.Eq(gap, ordered(value, -height, -tilt * ordered(s.theta, -1 / s.r))), (meaning,)),
        Line(sp.Eq(excess, total), tuple(summed(r) for r in (1, 2, 3))),
    )
    return Step("jensen", "the excess over balance is a sum of terms that are never negative", lines)


def cauchy_schwarz() -> Step:
    r"""$\sum_p|\theta_p|\le1$: what is missing is a sum of squares, and noise and angles only add to it."""
    a, b = s.lengths_a, sp.IndexedBase("b", positive=True)
    span, other = (s.p, 1, s.r), (s.q, 1, s.r)
    lengths = sp.Sum(sp.sqrt(a[s.p]) * sp.sqrt(b[s.p]), span)
    left = ordered(sp.Sum(a[s.p], span) * sp.Sum(b[s.p], span), -(lengths**2))
    cross = ordered(sp.sqrt(a[s.p]) * sp.sqrt(b[s.q]), -sp.sqrt(a[s.q]) * sp.sqrt(b[s.p])) ** 2
    lines = (
        Line(sp.Eq(left, half(sp.Sum(cross, span, other))), tuple({s.r: r} for r in (1, 2, 3))),
        Line(
            sp.Eq(ordered(s.a * s.b, -(s.c**2)), s.a * s.b * sp.sech(s.w) ** 2),
            ({s.c: sp.sqrt(s.a * s.b) * sp.tanh(s.w)},),
        ),
    )
    return Step("cauchy_schwarz", "the shares of the alignment sum to at most one", lines)
